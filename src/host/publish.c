/* SPDX-License-Identifier: MIT */
/*
 * One tick: read every ledger, then move the gaps into the rings, then write the records. All gap
 * time up to the instant of a reading is in the ring by the time when the record says so: of a gap
 * that goes on, a piece that ends there; what comes of it later begins there.
 */
#include "host/publish.h"

#include "base/clock.h"
#include "base/units.h"
#include "host/anchor.h"
#include "host/page_file.h"
#include "host/stream.h"
#include "ledger/page_writer.h"
#include "ledger/stream_frame.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <unistd.h>

#define PAGES_MAX 1024
#define SLOTS	  (2 * PAGES_MAX) /* a VM has a page, and another one that is streamed */

/* A ring of fewer gaps would be overrun between two looks of a guest that is away for long. */
#define RING_MIN 256

/* A stamp is written so long after it was read, at most, unless that fails as often. */
#define STAMP_LATE_NS (20 * NS_PER_US)
#define STAMP_TRIES   3

struct published_vcpu {
	uint32_t index; /* block in the page */
	bool fresh;	/* `ledger` was read in this tick */
	struct ledger ledger;
	uint64_t gaps_until;
	uint64_t told; /* ns: up to here gaps are in the ring */
};

struct published {
	struct page_writer writer;
	struct page_file file; /* all zero: the memory is the caller's */
	const char *lost;      /* why it is no more written; */
	bool again;	       /* and that it may be looked for again */
	struct stream *stream; /* of a page in memory of our own, `own`; NULL: it is no such page */
	void *own;
	size_t own_size;
	int id; /* in the ledger */
	struct page_host host;
	uint32_t n_vcpus;
	struct published_vcpu vcpus[];
};

struct publisher {
	struct host_ledger *ledger;
	struct anchor anchor;
	struct published *pages[SLOTS]; /* by id, then those that are streamed, by id */
	unsigned n_pages;		/* of these that are there */
	host_gap_fn on_gap;
	void *gap_data;
};

int publisher_new(struct host_ledger *ledger, struct publisher **ret)
{
	struct publisher *p = calloc(1, sizeof(*p));

	if (!p)
		return -ENOMEM;
	p->ledger = ledger;
	anchor_start(&p->anchor);
	*ret = p;
	return 0;
}

struct publisher *publisher_free(struct publisher *p)
{
	if (!p)
		return NULL;
	for (int id = 0; id < PAGES_MAX; id++) {
		if (p->pages[id] || p->pages[PAGES_MAX + id])
			publisher_remove(p, id);
	}
	free(p);
	return NULL;
}

/* Blocks that the VM needs: vCPU numbers may have holes. */
static uint32_t blocks_of(const struct host_vm *vm)
{
	uint32_t n = vm->n_vcpus;

	for (uint32_t i = 0; vm->vcpus && i < vm->n_vcpus; i++) {
		if (vm->vcpus[i].index >= n)
			n = vm->vcpus[i].index + 1;
	}
	return n;
}

size_t publisher_page_size(const struct host_vm *vm)
{
	return page_size_for(blocks_of(vm), PAGE_RING_USUAL);
}

static struct published *new_page(const struct host_vm *vm, int id)
{
	struct published *page = calloc(1, sizeof(*page) + vm->n_vcpus * sizeof(page->vcpus[0]));

	if (!page)
		return NULL;
	page->id = id;
	page->n_vcpus = vm->n_vcpus;
	for (uint32_t i = 0; i < vm->n_vcpus; i++)
		page->vcpus[i].index = vm->vcpus[i].index;
	return page;
}

static int lay_out(const struct publisher *p, struct published *page, const struct host_vm *vm,
		   void *base, size_t size)
{
	uint32_t ring = host_ledger_has_gaps(p->ledger) ? PAGE_RING_USUAL : 0;
	uint64_t session = 0;

	while (ring > RING_MIN && page_size_for(blocks_of(vm), ring) > size)
		ring /= 2;

	while (!session) {
		if (getrandom(&session, sizeof(session), 0) < 0)
			return -errno;
	}
	return page_writer_init(&page->writer, base, size, blocks_of(vm), ring, session);
}

static int add_page(struct publisher *p, const struct host_vm *vm, int slot, void *base,
		    size_t size, struct failure *f)
{
	struct published *page = new_page(vm, slot % PAGES_MAX);
	int err = page ? lay_out(p, page, vm, base, size) : -ENOMEM;

	if (err) {
		free(page);
		return failure_errno(f, err, "page of VM %s: %zu bytes, %zu are needed", vm->name,
				     size, page_size_for(blocks_of(vm), RING_MIN));
	}
	p->pages[slot] = page;
	p->n_pages++;
	return 0;
}

static int add_ledger(struct publisher *p, const struct host_vm *vm, struct failure *f, int *ret_id)
{
	int id, err = host_ledger_add(p->ledger, vm, f, &id);

	if (!err && id >= PAGES_MAX) {
		host_ledger_remove(p->ledger, id);
		err = failure_errno(f, -ENOSPC, "VM %s", vm->name);
	}
	if (!err)
		*ret_id = id;
	return err;
}

