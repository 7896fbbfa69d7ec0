/* SPDX-License-Identifier: MIT */
/*
 * Source `page`: the host's ledger page, <desched/page.h>.
 *
 * The host tells when each vCPU was away, in its own clock; the guest knows who was on the CPU, in
 * its. The gaps are moved onto the guest's clock (clockmap.h) and joined with the runs (join.h): in
 * a gap nothing can be switched in or out, so each gap falls into one run, but for the error of the
 * clocks. Guest CPU n is vCPU n of the page.
 *
 * The join waits for both sides: for the host's word that all gaps up to some time are in the ring,
 * and for the guest's runs up to then. A page without gaps (a host that only polls) gives sums per
 * vCPU; they are spread over the runs in proportion.
 */
#include "guest/source.h"

#include "base/units.h"
#include "guest/clockmap.h"
#include "guest/ivshmem.h"
#include "guest/page_json.h"
#include "guest/window.h"
#include "ledger/join.h"

#include <desched/page.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <time.h>

#define SYNC_NS	       (400 * NS_PER_MS) /* longest first look at the host's clock */
#define SYNC_STAMPS    32
#define STALE_NS       (2 * NS_PER_SEC)
#define SLEPT_NS       (10 * NS_PER_MS) /* less is the noise of two readings */
#define QUEUE_CAPACITY 262144		/* runs that may wait for the host's word, per CPU */
#define GAPS_AT_ONCE   128

struct page_source;

struct page_cpu {
	struct page_source *source;
	struct join *join;  /* pages with gaps */
	struct window runs; /* pages without */
	struct ledger last; /* pages without: the ledger at the last reading */
	uint64_t cursor;    /* next gap to be read */
	uint64_t complete;  /* ns, guest clock: the host has told everything up to here */
	uint64_t host_lost; /* gaps_lost when the source was opened */
	unsigned index;
};

struct page_source {
	const struct source_context *context;
	struct page_mapping mapping;
	struct page_reader reader;
	struct clockmap clock;
	struct page_cpu *cpus;
	uint64_t updates;      /* the host record's heartbeat */
	uint64_t updates_time; /* ns, guest clock: when it was last seen to move */
	uint64_t lost_gaps;
	uint64_t coarse_ns;
	uint64_t unseen_ns;
	uint64_t sessions;
	uint64_t slept; /* ns, clock_slept() when the clocks were last synchronized */
	bool stale;
};

static void on_piece(uint64_t owner, uint64_t start, uint64_t end, uint32_t state, void *data)
{
	struct page_cpu *c = data;
	struct account *a = c->source->context->account;
	uint64_t charged = 0;

	source_tell_gap(c->source->context->config,
			(struct source_gap){.cpu = c->index,
					    .state = state,
					    .end = end,
					    .ns = end - start,
					    .within = end - start},
			owner == JOIN_NOBODY ? NULL : (struct account_task *)(uintptr_t)owner);
	if (owner != JOIN_NOBODY)
		charged = account_charge(a, (struct account_task *)(uintptr_t)owner, c->index,
					 state, end - start);
	c->source->unseen_ns += end - start - charged;
}

static void on_done(uint64_t owner, uint64_t start, uint64_t end, void *data)
{
	struct page_cpu *c = data;

	(void)start;
	(void)end;
	account_release(c->source->context->account, (struct account_task *)(uintptr_t)owner);
}

/* Looks at the host record once: its clock stamp, its heartbeat. */
static int look(struct page_source *s, struct page_host *ret)
{
	int err = page_read_host(&s->reader, ret);
	uint64_t ticks = clock_ticks();
	uint64_t now = clock_mono();

	if (err)
		return err;
	if (ret->updates != s->updates) {
		s->updates = ret->updates;
		s->updates_time = now;
		clockmap_stamp(&s->clock, &ret->clock, ticks);
	}
	s->stale = now - s->updates_time > STALE_NS;
	return 0;
}

/* Watches the host's stamps for a moment, without sleep: only a reading right after a stamp is
 * tight. */
static void synchronize(struct page_source *s)
{
	uint64_t begin = clock_mono(), next_pair = 0;
	struct page_host host;

	clockmap_init(&s->clock);
	s->slept = clock_slept();
	s->updates_time = begin;
	while (clock_mono() - begin < SYNC_NS &&
	       (s->clock.samples < SYNC_STAMPS || !clockmap_ready(&s->clock))) {
		struct clock_pair pair;

		look(s, &host);
		if (clock_mono() < next_pair)
			continue;
		clock_read_pair(16, &pair);
		clockmap_guest(&s->clock, &pair);
		next_pair = clock_mono() + 20 * NS_PER_MS;
	}
}

