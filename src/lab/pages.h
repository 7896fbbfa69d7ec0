/* SPDX-License-Identifier: MIT */
/*
 * The host ledger and the guests' pages for the time of a lab: a thread that publishes every
 * PUBLISH_INTERVAL_NS, and the calls that other threads may make meanwhile.
 */
#ifndef LAB_PAGES_H
#define LAB_PAGES_H

#include "base/failure.h"
#include "host/host_ledger.h"
#include "host/host_vm.h"

#include <stddef.h>

struct pages;

/* Opens the best host ledger and starts the thread. Why there is none, or one without gaps, is in
 * `f`. */
int pages_open(struct failure *f, struct pages **ret);
struct pages *pages_close(struct pages *p); /* NULL accepted; returns NULL */

const char *pages_source(const struct pages *p);
bool pages_have_gaps(const struct pages *p);

/* Bytes of the page for a guest with so many vCPUs. */
size_t pages_size(unsigned vcpus);

int pages_add(struct pages *p, const struct host_vm *vm, void *base, size_t size, struct failure *f,
	      int *ret_id);
/* Streams what that page has to the other end of `fd`, which is ours from now on. */
int pages_stream(struct pages *p, int id, const struct host_vm *vm, int fd);

void pages_remove(struct pages *p, int id);

/* The ledger of a VM's vCPU, now. */
int pages_ledger(struct pages *p, int id, uint32_t vcpu, struct ledger *ret);
void pages_counters(struct pages *p, struct host_ledger_counters *ret);

#endif
