/* SPDX-License-Identifier: MIT */
/*
 * The files that a VM has brought for its ledger page, by its command line:
 *
 *  desched vm --page FILE
 *  QEMU       -object memory-backend-file,id=X,share=on,mem-path=FILE,...
 *             -device ivshmem-plain,memdev=X, in words or as JSON: also what libvirt makes of
 * <shmem>
 *
 * Reading a command line is all that happens here; page_file.h finds the file and judges it.
 */
#ifndef HOST_PAGE_DEVICE_H
#define HOST_PAGE_DEVICE_H

#include "host/words.h"

#include <limits.h>

#define PAGE_DEVICES_MAX 8 /* of one VM; further ones are not looked at */

struct page_device {
	char name[64];	     /* the device's id, its memory's where it has none; printable */
	char file[PATH_MAX]; /* as the command line has it; empty when there is none */
	char why[128];	     /* why it cannot hold a page; empty when it may */
};

/* Up to PAGE_DEVICES_MAX of them, in order. Returns how many, or -ENOMEM. *ret_more is how many
 * others there are. *ret is owned by the caller: free(). */
int page_devices(const struct words *w, struct page_device **ret, unsigned *ret_more);

#endif
