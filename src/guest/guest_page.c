/* SPDX-License-Identifier: MIT */
#include "guest/guest_page.h"

#include "base/cleanup.h"
#include "base/proc.h"
#include "guest/port_page.h"
#include "guest/stream_page.h"

#include <desched/page.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define PCI_DEVICES    "/sys/bus/pci/devices"
#define IVSHMEM_VENDOR 0x1af4
#define IVSHMEM_DEVICE 0x1110

static int map_file(const char *path, struct failure *f, struct guest_page *ret)
{
	_cleanup_(close_fd) int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;
	void *base;

	if (fd < 0)
		return failure_errno(f, -errno, "ledger page %s", path);
	if (fstat(fd, &st))
		return failure_errno(f, -errno, "ledger page %s", path);
	if (st.st_size <= 0)
		return failure_set(f, -ENODATA, "ledger page %s is empty", path);
	base = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_SHARED, fd, 0);
	if (base == MAP_FAILED)
		return failure_errno(f, -errno, "mapping ledger page %s", path);
	*ret = (struct guest_page){.base = base, .size = (size_t)st.st_size};
	return 0;
}

static long read_hex(const char *device, const char *file)
{
	char path[320], text[32];

	snprintf(path, sizeof(path), PCI_DEVICES "/%s/%s", device, file);
	return file_read(path, text, sizeof(text)) < 0 ? -1 : strtol(text, NULL, 16);
}

/* The firmware may have left the device's memory switched off; no driver binds to it. */
static void enable_device(const char *device)
{
	char path[320];
	int fd;

	snprintf(path, sizeof(path), PCI_DEVICES "/%s/enable", device);
	if (read_hex(device, "enable") != 0)
		return;
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return;
	(void)!write(fd, "1", 1); /* if that fails, so does the mapping, which says why */
	close(fd);
}

/* How well memory that begins so would do as the page: it is one, it may become one, it is somebody
 * else's. */
enum { FOREIGN, EMPTY, PAGE };

static int rank(const struct guest_page *m)
{
	uint64_t magic = m->size >= sizeof(magic) ? *(const volatile uint64_t *)m->base : ~0ull;

	return magic == PAGE_MAGIC ? PAGE : magic ? FOREIGN : EMPTY;
}

static int map_device(const char *device, struct failure *f, struct guest_page *ret)
{
	char bar[320];

	enable_device(device);
	snprintf(bar, sizeof(bar), PCI_DEVICES "/%s/resource2", device);
	return map_file(bar, f, ret);
}

static int is_ivshmem(const struct dirent *e)
{
	return e->d_name[0] != '.' && read_hex(e->d_name, "vendor") == IVSHMEM_VENDOR &&
	       read_hex(e->d_name, "device") == IVSHMEM_DEVICE;
}

static void free_list(struct dirent **list, int n)
{
	for (int i = 0; i < n; i++)
		free(list[i]);
	free(list);
}

/* The best of all devices, of equal ones the first: a VM may have others, for other ends. -ENODEV,
 * or why the last one cannot be mapped. */
static int map_best(struct failure *f, struct guest_page *ret)
{
	struct guest_page best = {.base = NULL};
	struct failure why = {""};
	struct dirent **list = NULL;
	int n = scandir(PCI_DEVICES, &list, is_ivshmem, alphasort), err = -ENODEV;

	for (int i = 0; i < n; i++) {
		struct guest_page m = {.base = NULL};
		int e = map_device(list[i]->d_name, &why, &m);

		if (e) {
			err = e;
			continue;
		}
		if (!best.base || rank(&m) > rank(&best)) {
			guest_page_unmap(&best);
			best = m;
		} else {
			guest_page_unmap(&m);
		}
	}
	if (n >= 0)
		free_list(list, n);
	if (!best.base)
		return failure_set(f, err, "%s", why.text);
	*ret = best;
	return 0;
}

int guest_page_map(const char *path, struct failure *f, struct guest_page *ret)
{
	int err;

	if (path)
		return map_file(path, f, ret);
	err = map_best(f, ret);
	if (err != -ENODEV)
		return err;
	err = port_page_map(f, ret);
	if (err != -ENODEV)
		return err;
	return failure_set(
		f, err,
		"source page: no ivshmem device here, nor a desched vm with --page; give "
		"the VM one (desched-page(5))");
}

void guest_page_unmap(struct guest_page *m)
{
	if (m->line)
		stream_page_unmap(m);
	if (m->base)
		munmap(m->base, m->size);
	m->base = NULL;
}