int publisher_add(struct publisher *p, const struct host_vm *vm, void *base, size_t size,
		  struct failure *f, int *ret_id)
{
	int id, err = add_ledger(p, vm, f, &id);

	if (err)
		return err;
	err = add_page(p, vm, id, base, size, f);
	if (err)
		host_ledger_remove(p->ledger, id);
	else
		*ret_id = id;
	return err;
}

static int adopt_file(struct publisher *p, const struct host_vm *vm, int id, struct page_file file)
{
	int err = add_page(p, vm, id, file.base, file.size, NULL);
	if (err)
		page_file_close(&file);
	else
		p->pages[id]->file = file;
	return err;
}

int publisher_adopt_page(struct publisher *p, const struct host_vm *vm, int id,
			 struct page_choice *ret_choice)
{
	struct page_file file;
	int err = page_file_open(vm, page_size_for(blocks_of(vm), RING_MIN),
				 publisher_page_size(vm), ret_choice, &file);

	return err ? err : adopt_file(p, vm, id, file);
}

int publisher_adopt_plugged(struct publisher *p, const struct host_vm *vm, int id,
			    struct page_choice *choice)
{
	struct page_file file;
	int err = page_file_plugged(vm, page_size_for(blocks_of(vm), RING_MIN),
				    publisher_page_size(vm), choice, &file);

	return err ? err : adopt_file(p, vm, id, file);
}

int publisher_adopt(struct publisher *p, const struct host_vm *vm, struct failure *f,
		    struct page_choice *ret_choice, int *ret_id)
{
	int err = add_ledger(p, vm, f, ret_id);

	if (err)
		return err;
	*ret_choice = (struct page_choice){.n = 0};
	publisher_adopt_page(p, vm, *ret_id, ret_choice);
	return 0;
}

const char *publisher_page_lost(const struct publisher *p, int id)
{
	return id >= 0 && id < PAGES_MAX && p->pages[id] ? p->pages[id]->lost : NULL;
}

uint64_t publisher_interval(const struct publisher *p)
{
	return p->n_pages ? PUBLISH_INTERVAL_NS : PUBLISH_IDLE_NS;
}

void publisher_on_gap(struct publisher *p, host_gap_fn fn, void *data)
{
	p->on_gap = fn;
	p->gap_data = data;
}

static struct published *page_of(const struct publisher *p, int id)
{
	return id >= 0 && id < PAGES_MAX ? p->pages[id] : NULL;
}

static struct published *stream_of(const struct publisher *p, int id)
{
	return id >= 0 && id < PAGES_MAX ? p->pages[PAGES_MAX + id] : NULL;
}

static void drop(struct publisher *p, int slot)
{
	struct published *page = p->pages[slot];

	if (!page)
		return;
	stream_free(page->stream);
	page_writer_done(&page->writer);
	page_file_close(&page->file);
	if (page->own)
		munmap(page->own, page->own_size);
	free(page);
	p->pages[slot] = NULL;
	p->n_pages--;
}

void publisher_remove(struct publisher *p, int id)
{
	host_ledger_remove(p->ledger, id);
	if (id < 0 || id >= PAGES_MAX)
		return;
	drop(p, id);
	drop(p, PAGES_MAX + id);
}

bool publisher_page_give_up(struct publisher *p, int id)
{
	if (!publisher_page_lost(p, id) || !p->pages[id]->again)
		return false;
	drop(p, id);
	return true;
}

/* ---- streams ---- */

static int add_own_page(struct publisher *p, const struct host_vm *vm, int slot)
{
	size_t size = page_size_for(blocks_of(vm), STREAM_RING);
	void *own = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int err;

	if (own == MAP_FAILED)
		return -ENOMEM;
	err = add_page(p, vm, slot, own, size, NULL);
	if (err) {
		munmap(own, size);
		return err;
	}
	p->pages[slot]->own = own;
	p->pages[slot]->own_size = size;
	return 0;
}

int publisher_stream(struct publisher *p, const struct host_vm *vm, int id, int fd)
{
	int slot = PAGES_MAX + id, err = id >= 0 && id < PAGES_MAX ? 0 : -EINVAL;
	struct published *page;

	if (!err && p->pages[slot])
		err = -EEXIST;
	if (!err)
		err = add_own_page(p, vm, slot);
	if (err) {
		close(fd);
		return err;
	}
	page = p->pages[slot];
	err = stream_new(fd, page->own, page->own_size, PUBLISH_INTERVAL_NS, &page->stream);
	if (err)
		drop(p, slot);
	return err;
}

bool publisher_stream_counters(const struct publisher *p, int id, struct stream_counters *ret)
{
	const struct published *page = stream_of(p, id);

	if (page)
		stream_read_counters(page->stream, ret);
	return page;
}

/* A peer that has gone may come again. */
static void stream_pages(struct publisher *p)
{
	for (int slot = PAGES_MAX; p->n_pages && slot < SLOTS; slot++) {
		if (p->pages[slot] && stream_tick(p->pages[slot]->stream))
			drop(p, slot);
	}
}

