/* SPDX-License-Identifier: MIT */
/*
 * Sources `page` and `stream`: the host's ledger page, <desched/page.h>, in memory that the host
 * writes, or in ours, where a stream puts it (stream_page.h).
 *
 * The host tells when each vCPU was away, in its own clock; the guest knows who was on the CPU, in
 * its. The gaps are moved onto the guest's clock (hostclock.h) and joined with the runs (told.h):
 * in a gap nothing can be switched in or out, so each gap falls into one run, but for the error of
 * the clocks. Guest CPU n is vCPU n of the page.
 *
 * Both sides are waited for: the host's word that all gaps up to some time are in the ring, and the
 * guest's runs up to then. All CPUs are settled up to one time, the least that is told of any. A
 * host that is silent is waited for, for GIVE_UP_NS; what it has not told by then is unaccounted,
 * and so is what lies between two of its sessions: the new one knows nothing of the time before, or
 * what it knows can't be told from a guess.
 *
 * A page without gaps (a host that only polls) gives sums per vCPU; they are spread over the runs
 * in proportion.
 */
#include "guest/source.h"

#include "base/units.h"
#include "guest/guest_page.h"
#include "guest/hostclock.h"
#include "guest/stream_page.h"
#include "guest/told.h"
#include "guest/whole_gap.h"
#include "guest/window.h"

#include <desched/page.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <time.h>

#define SYNC_TRIES   10 /* at the beginning; on a busy host the publisher or we may stand still */
#define SYNC_PAUSE   (100 * NS_PER_MS)
#define GIVE_UP_NS   (10 * NS_PER_SEC)
#define POLL_NS	     (200 * NS_PER_MS) /* polls further apart weren't made while we waited */
#define GAPS_AT_ONCE 128
#define FIRST_NS     NS_PER_SEC	      /* a stream that works has something to say in that time */
#define ASK_NS	     (10 * NS_PER_MS) /* a host that sends is asked so often for the rest */

struct page_source;

struct page_cpu {
	struct page_source *source;
	struct told told;   /* pages with gaps */
	struct window runs; /* pages without */
	struct ledger last; /* the ledger at the last reading */
	struct ledger next; /* pages without gaps: the one that is to be charged */
	bool based;	    /* `last` is one of this session */
	bool fresh;	    /* `next` is new */
	struct whole_gap log;
	struct gap last_gap; /* that was read, host clock */
	uint64_t last_end;   /* ns, guest clock: its end */
	uint64_t known;	     /* ns, guest clock: what is read from now on began behind this */
	uint64_t cursor;     /* next gap to be read */
	uint64_t silent;     /* ns of our waiting since the host said anything new */
	uint64_t host_lost;  /* gaps_lost at the last reading */
	unsigned index;
};

struct page_source {
	const struct source_context *context;
	struct guest_page mapping;
	struct page_reader reader;
	struct hostclock clock;
	struct page_cpu *cpus;
	uint64_t settled; /* ns, guest clock: everything is booked up to here */
	uint64_t polled;  /* ns, guest clock: when the last poll was */
	uint64_t lost_gaps;
	uint64_t coarse_ns;
	uint64_t unseen_ns;
	uint64_t sessions;
};

static bool has_gaps(const struct page_source *s)
{
	return s->cpus[0].told.join;
}

static void on_piece(const struct told_piece *piece, void *data)
{
	struct page_cpu *c = data;

	whole_gap_add(&c->log, c->source->context->config, c->index, piece);
}

