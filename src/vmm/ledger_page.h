/* SPDX-License-Identifier: MIT */
/*
 * The ledger page of desched-page(5) in a guest's memory: a file that `desched ledger` on this host
 * writes, and that the guest reads at MEMORY_PAGE. We map it without the right to write; KVM is
 * told that the guest has none either. The file stays open for writing all the same: that is how
 * the ledger, which takes the descriptor from us, knows that we may have it written.
 */
#ifndef VMM_LEDGER_PAGE_H
#define VMM_LEDGER_PAGE_H

#include "base/failure.h"
#include "vmm/memory.h"

/* Opens or makes the file, large enough for so many vCPUs, and maps it into `m`. The descriptor
 * goes to *ret_fd; ledger_page_close() takes both back. One VM at a time may have a file. */
int ledger_page_open(const char *path, uint32_t vcpus, struct failure *f, struct memory *m,
		     int *ret_fd);
void ledger_page_close(struct memory *m, int *fd);

#endif
