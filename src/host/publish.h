/* SPDX-License-Identifier: MIT */
/*
 * Publishing: host ledger in, pages out. publisher_tick() takes what the ledger has and writes it
 * into every VM's page; whoever owns the publisher calls it every PUBLISH_INTERVAL_NS.
 */
#ifndef HOST_PUBLISH_H
#define HOST_PUBLISH_H

#include "host/host_ledger.h"

#include <desched/page.h>
#include <stddef.h>

#define PUBLISH_INTERVAL_NS  (5 * 1000 * 1000ull)
#define PUBLISH_RING_ENTRIES 4096u

struct publisher;

/* The ledger stays the caller's and must outlive the publisher. */
int publisher_new(struct host_ledger *ledger, struct publisher **ret);
struct publisher *publisher_free(struct publisher *p); /* pages stay as they are */

/* Bytes that the page of such a VM needs: a power of two. */
size_t publisher_page_size(const struct host_vm *vm);

/* Adds the VM to the ledger and lays out its page in `base`, which stays the caller's. *ret_id is
 * its id in the ledger too. A vCPU's block in the page is the one of its index. */
int publisher_add(struct publisher *p, const struct host_vm *vm, void *base, size_t size,
		  struct failure *f, int *ret_id);
void publisher_remove(struct publisher *p, int id);

/* What the caller knows of the VM, published from the next tick on: the figures whose bits are set
 * in `valid`. Clock, overhead and `updates` are the publisher's own. -EINVAL for no such VM. */
int publisher_describe(struct publisher *p, int id, const struct page_host *figures);

/*
 * Writes all pages. A vCPU that could not be read keeps its record, and gaps_until only moves when
 * all gaps up to it are in the ring. Returns the first error; the other pages are written all the
 * same.
 */
int publisher_tick(struct publisher *p);

#endif
