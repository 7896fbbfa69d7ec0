/* SPDX-License-Identifier: MIT */
/*
 * Publishing: host ledger in, pages out. publisher_tick() takes what the ledger has and writes it
 * into every VM's page; whoever owns the publisher calls it every PUBLISH_INTERVAL_NS.
 */
#ifndef HOST_PUBLISH_H
#define HOST_PUBLISH_H

#include "host/host_ledger.h"
#include "host/page_file.h"
#include "host/stream.h"

#include <desched/page.h>
#include <stdbool.h>
#include <stddef.h>

#define PUBLISH_INTERVAL_NS (5 * 1000 * 1000ull)
#define PUBLISH_IDLE_NS	    (50 * 1000 * 1000ull)

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
void publisher_remove(struct publisher *p, int id); /* with its ledger; its page stays as it is */

/*
 * Adds the VM, with the page that it has brought if it has one that may be written (page_file.h);
 * *ret_choice says which, or why not. A smaller one than usual gets smaller rings. Errors are those
 * of host_ledger_add(): no page is none.
 */
int publisher_adopt(struct publisher *p, const struct host_vm *vm, struct failure *f,
		    struct page_choice *ret_choice, int *ret_id);

/* Looks again for the page of a VM that was added without one. 0 or -ENOENT, and *ret_choice. */
int publisher_adopt_page(struct publisher *p, const struct host_vm *vm, int id,
			 struct page_choice *ret_choice);

/* Looks whether one was plugged in since; *choice is what was found so far. As above. */
int publisher_adopt_plugged(struct publisher *p, const struct host_vm *vm, int id,
			    struct page_choice *choice);

/* Why the page that a VM brought is no more written, NULL while it is; also NULL without one. */
const char *publisher_page_lost(const struct publisher *p, int id);

/* Gives up a page that is lost, so that it can be looked for again (publisher_adopt_page()), and says
 * so; not where something else was written over it (page_file.h). */
bool publisher_page_give_up(struct publisher *p, int id);

/* Streams the VM's ledger to a socket that leads into the guest (stream.h), beside a page if it has
 * one. `fd` is the publisher's from now on, also on failure: -EINVAL for no such VM, -EEXIST where
 * it has a stream, -ENOMEM. The stream ends when the peer closes it. */
int publisher_stream(struct publisher *p, const struct host_vm *vm, int id, int fd);

/* False where the VM has no stream. */
bool publisher_stream_counters(const struct publisher *p, int id, struct stream_counters *ret);

/* How often publisher_tick() is to be called: PUBLISH_INTERVAL_NS, seldom where no page is. */
uint64_t publisher_interval(const struct publisher *p);

/* Gaps go to `fn` too, as from host_ledger_poll(). */
void publisher_on_gap(struct publisher *p, host_gap_fn fn, void *data);

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
