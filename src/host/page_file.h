/* SPDX-License-Identifier: MIT */
/*
 * The page that a VM has brought itself: a file that is shared memory of its guest (page_device.h).
 * It is taken from the process that has it open, as a descriptor (open_file.h), so that what a
 * process could not write itself is not written for it either, and a file that was renamed or
 * replaced since is not mistaken for it.
 *
 * Such a device may be somebody else's: it is written only if it holds a page, or nothing but zeros
 * and no more of them than a page may have; and only as long as the page is still there.
 *
 * Whoever has the file may cut it short while it is mapped. So the first page_file_open() installs a
 * handler of SIGBUS for the whole process: an access beyond the end of a page finds empty memory
 * from then on, any other SIGBUS ends the process as before.
 */
#ifndef HOST_PAGE_FILE_H
#define HOST_PAGE_FILE_H

#include "host/host_vm.h"
#include "host/page_device.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Empty memory of more than that is not taken for a page's, unless it is called desched. */
#define PAGE_EMPTY_MAX (16ull * 1024 * 1024)

struct page_file {
	int fd;
	void *base;
	size_t size; /* mapped: as much as is wanted, or the most that is there: a power of two */
};

/* What became of each file that might have been the page. */
struct page_verdict {
	char device[64];
	char file[128]; /* printable, cut; may be empty */
	char why[160];	/* why it was left alone; empty for the one that is written */
};

struct page_choice {
	struct page_verdict verdicts[PAGE_DEVICES_MAX];
	unsigned n;
	unsigned more; /* devices that were not looked at */
	bool again;    /* another look may find otherwise: one is in use, or not empty, or small */
	bool shared;   /* one is another VM's page, which may end; */
	uint64_t closed; /* and how many pages had been given up when that was found */
};

/*
 * Takes the first file that may be written and has `need` bytes; maps up to `want` of them. -ENOENT
 * where there is none; *ret_choice says why in any case but -ENOMEM, -ESRCH and -EACCES. A file
 * that is cut short later does no harm: what is written to it from then on is lost, and
 * page_file_lost() says so.
 */
int page_file_open(const struct host_vm *vm, size_t need, size_t want,
		   struct page_choice *ret_choice, struct page_file *ret);

/* Whether another look at those files may find otherwise by now. */
bool page_choice_again(const struct page_choice *c);

/*
 * The same for devices that were plugged in since, or that the command line doesn't have
 * (page_plugged.h): those that *c has no verdict of, and theirs are added to it.
 */
int page_file_plugged(const struct host_vm *vm, size_t need, size_t want, struct page_choice *c,
		      struct page_file *ret);

void page_file_close(struct page_file *p); /* all zero accepted */

/* The file was cut short, or something else was written over the page: it is no more to be
 * written. NULL as long as all is well. */
const char *page_file_lost(const struct page_file *p);

/* Whether one that is lost may be looked for again: it was cut short or emptied, or is another publisher's. What
 * somebody else wrote over is theirs, even if it is empty at times. */
bool page_file_again(const struct page_file *p);

#endif