static int attach(struct page_source *s, struct failure *f)
{
	int err = page_attach(s->mapping.base, s->mapping.size, &s->reader);

	switch (err) {
	case 0:
		break;
	case -ENODATA:
		return failure_set(f, err,
				   "source page: there is no page in that memory; no host daemon "
				   "writes one");
	case -EPROTO:
		return failure_set(f, err, "source page: the page has another ABI than %d.x",
				   PAGE_ABI_MAJOR);
	default:
		return failure_set(f, err, "source page: the page's sizes make no sense");
	}
	if (s->reader.header.vcpus < s->context->account->n_cpus)
		return failure_set(f, -ENODEV, "source page: it has %u vCPUs, this machine %u CPUs",
				   s->reader.header.vcpus, s->context->account->n_cpus);
	s->sessions++;
	return 0;
}

/* From here on: what happened before is not ours. */
static void start_cpu(struct page_cpu *c)
{
	struct page_vcpu record;

	c->cursor = page_ring_head(&c->source->reader, c->index);
	c->complete = 0;
	if (page_read_vcpu(&c->source->reader, c->index, &record))
		return;
	c->host_lost = record.gaps_lost;
	page_vcpu_ledger(&record, &c->last);
}

static int new_cpus(struct page_source *s)
{
	unsigned n = s->context->account->n_cpus;

	s->cpus = calloc(n, sizeof(*s->cpus));
	if (!s->cpus)
		return -ENOMEM;
	for (unsigned i = 0; i < n; i++) {
		struct page_cpu *c = &s->cpus[i];

		c->source = s;
		c->index = i;
		if (s->reader.header.ring_entries &&
		    join_new(QUEUE_CAPACITY, on_piece, on_done, c, &c->join))
			return -ENOMEM;
		start_cpu(c);
	}
	return 0;
}

static void source_page_close(void *source)
{
	struct page_source *s = source;

	for (unsigned i = 0; s->cpus && i < s->context->account->n_cpus; i++) {
		if (s->cpus[i].join)
			join_until(s->cpus[i].join, UINT64_MAX);
		join_free(s->cpus[i].join);
		window_free(&s->cpus[i].runs, s->context->account);
	}
	free(s->cpus);
	page_unmap(&s->mapping);
	free(s);
}

static int open_page(struct page_source *s, struct failure *f)
{
	int err = page_map(s->context->config->page_path, f, &s->mapping);

	if (!err)
		err = attach(s, f);
	if (err)
		return err;
	synchronize(s);
	if (!clockmap_ready(&s->clock))
		return failure_set(f, -ENODEV,
				   "source page: the host's clock stands still (%" PRIu64
				   " stamps in 0.4 s); is its daemon running?",
				   s->clock.samples);
	if (!clockmap_same_rate(&s->clock))
		return failure_set(
			f, -ENODEV,
			"source page: the host's counter runs at another rate than ours");
	if (new_cpus(s))
		return failure_errno(f, -ENOMEM, "source page");
	return 0;
}

static int source_page_open(const struct source_context *context, struct failure *f, void **ret)
{
	struct page_source *s = calloc(1, sizeof(*s));
	int err;

	if (!s)
		return failure_errno(f, -ENOMEM, "source page");
	s->context = context;
	err = open_page(s, f);
	if (err) {
		source_page_close(s);
		return err;
	}
	*ret = s;
	return 0;
}

static void source_page_run(void *source, const struct account_run *run)
{
	struct page_source *s = source;
	struct page_cpu *c = &s->cpus[run->cpu];

	if (!c->join)
		window_add(&c->runs, s->context->account, run);
	else if (join_run(c->join, run->start, run->end, (uintptr_t)run->task))
		account_release(s->context->account, run->task);
}

static void read_gaps(struct page_source *s, struct page_cpu *c)
{
	uint64_t horizon = s->clock.host[1].mono + NS_PER_SEC;
	struct gap gaps[GAPS_AT_ONCE];
	int n;

	do {
		n = page_read_gaps(&s->reader, c->index, &c->cursor, gaps, GAPS_AT_ONCE,
				   &s->lost_gaps);
		for (int i = 0; i < n; i++) {
			/* A gap out of the future would make all that come after it late. */
			if (gaps[i].end > horizon) {
				s->lost_gaps++;
				continue;
			}
			gaps[i].start = clockmap_to_guest(&s->clock, gaps[i].start);
			gaps[i].end = clockmap_to_guest(&s->clock, gaps[i].end);
			join_gap(c->join, &gaps[i]);
		}
	} while (n == GAPS_AT_ONCE);
}

