/* SPDX-License-Identifier: MIT */
/*
 * The files that may be the page of a VM and are not on its command line: of devices that were
 * plugged in later, by whoever owns its monitor, or that QEMU read from a file. The monitor is not
 * asked, since it is its owner's. What counts is that the process has the file mapped as shared
 * memory, and that the file is called desched.
 */
#ifndef HOST_PAGE_PLUGGED_H
#define HOST_PAGE_PLUGGED_H

#include "host/page_device.h"

#define PAGE_PLUGGED_MAX 4 /* further ones are not looked at */

/* Returns how many there are; -errno where the process can't be looked into. */
int page_plugged(pid_t pid, struct page_device ret[PAGE_PLUGGED_MAX]);

#endif
