/* SPDX-License-Identifier: MIT */
/*
 * The page that a VM has brought itself: the file of `desched vm --page FILE`. It is taken from the
 * process that has it open, as a descriptor, so that no name is looked up on anybody's behalf: what
 * a process cannot write itself is not written for it either.
 */
#ifndef HOST_PAGE_FILE_H
#define HOST_PAGE_FILE_H

#include "host/vm.h"

#include <stddef.h>

struct page_file {
	int fd;
	void *base;
	size_t size;
};

/*
 * -ENOENT for a VM without one; otherwise why it cannot be had, in `f`: -EACCES, -EBADF when the VM
 * may not write it, -EINVAL for what is no page or smaller than `need` bytes, -EBUSY when another
 * process publishes there. A file that is cut short later does no harm: what is written to it from
 * then on is lost.
 */
int page_file_open(const struct host_vm *vm, size_t need, struct failure *f, struct page_file *ret);
void page_file_close(struct page_file *p);

/* For page_file_open() and tests: what stands behind --page in `size` bytes of a command line,
 * whose words end with NUL, and which ends with one more; NULL if that is no `desched vm` with a
 * page. */
const char *page_file_option(const char *words, size_t size);

#endif
