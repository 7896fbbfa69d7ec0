/* SPDX-License-Identifier: MIT */
#include "vmm/ledger_page.h"

#include "base/cleanup.h"
#include "ledger/page_writer.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

/* A lock of our process, whatever other process has the descriptor: on the first byte. */
static int lock(int fd)
{
	struct flock l = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_len = 1};

	return fcntl(fd, F_SETLK, &l) ? -errno : 0;
}

/* What is to be written over is a page, or nothing: not a disk. */
static bool is_page(int fd, uint64_t size)
{
	uint64_t magic = 0;

	return size >= sizeof(magic) && size <= MEMORY_PAGE_MAX && !(size & (size - 1)) &&
	       pread(fd, &magic, sizeof(magic), 0) == sizeof(magic) &&
	       (!magic || magic == PAGE_MAGIC);
}

static int prepare(int fd, uint64_t need, const char *path, struct failure *f, uint64_t *ret_size)
{
	struct stat st;

	if (fstat(fd, &st) || !S_ISREG(st.st_mode) || (st.st_size && !is_page(fd, st.st_size)))
		return failure_set(f, -EINVAL, "--page %s: neither a ledger page nor an empty file",
				   path);
	if (lock(fd))
		return failure_set(f, -EBUSY, "--page %s: another virtual machine has it", path);
	if ((uint64_t)st.st_size < need && ftruncate(fd, (off_t)need))
		return failure_errno(f, -errno, "--page %s", path);
	*ret_size = (uint64_t)st.st_size < need ? need : (uint64_t)st.st_size;
	return 0;
}

int ledger_page_open(const char *path, uint32_t vcpus, struct failure *f, struct memory *m,
		     int *ret_fd)
{
	_cleanup_(close_fd) int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NONBLOCK, 0600);
	uint64_t size = 0;
	void *base;
	int err;

	if (fd < 0)
		return failure_errno(f, -errno, "--page %s", path);
	err = prepare(fd, page_size_for(vcpus, PAGE_RING_USUAL), path, f, &size);
	if (err)
		return err;
	base = mmap(NULL, size, PROT_READ, MAP_SHARED, fd, 0);
	if (base == MAP_FAILED)
		return failure_errno(f, -errno, "--page %s", path);
	m->page = base;
	m->page_size = size;
	*ret_fd = fd;
	fd = -1;
	return 0;
}

void ledger_page_close(struct memory *m, int *fd)
{
	if (m->page)
		munmap((void *)(uintptr_t)m->page, m->page_size);
	m->page = NULL;
	m->page_size = 0;
	close_fd(fd);
	*fd = -1;
}