static void charge_sums(struct page_source *s, struct page_cpu *c, const struct ledger *now)
{
	struct account *a = s->context->account;
	struct ledger delta;

	if (!ledger_delta(&c->last, now, &delta)) {
		for (uint32_t state = 0; state < LEDGER_STATES; state++) {
			if (ledger_state_descheduled(state) || state == LEDGER_WAIT)
				s->coarse_ns += window_charge(&c->runs, a, c->index, state,
							      delta.ns[state]);
		}
		window_clear(&c->runs, a);
	}
	c->last = *now;
}

static void poll_cpu(struct page_source *s, struct page_cpu *c)
{
	struct page_vcpu record;
	struct ledger now;

	if (page_read_vcpu(&s->reader, c->index, &record))
		return;
	page_vcpu_ledger(&record, &now);
	if (!c->join) {
		charge_sums(s, c, &now);
		c->complete = clockmap_to_guest(&s->clock, record.at);
		return;
	}
	read_gaps(s, c);
	c->complete = clockmap_to_guest(&s->clock, record.gaps_until);
	/* The run in progress has not been given yet: the guest's side is complete up to its start.
	 */
	join_until(c->join, u64_min(c->complete, s->context->account->cpus[c->index].since));
}

/* A suspension stops our clock and may set the counter anew. */
static bool has_slept(const struct page_source *s)
{
	return clock_slept() > s->slept + SLEPT_NS;
}

/* Another session: a new host, or a new daemon there. What was waiting has nobody to explain it. */
static void next_session(struct page_source *s)
{
	for (unsigned i = 0; i < s->context->account->n_cpus; i++)
		if (s->cpus[i].join)
			join_until(s->cpus[i].join, s->context->account->cpus[i].since);
	if (attach(s, NULL))
		return;
	synchronize(s);
	for (unsigned i = 0; i < s->context->account->n_cpus; i++)
		start_cpu(&s->cpus[i]);
}

static int source_page_poll(void *source, uint64_t now)
{
	struct page_source *s = source;
	struct clock_pair pair;
	struct page_host host;
	int err;

	(void)now;
	if (page_session_changed(&s->reader) || has_slept(s))
		next_session(s);
	err = look(s, &host);
	if (err)
		return err;
	clock_read_pair(8, &pair);
	clockmap_guest(&s->clock, &pair);
	for (unsigned i = 0; i < s->context->account->n_cpus; i++)
		poll_cpu(s, &s->cpus[i]);
	return 0;
}

static bool complete(const struct page_source *s, uint64_t until)
{
	for (unsigned i = 0; i < s->context->account->n_cpus; i++)
		if (s->cpus[i].complete < until)
			return false;
	return true;
}

static int source_page_settle(void *source, uint64_t until, uint64_t patience)
{
	const struct timespec pause = {.tv_nsec = 2 * NS_PER_MS};
	struct page_source *s = source;
	uint64_t begin = clock_mono();

	for (;;) {
		source_page_poll(s, begin);
		if (complete(s, until))
			return 0;
		if (s->stale || clock_mono() - begin > patience)
			return -ETIMEDOUT;
		nanosleep(&pause, NULL);
	}
}

static void source_page_report(void *source, struct source_report *ret)
{
	const struct page_source *s = source;
	struct page_vcpu record;

	*ret = (struct source_report){
		.unseen_ns = s->unseen_ns,
		.lost_gaps = s->lost_gaps,
		.coarse_ns = s->coarse_ns,
		.clock_error = clockmap_error(&s->clock),
		.stale = s->stale,
		.session = s->reader.header.session,
	};
	for (unsigned i = 0; i < s->context->account->n_cpus; i++) {
		if (!page_read_vcpu(&s->reader, i, &record))
			ret->lost_gaps += record.gaps_lost - s->cpus[i].host_lost;
	}
}

static json_t *source_page_json(void *source)
{
	const struct page_source *s = source;

	return page_json(&s->reader);
}

const struct source_ops source_page = {
	.name = "page",
	.summary = "the host's ledger page: gaps with microsecond edges",
	.not_seen = "pauses of the whole VM while its host does not publish",
	.open = source_page_open,
	.close = source_page_close,
	.run = source_page_run,
	.poll = source_page_poll,
	.settle = source_page_settle,
	.report = source_page_report,
	.page = source_page_json,
};