static int attach(struct page_source *s, struct failure *f)
{
	int err = page_attach(s->mapping.base, s->mapping.size, &s->reader);

	switch (err) {
	case 0:
		break;
	case -ENODATA:
		return failure_set(f, err,
				   s->mapping.line
					   ? "source stream: nothing comes from the host; no "
					     "daemon there sends anything"
					   : "source page: there is no page in that memory; no "
					     "host daemon writes one");
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

/* From here on everything is told: all gaps that end from now on have a number from the ring's head
 * on. */
static int start_cpu(struct page_cpu *c)
{
	struct page_source *s = c->source;
	struct page_vcpu record;

	c->silent = 0;
	c->based = false;
	c->last_gap = (struct gap){0};
	c->last_end = c->known = 0;
	if (s->reader.header.ring_entries) {
		c->cursor = page_ring_head(&s->reader, c->index);
		return c->told.join ? 0
				    : told_open(&c->told, s->context->account, c->index,
						clock_mono(), on_piece, c);
	}
	c->based = !page_read_vcpu(&s->reader, c->index, &record);
	if (c->based)
		page_vcpu_ledger(&record, &c->last);
	return 0;
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
		if (start_cpu(c))
			return -ENOMEM;
	}
	return 0;
}

static void source_page_close(void *source)
{
	struct page_source *s = source;

	for (unsigned i = 0; s->cpus && i < s->context->account->n_cpus; i++) {
		told_close(&s->cpus[i].told);
		whole_gap_end(&s->cpus[i].log, s->context->config, i);
		window_free(&s->cpus[i].runs, s->context->account);
	}
	free(s->cpus);
	hostclock_close(&s->clock);
	if (!s->context->page)
		guest_page_unmap(&s->mapping);
	free(s);
}

/* The publisher may begin again meanwhile. */
static int find_clock(struct page_source *s, struct failure *f)
{
	const struct timespec pause = {.tv_nsec = SYNC_PAUSE};
	int err = 0;

	for (int i = 0; !err && i < SYNC_TRIES; i++) {
		hostclock_synchronize(&s->clock);
		if (clockmap_ready(&s->clock.map))
			return 0;
		nanosleep(&pause, NULL);
		if (page_session_changed(&s->reader))
			err = attach(s, f);
	}
	return err ? err
		   : failure_set(f, -ENODEV,
				 "source page: the host's clock stands still (%" PRIu64
				 " stamps in 0.4 s, tried %d times); is its daemon running?",
				 s->clock.map.samples, SYNC_TRIES);
}

static int open_page(struct page_source *s, bool stream, struct failure *f)
{
	int err = 0;

	if (s->context->page)
		s->mapping = *s->context->page;
	else if (stream)
		err = stream_page_map(f, &s->mapping);
	else
		err = guest_page_map(s->context->config->page_path, f, &s->mapping);
	if (!err && stream)
		stream_page_has_come(&s->mapping, FIRST_NS);
	if (!err)
		err = attach(s, f);
	if (err)
		return err;
	if (hostclock_open(&s->clock, &s->reader, s->context->account->n_cpus))
		return failure_errno(f, -ENOMEM, "source page");
	s->clock.line = s->mapping.line;
	err = find_clock(s, f);
	if (err)
		return err;
	if (!clockmap_same_rate(&s->clock.map))
		return failure_set(
			f, -ENODEV,
			"source page: the host's counter runs at another rate than ours");
	if (new_cpus(s))
		return failure_errno(f, -ENOMEM, "source page");
	return 0;
}

static int open_source(const struct source_context *context, bool stream, struct failure *f,
		       void **ret)
{
	struct page_source *s = calloc(1, sizeof(*s));
	int err;

	if (!s)
		return failure_errno(f, -ENOMEM, "source page");
	s->context = context;
	err = open_page(s, stream, f);
	if (err) {
		source_page_close(s);
		return err;
	}
	*ret = s;
	return 0;
}

static int source_page_open(const struct source_context *context, struct failure *f, void **ret)
{
	return open_source(context, false, f, ret);
}

static int source_stream_open(const struct source_context *context, struct failure *f, void **ret)
{
	return open_source(context, true, f, ret);
}

static void source_page_run(void *source, const struct account_run *run)
{
	struct page_source *s = source;
	struct page_cpu *c = &s->cpus[run->cpu];

	if (c->told.join)
		told_run(&c->told, run);
	else
		window_add(&c->runs, s->context->account, run);
}

/* ---- gaps ---- */

static uint64_t to_guest(const struct page_source *s, uint64_t host_ns)
{
	return clockmap_to_guest(&s->clock.map, host_ns);
}

/* On the guest's clock, as long as it is, and never before what has been told of already: the map
 * may have got better in between. What begins where the last one ended goes on. */
static void place_gap(struct page_cpu *c, const struct gap *gap)
{
	bool goes_on = gap->start == c->last_gap.end;
	uint64_t start = to_guest(c->source, gap->start);

	start = goes_on ? c->last_end : u64_max(start, u64_max(c->last_end, c->known));
	c->last_gap = *gap;
	c->last_end = start + (gap->end - gap->start);
	told_gap(&c->told, start, c->last_end, gap->state);
}

static void take_gap(struct page_source *s, struct page_cpu *c, const struct gap *gap)
{
	/* A gap out of the future would make all that come after it late. */
	if (hostclock_is_future(&s->clock, gap->end)) {
		s->lost_gaps++;
		told_hole(&c->told);
		return;
	}
	place_gap(c, gap);
}

/* `lossy`: between which of those that come now some are missing, nobody says. False where the session is
 * over. */
static bool read_gaps(struct page_source *s, struct page_cpu *c, bool lossy)
{
	struct gap gaps[GAPS_AT_ONCE];
	uint64_t lost;
	bool hole;
	int n;

	do {
		lost = s->lost_gaps;
		n = page_read_gaps(&s->reader, c->index, &c->cursor, gaps, GAPS_AT_ONCE,
				   &s->lost_gaps);
		hole = lossy || s->lost_gaps != lost;
		if (hole)
			told_hole(&c->told);
		for (int i = 0; i < n; i++) {
			take_gap(s, c, &gaps[i]);
			if (hole)
				told_hole(&c->told);
		}
	} while (n == GAPS_AT_ONCE);
	if (n == -EBADMSG) {
		told_hole(&c->told);
		c->cursor = page_ring_head(&s->reader, c->index);
	}
	return n != -ESTALE;
}

/* Another ledger under the same session begins where it says. Returns whether the host has lost gaps since
 * the last record: some of those that come with this one. */
static bool take_record(struct page_source *s, struct page_cpu *c, const struct page_vcpu *record)
{
	bool lossy = c->based && record->gaps_lost != c->host_lost;

	if (lossy)
		s->lost_gaps += u64_sub_floor(record->gaps_lost, c->host_lost);
	if (c->based && record->start != c->last.start)
		read_gaps(s, c, lossy);
	if (!c->based || record->start != c->last.start)
		told_nothing(&c->told, u64_min(to_guest(s, record->start), clock_mono()));
	c->host_lost = record->gaps_lost;
	page_vcpu_ledger(record, &c->last);
	c->based = true;
	return lossy;
}

/* Up to when all is known by this record and the gaps behind it. A gap that goes on is told up to
 * `gaps_until`, and where it was put there its next piece will begin; some hosts tell it when it is
 * over, then nothing is sure of the time behind the last one that is told. */
static uint64_t known_by(struct page_source *s, struct page_cpu *c, const struct page_vcpu *record)
{
	uint64_t until = u64_min(to_guest(s, record->gaps_until), clock_mono());
	bool away = record->state != LEDGER_RUN && record->state != LEDGER_HALT;

	return away ? u64_min(until, c->told.end) : until;
}

/* While the clock isn't known the gaps wait in the ring; what has waited for GIVE_UP_NS, or is lost
 * there, is unaccounted. */
static void poll_gaps(struct page_source *s, struct page_cpu *c)
{
	uint64_t before = c->told.until;
	struct page_vcpu record;
	bool lossy;

	if (!hostclock_known(&s->clock, c->index) || page_read_vcpu(&s->reader, c->index, &record))
		return;
	lossy = take_record(s, c, &record);
	if (!read_gaps(s, c, lossy))
		return;
	c->known = u64_max(c->known, known_by(s, c, &record));
	told_until(&c->told, c->known);
	if (c->told.until > before)
		c->silent = 0;
}

/* What the log has of a gap is all of it where the next piece would have come by now. */
static void settle_cpu(struct page_cpu *c, uint64_t until)
{
	told_settle(&c->told, until);
	hostclock_contradict(&c->source->clock, c->index, told_deepest(&c->told));
	if (c->log.end < until && c->told.piece.start != c->log.end)
		whole_gap_end(&c->log, c->source->context->config, c->index);
}

static void settle_gaps(struct page_source *s)
{
	struct account *a = s->context->account;
	uint64_t until = UINT64_MAX;

	for (unsigned i = 0; i < a->n_cpus; i++)
		if (a->cpus[i].known)
			until = u64_min(until, u64_min(s->cpus[i].told.until, a->cpus[i].since));
	if (until == UINT64_MAX || until <= s->settled)
		return;
	s->settled = until;
	for (unsigned i = 0; i < a->n_cpus; i++)
		if (a->cpus[i].known)
			settle_cpu(&s->cpus[i], until);
}

/* ---- sums ---- */

static void charge_sums(struct page_source *s, struct page_cpu *c, const struct ledger *now)
{
	struct account *a = s->context->account;
	struct ledger delta;
	bool known = now && c->based && !ledger_delta(&c->last, now, &delta);
	uint64_t left = c->runs.total;

	window_book(&c->runs, a, c->index);
	for (uint32_t state = 0; known && state < LEDGER_STATES; state++) {
		uint64_t ns = u64_min(delta.ns[state], left);

		if (!ledger_state_descheduled(state) && state != LEDGER_WAIT)
			continue;
		s->unseen_ns += delta.ns[state] - ns;
		s->coarse_ns += window_charge(&c->runs, a, c->index, state, ns);
		left -= ns;
	}
	if (!known)
		window_charge(&c->runs, a, c->index, AMOUNTS_UNKNOWN, c->runs.total);
	window_clear(&c->runs, a);
	c->based = now;
	if (now)
		c->last = *now;
}

/* The vCPU's ledger, if it says more than the last time and goes up to `need` (guest's clock). */
static bool read_sums(struct page_source *s, struct page_cpu *c, uint64_t need)
{
	struct page_vcpu record;

	if (!hostclock_known(&s->clock, c->index) ||
	    page_read_vcpu(&s->reader, c->index, &record) ||
	    (c->based && record.at <= c->last.at && record.start == c->last.start))
		return false;
	page_vcpu_ledger(&record, &c->next);
	c->silent = 0;
	return to_guest(s, record.at) >= need;
}

/* All CPUs at once, so that all are known up to the same time. One that is silent for long is left
 * out. */
static void poll_sums(struct page_source *s, bool readable, uint64_t need)
{
	struct account *a = s->context->account;

	for (unsigned i = 0; i < a->n_cpus; i++) {
		struct page_cpu *c = &s->cpus[i];

		c->fresh = readable && read_sums(s, c, need);
		if (!c->fresh && c->silent < GIVE_UP_NS)
			return;
	}
	for (unsigned i = 0; i < a->n_cpus; i++) {
		struct page_cpu *c = &s->cpus[i];

		charge_sums(s, c, c->fresh ? &c->next : NULL);
		if (a->cpus[i].known)
			s->settled = u64_max(s->settled, a->cpus[i].since);
	}
}

/* ---- sessions ---- */

/* What is waiting has nobody to explain it. */
static void end_cpu(struct page_source *s, struct page_cpu *c)
{
	if (!c->told.join) {
		charge_sums(s, c, NULL);
		return;
	}
	told_nothing(&c->told, clock_mono());
	if (!s->reader.header.ring_entries)
		told_close(&c->told);
}

/* Another session: a new host, or a new daemon there. */
static void next_session(struct page_source *s)
{
	if (attach(s, NULL))
		return;
	for (unsigned i = 0; i < s->context->account->n_cpus; i++) {
		end_cpu(s, &s->cpus[i]);
		start_cpu(&s->cpus[i]);
	}
	hostclock_synchronize(&s->clock);
}

/* A silent host is waited for while we do wait: a pause of this whole machine is none. */
static void wait_for_host(struct page_source *s, uint64_t now)
{
	uint64_t waited = u64_min(u64_sub_floor(now, s->polled), POLL_NS);

	s->polled = now;
	for (unsigned i = 0; i < s->context->account->n_cpus; i++) {
		struct page_cpu *c = &s->cpus[i];

		c->silent += waited;
		if (has_gaps(s) && c->silent >= GIVE_UP_NS)
			told_nothing(&c->told, u64_sub_floor(now, GIVE_UP_NS));
	}
}

static int take_word(struct page_source *s)
{
	struct page_host host;
	int err;

	if (page_session_changed(&s->reader) || hostclock_has_slept(&s->clock))
		next_session(s);
	err = hostclock_look(&s->clock, &host);
	if (err)
		return err;
	hostclock_follow(&s->clock);
	if (!clockmap_ready(&s->clock.map))
		return -EAGAIN;
	for (unsigned i = 0; has_gaps(s) && i < s->context->account->n_cpus; i++)
		poll_gaps(s, &s->cpus[i]);
	return 0;
}

static int poll_until(struct page_source *s, uint64_t need)
{
	int err = take_word(s);

	wait_for_host(s, clock_mono());
	if (has_gaps(s))
		settle_gaps(s);
	else
		poll_sums(s, !err, need);
	return err;
}

static int source_page_poll(void *source, uint64_t now)
{
	(void)now;
	return poll_until(source, 0);
}

static int source_page_settle(void *source, uint64_t until, uint64_t patience)
{
	const struct timespec pause = {.tv_nsec = 2 * NS_PER_MS};
	struct page_source *s = source;
	uint64_t begin = clock_mono(), next = begin;

	for (;;) {
		if (s->clock.line && clock_mono() >= next) {
			s->clock.line->ask(s->clock.line->data); /* it answers with all it has */
			next += ASK_NS;
		}
		poll_until(s, until);
		if (s->settled >= until)
			return 0;
		if (s->clock.silent || clock_mono() - begin > patience)
			return -ETIMEDOUT;
		nanosleep(&pause, NULL);
	}
}

static uint64_t source_page_settled(const void *source)
{
	const struct page_source *s = source;

	return s->settled;
}

static void source_page_report(void *source, struct source_report *ret)
{
	const struct page_source *s = source;

	*ret = (struct source_report){
		.unseen_ns = s->unseen_ns,
		.lost_gaps = s->lost_gaps,
		.coarse_ns = s->coarse_ns,
		.stale = s->clock.silent,
		.session = s->reader.header.session,
	};
	for (unsigned i = 0; i < s->context->account->n_cpus; i++) {
		ret->unseen_ns += s->cpus[i].told.unseen_ns;
		ret->late_ns += s->cpus[i].told.late_ns;
		ret->clock_error = u64_max(ret->clock_error, hostclock_error(&s->clock, i));
		ret->contradicted += s->clock.cpus[i].contradicted;
	}
	ret->contradicted += clockmap_contradicted(&s->clock.map);
}

static int read_page(void *source, struct snapshot_page **ret)
{
	const struct page_source *s = source;

	return snapshot_page_read(&s->reader, ret);
}

static json_t *source_page_details(void *source)
{
	const struct page_source *s = source;

	return json_pack("{s:o}", "clock", hostclock_json(&s->clock));
}

#define PAGE_OPS                                                                                   \
	.not_seen = "pauses of the whole VM while its host does not publish",                      \
	.close = source_page_close, .run = source_page_run, .poll = source_page_poll,              \
	.settle = source_page_settle, .settled = source_page_settled,                              \
	.report = source_page_report, .details = source_page_details, .page = read_page

const struct source_ops source_page = {
	.name = "page",
	.summary = "the host's ledger page: gaps with microsecond edges",
	.open = source_page_open,
	PAGE_OPS,
};

const struct source_ops source_stream = {
	.name = "stream",
	.summary = "the same over a serial port, with edges as good as its latency",
	.open = source_stream_open,
	PAGE_OPS,
};
