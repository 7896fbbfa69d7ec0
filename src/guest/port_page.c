/* SPDX-License-Identifier: MIT */
#include "guest/port_page.h"

#include "base/cleanup.h"
#include "base/proc.h"
#include "guest/ioport.h"

#include <desched/vmdesched.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

struct search {
	const char *root;
	uint64_t size;
};

static int read_word(const struct search *s, pid_t entry, const char *file, char *ret, size_t size)
{
	char path[512];

	snprintf(path, sizeof(path), "%s/sys/firmware/memmap/%d/%s", s->root, entry, file);
	return file_read(path, ret, size) < 0 ? -ENOENT : 0;
}

static uint64_t read_number(const struct search *s, pid_t entry, const char *file)
{
	char text[64];

	return read_word(s, entry, file, text, sizeof(text)) ? 0 : strtoull(text, NULL, 16);
}

/* 1 for the reserved range that begins where the page does. */
static int look_at(pid_t entry, void *data)
{
	struct search *s = data;
	char type[64];

	if (read_number(s, entry, "start") != VMDESCHED_LEDGER_AT ||
	    read_word(s, entry, "type", type, sizeof(type)) || strncasecmp(type, "reserved", 8))
		return 0;
	s->size = read_number(s, entry, "end") + 1 - VMDESCHED_LEDGER_AT;
	return 1;
}

int port_page_expected(const char *root, uint64_t *ret_size)
{
	struct search s = {.root = root};
	char path[512];

	snprintf(path, sizeof(path), "%s/sys/firmware/memmap", root);
	proc_each_id(path, look_at, &s);
	if (!s.size || s.size & (s.size - 1) || s.size > UINT32_MAX || !ioport_is_free_in(root))
		return -ENODEV;
	*ret_size = s.size;
	return 0;
}

/* 0 if the port says the same. */
static int ask(uint64_t size)
{
	int err = ioport_open();
	bool same;

	if (err)
		return err;
	same = ioport_read(VMDESCHED_LEDGER) == VMDESCHED_LEDGER_AT &&
	       ioport_read(VMDESCHED_LEDGER_SIZE) == size;
	ioport_close();
	return same ? 0 : -ENODEV;
}

int port_page_map(struct failure *f, struct guest_page *ret)
{
	_cleanup_(close_fd) int fd = -1;
	uint64_t size = 0;
	void *base;
	int err = port_page_expected("", &size);

	if (!err)
		err = ask(size);
	if (err)
		return failure_errno(f, err, "VMDesched's port");
	fd = open("/dev/mem", O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return failure_errno(f, -errno, "ledger page in /dev/mem");
	base = mmap(NULL, size, PROT_READ, MAP_SHARED, fd, VMDESCHED_LEDGER_AT);
	if (base == MAP_FAILED)
		return failure_errno(f, -errno, "mapping the ledger page from /dev/mem");
	*ret = (struct guest_page){.base = base, .size = size};
	return 0;
}