/* ---- a tick ---- */

int publisher_describe(struct publisher *p, int id, const struct page_host *figures)
{
	struct published *const pages[] = {page_of(p, id), stream_of(p, id)};

	for (size_t i = 0; i < ARRAY_SIZE(pages); i++) {
		if (!pages[i])
			continue;
		pages[i]->host = *figures;
		pages[i]->host.valid &= ~(uint64_t)PAGE_VALID_OVERHEAD;
	}
	return pages[0] || pages[1] ? 0 : -EINVAL;
}

static int read_page(struct publisher *p, struct published *page)
{
	int err = 0;

	for (uint32_t i = 0; i < page->n_vcpus; i++) {
		struct published_vcpu *v = &page->vcpus[i];
		int e = host_ledger_read(p->ledger, page->id, i, &v->ledger);

		v->fresh = !e || e == -ESRCH; /* the last state of a thread that ended counts */
		if (!v->fresh && !err)
			err = e;
	}
	return err;
}

/* What of a gap has not been told in pieces yet. */
static void tell(struct page_writer *w, struct published_vcpu *v, struct gap gap)
{
	gap.start = u64_max(gap.start, v->told);
	if (gap.start >= gap.end)
		return;
	page_write_gap(w, v->index, &gap);
	v->told = gap.end;
}

/* The gap in which the reading found the vCPU, up to then; unless its end is in the ring, too. */
static void tell_open_gap(struct publisher *p, struct published *page, uint32_t i)
{
	struct published_vcpu *v = &page->vcpus[i];

	if (v->ledger.state == LEDGER_RUN || v->ledger.state == LEDGER_HALT)
		return;
	tell(&page->writer, v,
	     (struct gap){.start = host_ledger_since(p->ledger, page->id, i),
			  .end = v->ledger.at,
			  .state = v->ledger.state});
}

static void put_into(struct published *page, const struct gap *gap)
{
	if (page && !page->lost && gap->vcpu < page->n_vcpus)
		tell(&page->writer, &page->vcpus[gap->vcpu], *gap);
}

static void put_gap(int id, const struct gap *gap, void *data)
{
	const struct publisher *p = data;

	if (p->on_gap)
		p->on_gap(id, gap, p->gap_data);
	if (!p->n_pages)
		return;
	put_into(page_of(p, id), gap);
	put_into(stream_of(p, id), gap);
}

static void write_vcpu(struct publisher *p, struct published *page, uint32_t i, bool all_gaps)
{
	struct published_vcpu *v = &page->vcpus[i];
	struct page_vcpu record = {.start = v->ledger.start,
				   .at = v->ledger.at,
				   .state = v->ledger.state,
				   .gaps_lost = host_ledger_gaps_lost(p->ledger, page->id, i)};

	if (!v->fresh)
		return;
	if (all_gaps) {
		tell_open_gap(p, page, i);
		v->gaps_until = v->ledger.at;
	}
	record.gaps_until = v->gaps_until;
	memcpy(record.ns, v->ledger.ns, sizeof(v->ledger.ns));
	page_write_vcpu(&page->writer, v->index, &record);
}

/* Last, since what passes between stamp and store puts the guest's offset wrong: where that was
 * long, since we were away in between, it is done again. */
static void write_stamp(struct publisher *p, struct published *page)
{
	for (int i = 0; i < STAMP_TRIES; i++) {
		anchor_update(&p->anchor);
		page->host.clock = p->anchor.clock;
		page_write_host(&page->writer, &page->host);
		if (clock_mono() - page->host.clock.mono < STAMP_LATE_NS)
			return;
	}
}

static void write_host(struct publisher *p, struct published *page)
{
	if (!host_ledger_overhead(p->ledger, page->id, &page->host.overhead_ns))
		page->host.valid |= PAGE_VALID_OVERHEAD;
	write_stamp(p, page);
}

/* A file of the VM's is written only as long as the page is still there. */
static void check_file(struct published *page)
{
	if (!page || !page->file.base || page->lost)
		return;
	page->lost = page_file_lost(&page->file);
	page->again = page->lost && page_file_again(&page->file);
}

int publisher_tick(struct publisher *p)
{
	bool all_gaps;
	int err = 0, polled;

	for (int slot = 0; p->n_pages && slot < SLOTS; slot++) {
		int e = p->pages[slot] ? read_page(p, p->pages[slot]) : 0;

		err = err ? err : e;
		check_file(p->pages[slot]);
	}
	polled = host_ledger_poll(p->ledger, put_gap, p);
	all_gaps = !polled && host_ledger_has_gaps(p->ledger);
	for (int slot = 0; p->n_pages && slot < SLOTS; slot++) {
		struct published *page = p->pages[slot];

		if (!page || page->lost)
			continue;
		for (uint32_t i = 0; i < page->n_vcpus; i++)
			write_vcpu(p, page, i, all_gaps);
		write_host(p, page);
	}
	stream_pages(p);
	return err ? err : polled;
}
