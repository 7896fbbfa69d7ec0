/* SPDX-License-Identifier: MIT */
/*
 * guest/source_page.c against a world of the test's own: a host that takes two vCPUs away at
 * random, the page that its publisher writes, and a publisher that dies, stops, or begins again.
 * The world keeps to itself what each task really had. Time is the test's: nothing here waits.
 *
 * Times of the world are ns of the guest's clock; the host's is HOST_AHEAD ns ahead, and so is its
 * counter, which counts ns.
 */
#include "base/clock.h"

/* The source's clocks, before it is compiled in here. */
static uint64_t now_ns, slept_ns;

#define clock_mono	 fake_mono
#define clock_ticks	 fake_ticks
#define clock_slept	 fake_slept
#define clock_read_pair	 fake_read_pair
#define nanosleep	 fake_nanosleep
#define guest_page_map	 fake_map
#define guest_page_unmap fake_unmap

#include <stdint.h>
#include <time.h>

uint64_t fake_mono(void);
uint64_t fake_ticks(void);
uint64_t fake_slept(void);
void fake_read_pair(unsigned tries, struct clock_pair *ret);
int fake_nanosleep(const struct timespec *ts, struct timespec *left);

#include "guest/hostclock.c"
#include "guest/source_page.c"

#include "ledger/page_writer.h"

#include "random.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#define START	   (100 * NS_PER_SEC)
#define HOST_AHEAD (5000 * NS_PER_SEC)
#define CPUS	   2
#define TASKS	   3 /* on each CPU, 0 is idle */
#define RING	   256
#define EDGE	   (20 * NS_PER_US) /* gaps keep so far from switches */
#define TICK	   (5 * NS_PER_MS)
#define PENDING	   100000
#define LONG_NS	   (2 * NS_PER_MS) /* a third of a gap's longest: some take three ticks */

static struct random dice = {.state = 3};

struct vcpu {
	uint64_t next_switch, next_edge; /* ns; edge: where a gap begins or ends */
	bool away;
	uint32_t gap_state;
	uint64_t gap_start; /* of what is not published of it */
	uint64_t gap_began;
	uint8_t on_cpu;
	uint64_t since;
	struct ledger ledger;		       /* by the host's clock; the truth */
	uint64_t base[LEDGER_STATES], base_at; /* of the publisher's own, when it began */
	struct gap *pending;		       /* ended, not published */
	int n_pending;
	uint64_t lost; /* ended, and found no room with the host */
	bool losing;
	struct amounts had[TASKS]; /* by the world */
};

struct record {
	unsigned cpu;
	uint64_t time;
	pid_t prev, next;
};

static struct {
	struct vcpu vcpus[CPUS];
	bool alive, stopped, rings, carries_on;
	bool whole; /* a gap is told when it is over, not in pieces */
	unsigned
		loses; /* the host loses one gap of so many, and of those after it two of three; 0: none */
	uint64_t starved; /* ns: the publisher gets no CPU until then */
	uint64_t torn;	  /* ns: it gets none between its gaps and the rest until then */
	bool spread;	  /* sums are: the world doesn't know by what right */
	uint64_t next_tick, session;
	uint8_t page[1 << 17] __attribute__((aligned(4096)));
	struct page_writer writer;
	struct record *records; /* not taken yet */
	size_t n_records;
	struct source_config config;
	struct source_context context;
	struct page_source *source;
	struct amounts last[CPUS * TASKS + 1];
	uint64_t last_settled;
	uint64_t long_gaps, long_ns; /* ended, LONG_NS or more */
	uint64_t logged, logged_ns;
} w;

static pid_t tid_of(unsigned cpu, uint8_t task)
{
	return task ? (pid_t)(100 + cpu * TASKS + task) : 0;
}

/* ---- the world ---- */

static uint64_t host_time(uint64_t ns)
{
	return ns + HOST_AHEAD;
}

static void pass(struct vcpu *v, uint64_t to)
{
	struct amounts *had = &v->had[v->on_cpu];

	had->occupied += to - v->since;
	if (v->away)
		had->away[v->gap_state] += to - v->since;
	v->since = to;
}

static void begin_gap(struct vcpu *v, uint64_t at)
{
	static const uint32_t states[] = {LEDGER_READY, LEDGER_COSTOP, LEDGER_WAIT};

	pass(v, at);
	v->away = true;
	v->gap_start = v->gap_began = at;
	v->gap_state = states[random_below(&dice, 3)];
	ledger_enter(&v->ledger, host_time(at), v->gap_state);
	v->next_edge = at + 1 + random_below(&dice, 6 * NS_PER_MS);
	v->next_switch = u64_max(v->next_switch, v->next_edge + EDGE);
}

static void end_gap(struct vcpu *v, unsigned cpu, uint64_t at)
{
	pass(v, at);
	v->away = false;
	if (at - v->gap_began >= LONG_NS) {
		w.long_gaps++;
		w.long_ns += at - v->gap_began;
	}
	ledger_enter(&v->ledger, host_time(at), v->on_cpu ? LEDGER_RUN : LEDGER_HALT);
	v->next_edge = at + EDGE + random_below(&dice, 8 * NS_PER_MS);
	if (w.loses && !random_below(&dice, v->losing ? 3 : w.loses) == !v->losing) {
		v->losing = true;
		v->lost++;
		return;
	}
	v->losing = false;
	if (w.alive && v->n_pending < PENDING)
		v->pending[v->n_pending++] = (struct gap){.start = host_time(v->gap_start),
							  .end = host_time(at),
							  .vcpu = cpu,
							  .state = v->gap_state};
}

static void switch_task(struct vcpu *v, unsigned cpu, uint64_t at)
{
	uint8_t next = (uint8_t)((v->on_cpu + 1 + random_below(&dice, TASKS - 1)) % TASKS);

	pass(v, at);
	w.records[w.n_records++] = (struct record){cpu, at, tid_of(cpu, v->on_cpu),
						   tid_of(cpu, next)};
	v->on_cpu = next;
	ledger_enter(&v->ledger, host_time(at), next ? LEDGER_RUN : LEDGER_HALT);
	v->next_switch = at + 1 + random_below(&dice, 10 * NS_PER_MS);
	v->next_edge = u64_max(v->next_edge, at + EDGE);
}

/* Of a gap that goes on. */
static void tell_part(struct vcpu *v, unsigned cpu, uint64_t at)
{
	const struct gap gap = {.start = host_time(v->gap_start),
				.end = host_time(at),
				.vcpu = cpu,
				.state = v->gap_state};

	page_write_gap(&w.writer, cpu, &gap);
	v->gap_start = at;
}

static void publish_gaps(struct vcpu *v, unsigned cpu)
{
	for (int i = 0; i < v->n_pending; i++)
		page_write_gap(&w.writer, cpu, &v->pending[i]);
	v->n_pending = 0;
}

static void publish_vcpu(struct vcpu *v, unsigned cpu, uint64_t at)
{
	struct page_vcpu record;

	ledger_advance(&v->ledger, host_time(at));
	record = (struct page_vcpu){.start = v->base_at,
				    .at = v->ledger.at,
				    .state = v->ledger.state,
				    .gaps_lost = v->lost,
				    .gaps_until = w.rings ? v->ledger.at : 0};
	for (int s = 0; s < LEDGER_STATES; s++)
		record.ns[s] = v->ledger.ns[s] - v->base[s];
	if (v->away && !w.whole)
		tell_part(v, cpu, at);
	page_write_vcpu(&w.writer, cpu, &record);
}

static void publish(uint64_t at)
{
	const struct page_host host = {.clock = {.ticks = host_time(at),
						 .mono = host_time(at),
						 .ticks_hz = NS_PER_SEC,
						 .error = 1}};

	w.next_tick = at + TICK;
	if (!w.alive || w.stopped || at < w.starved)
		return;
	for (unsigned i = 0; i < CPUS; i++)
		publish_gaps(&w.vcpus[i], i);
	if (at < w.torn)
		return;
	for (unsigned i = 0; i < CPUS; i++)
		publish_vcpu(&w.vcpus[i], i, at);
	page_write_host(&w.writer, &host);
}

/* Lets everything happen that does by then. */
static void advance(uint64_t to)
{
	for (;;) {
		uint64_t next = w.next_tick;
		unsigned which = CPUS;

		for (unsigned i = 0; i < CPUS; i++) {
			const struct vcpu *v = &w.vcpus[i];
			uint64_t event = v->away ? v->next_edge
						 : u64_min(v->next_edge, v->next_switch);

			if (event < next) {
				next = event;
				which = i;
			}
		}
		if (next > to)
			break;
		if (which == CPUS)
			publish(next);
		else if (w.vcpus[which].away)
			end_gap(&w.vcpus[which], which, next);
		else if (w.vcpus[which].next_edge <= w.vcpus[which].next_switch)
			begin_gap(&w.vcpus[which], next);
		else
			switch_task(&w.vcpus[which], which, next);
	}
	now_ns = to;
}

/* ---- the source's surroundings ---- */

uint64_t fake_mono(void)
{
	advance(now_ns + 2 * NS_PER_US);
	return now_ns;
}

uint64_t fake_ticks(void)
{
	return now_ns;
}

uint64_t fake_slept(void)
{
	return slept_ns;
}

void fake_read_pair(unsigned tries, struct clock_pair *ret)
{
	(void)tries;
	*ret = (struct clock_pair){.ticks = now_ns, .mono = now_ns, .error = 1};
}

int fake_nanosleep(const struct timespec *ts, struct timespec *left)
{
	(void)left;
	advance(now_ns + (uint64_t)ts->tv_nsec);
	return 0;
}

int fake_map(const char *path, struct failure *f, struct guest_page *ret)
{
	(void)path;
	(void)f;
	*ret = (struct guest_page){.base = w.page, .size = sizeof(w.page)};
	return 0;
}

void fake_unmap(struct guest_page *m)
{
	(void)m;
}

/* ---- the publisher's fate ---- */

/* One that is new begins its ledgers now, or carries on what it had kept; its rings are empty in
 * any case. */
static void start_publisher(void)
{
	w.alive = true;
	w.stopped = false;
	page_writer_done(&w.writer);
	assert_int_equal(page_writer_init(&w.writer, w.page, sizeof(w.page), CPUS,
					  w.rings ? RING : 0, ++w.session),
			 0);
	for (unsigned i = 0; i < CPUS; i++) {
		struct vcpu *v = &w.vcpus[i];

		v->n_pending = 0;
		ledger_advance(&v->ledger, host_time(now_ns));
		if (w.carries_on && v->base_at)
			continue;
		memcpy(v->base, v->ledger.ns, sizeof(v->base));
		v->base_at = v->ledger.at;
		if (v->away) {
			v->gap_start = now_ns; /* what it has seen of it */
		}
	}
	publish(now_ns);
}

static void kill_publisher(void)
{
	w.alive = false;
}

static void zero_page(void)
{
	kill_publisher();
	memset(w.page, 0, sizeof(w.page));
}

/* ---- the agent's part ---- */

static void on_run(const struct account_run *run, void *data)
{
	(void)data;
	source_page.run(w.source, run);
}

static void take(uint64_t *ret_now)
{
	uint64_t now = fake_mono();

	for (size_t i = 0; i < w.n_records; i++) {
		const struct record *r = &w.records[i];

		account_switch(w.context.account, r->cpu, r->time, r->prev, false, r->next,
			       r->next);
	}
	w.n_records = 0;
	account_cut(w.context.account, now);
	*ret_now = now;
}

static const struct amounts *own(unsigned cpu, uint8_t task)
{
	const struct account_task *t = account_find_task(w.context.account, tid_of(cpu, task));

	return task ? &t->own : &w.context.account->cpus[cpu].idle;
}

/* The identity, nothing that falls, nothing of what was true or away that wasn't, and CPUs that are
 * covered exactly. */
static void check_always(void)
{
	uint64_t settled = u64_max(source_page.settled(w.source), START);

	assert_true(settled >= w.last_settled);
	w.last_settled = settled;
	for (unsigned cpu = 0; cpu < CPUS; cpu++) {
		const struct account_cpu *c = &w.context.account->cpus[cpu];

		pass(&w.vcpus[cpu], now_ns);
		assert_int_equal(c->busy.occupied + c->idle.occupied, settled - START);
		for (uint8_t task = 0; task < TASKS; task++) {
			const struct amounts *a = own(cpu, task), *had = &w.vcpus[cpu].had[task];
			struct amounts *last = &w.last[cpu * TASKS + task];

			assert_int_equal(a->occupied,
					 amounts_true(a) + amounts_away(a) + a->unaccounted);
			assert_true(amounts_true(a) >= amounts_true(last));
			assert_true(amounts_away(a) >= amounts_away(last));
			assert_true(a->unaccounted >= last->unaccounted);
			*last = *a;
			if (w.spread)
				continue;
			assert_true(amounts_true(a) <= amounts_true(had) + NS_PER_US * 200);
			assert_true(amounts_away(a) <= amounts_away(had) + NS_PER_US * 200);
		}
	}
}

/* As agent_snapshot(): true if the source has told all. */
static bool look_now(void)
{
	uint64_t now;
	int err;

	take(&now);
	err = source_page.settle(w.source, now, 300 * NS_PER_MS);
	check_always();
	return !err;
}

/* Polls and looks as a daemon does, for so long. */
static void live(uint64_t ns)
{
	uint64_t until = now_ns + ns, now;

	for (unsigned i = 0; now_ns < until; i++) {
		advance(now_ns + 100 * NS_PER_MS);
		take(&now);
		source_page.poll(w.source, now);
		if (i % 5 == 4)
			look_now();
		else
			check_always();
	}
}

/* The publisher has no CPU for the first `starved` ns in which the source looks for it. */
static void begin_starved(bool rings, uint64_t starved)
{
	struct failure f = {.text = ""};

	memset(&w, 0, sizeof(w));
	now_ns = START - NS_PER_SEC - starved;
	w.starved = now_ns + starved;
	slept_ns = 0;
	w.rings = rings;
	w.records = calloc(4000000, sizeof(*w.records));
	for (unsigned i = 0; i < CPUS; i++) {
		struct vcpu *v = &w.vcpus[i];

		v->pending = calloc(PENDING, sizeof(*v->pending));
		v->next_edge = v->next_switch = now_ns + NS_PER_MS;
		v->since = now_ns;
		ledger_start(&v->ledger, host_time(now_ns), LEDGER_HALT);
	}
	w.next_tick = now_ns;
	start_publisher();
	assert_int_equal(account_new(CPUS, START, on_run, NULL, &w.context.account), 0);
	w.context.config = &w.config;
	if (source_page.open(&w.context, &f, (void **)&w.source))
		fail_msg("%s", f.text);
	assert_true(now_ns < START);
	advance(START);
	w.n_records = 0;
	for (unsigned i = 0; i < CPUS; i++) {
		struct vcpu *v = &w.vcpus[i];

		pass(v, START);
		memset(v->had, 0, sizeof(v->had));
		for (uint8_t task = 1; task < TASKS; task++)
			account_fork(w.context.account, tid_of(i, task), tid_of(i, task), 1, "t");
		account_switch(w.context.account, i, START, 0, false, tid_of(i, v->on_cpu),
			       tid_of(i, v->on_cpu));
	}
	w.last_settled = START;
}

static void begin(bool rings)
{
	begin_starved(rings, 0);
}

static void end(void)
{
	source_page.close(w.source);
	account_free(w.context.account);
	page_writer_done(&w.writer);
	for (unsigned i = 0; i < CPUS; i++)
		free(w.vcpus[i].pending);
	free(w.records);
}

static struct source_report report(void)
{
	struct source_report r;

	source_page.report(w.source, &r);
	return r;
}

static uint64_t unaccounted(void)
{
	uint64_t sum = 0;

	for (unsigned cpu = 0; cpu < CPUS; cpu++)
		sum += w.context.account->cpus[cpu].busy.unaccounted +
		       w.context.account->cpus[cpu].idle.unaccounted;
	return sum;
}

/* Waits until all is told, then holds every figure to what the world knows. */
static void check_all_is_right(void)
{
	struct amounts had[CPUS][TASKS];
	uint64_t now;

	take(&now);
	for (unsigned cpu = 0; cpu < CPUS; cpu++) {
		pass(&w.vcpus[cpu], now);
		memcpy(had[cpu], w.vcpus[cpu].had, sizeof(had[cpu]));
	}
	assert_int_equal(source_page.settle(w.source, now, NS_PER_SEC), 0);
	for (unsigned cpu = 0; cpu < CPUS; cpu++)
		for (uint8_t task = 0; task < TASKS; task++)
			for (int s = 0; s < LEDGER_STATES; s++)
				/* A gap at `now` may be cut 4 us beside where it was; none else. */
				assert_in_range(own(cpu, task)->away[s] + 10 * NS_PER_US,
						had[cpu][task].away[s],
						had[cpu][task].away[s] + 20 * NS_PER_US);
}

static void an_honest_host_is_believed_to_the_nanosecond(void **state)
{
	(void)state;
	for (int whole = 0; whole < 2; whole++) {
		begin(true);
		w.whole = whole;
		live(20 * NS_PER_SEC);
		check_all_is_right();
		assert_int_equal(unaccounted(), 0);
		assert_int_equal(report().late_ns, 0);
		assert_true(report().unseen_ns < NS_PER_US);
		end();
	}
}

static void on_gap(const struct source_gap *gap, void *data)
{
	(void)data;
	assert_true(gap->ns >= LONG_NS);
	w.logged++;
	w.logged_ns += gap->ns;
}

/* Whatever pieces it comes in, and wherever a look of ours has cut it; but for the two that the
 * beginning and the end cut. */
static void the_log_has_each_gap_once(void **state)
{
	(void)state;
	for (int whole = 0; whole < 2; whole++) {
		begin(true);
		w.whole = whole;
		w.config.gap_ns = LONG_NS;
		w.config.gap = on_gap;
		w.long_gaps = w.long_ns = 0;
		live(20 * NS_PER_SEC);
		check_all_is_right();
		assert_true(w.long_gaps > 1000);
		assert_in_range(w.logged + 2 * CPUS, w.long_gaps, w.long_gaps + 4 * CPUS);
		assert_in_range(w.logged_ns + 12 * CPUS * NS_PER_MS, w.long_ns,
				w.long_ns + 24 * CPUS * NS_PER_MS);
		end();
	}
}

/* 5 s without one: the new one knows nothing of them, whether its ledgers are new or go on. */
static void killed(bool carries_on, uint64_t ns)
{
	begin(true);
	w.carries_on = carries_on;
	live(5 * NS_PER_SEC);
	kill_publisher();
	live(ns);
	assert_true(unaccounted() <= CPUS * u64_sub_floor(ns + 700 * NS_PER_MS, GIVE_UP_NS));
	start_publisher();
	live(3 * NS_PER_SEC);
	assert_true(look_now());
	assert_false(report().stale);
	assert_int_equal(report().session, w.session);
	/* Not less than that, and little more: what was not told when it died, and a poll. */
	assert_in_range(unaccounted(), CPUS * (ns - 20 * NS_PER_MS), CPUS * (ns + 800 * NS_PER_MS));
	end();
}

static void time_without_a_publisher_is_unaccounted(void **state)
{
	(void)state;
	killed(false, 5 * NS_PER_SEC);
	killed(true, 5 * NS_PER_SEC);
	killed(false, 1300 * NS_PER_MS);
	killed(true, 25 * NS_PER_SEC);
}

static void a_page_of_zeros_for_a_while(void **state)
{
	(void)state;
	begin(true);
	live(3 * NS_PER_SEC);
	zero_page();
	live(4 * NS_PER_SEC);
	assert_true(report().stale);
	assert_false(look_now());
	start_publisher();
	live(3 * NS_PER_SEC);
	assert_true(look_now());
	assert_in_range(unaccounted(), CPUS * 4 * NS_PER_SEC - 100 * NS_PER_MS,
			CPUS * 5 * NS_PER_SEC);
	end();
}

/* All that was late has its place: nothing is missing, and nothing fell (check_always). */
static void a_publisher_that_is_stopped_for_3_s_costs_nothing(void **state)
{
	(void)state;
	begin(true);
	live(5 * NS_PER_SEC);
	w.stopped = true;
	live(400 * NS_PER_MS);
	assert_false(look_now());
	/* As many gaps as the ring holds. */
	live(200 * NS_PER_MS);
	w.stopped = false;
	live(3 * NS_PER_SEC);
	check_all_is_right();
	assert_int_equal(unaccounted(), 0);
	end();
}

/* It goes on, and loses its CPU when the gaps are in the rings and nothing else is: they end long
 * after the last stamp. */
static void a_publisher_that_is_held_up_behind_its_gaps_costs_nothing(void **state)
{
	(void)state;
	begin(true);
	live(5 * NS_PER_SEC);
	w.stopped = true;
	live(1200 * NS_PER_MS);
	w.stopped = false;
	w.torn = now_ns + 300 * NS_PER_MS;
	live(3 * NS_PER_SEC);
	check_all_is_right();
	assert_int_equal(report().lost_gaps, 0);
	assert_int_equal(unaccounted(), 0);
	end();
}

/* One gap that can't have been yet is left out, and counted; what is around it is unknown. */
static void a_gap_out_of_the_future_is_refused(void **state)
{
	struct gap gap = {.start = host_time(START), .state = LEDGER_READY};

	(void)state;
	begin(true);
	live(3 * NS_PER_SEC);
	while (w.vcpus[0].away || w.vcpus[0].n_pending) /* the last gap is told in full */
		advance(now_ns + NS_PER_MS);
	gap.end = host_time(now_ns + 3 * NS_PER_SEC);
	page_write_gap(&w.writer, 0, &gap);
	live(3 * NS_PER_SEC);
	assert_true(look_now());
	assert_int_equal(report().lost_gaps, 1);
	assert_in_range(unaccounted(), 1, 50 * NS_PER_MS);
	end();
}

/* Longer than anybody waits: what was given up stays so, what comes late is counted as late. */
static void a_publisher_that_is_stopped_for_long(void **state)
{
	struct source_report r;

	(void)state;
	begin(true);
	while (w.vcpus[0].away || w.vcpus[1].away)
		advance(now_ns + NS_PER_MS);
	for (unsigned i = 0; i < CPUS; i++) /* few gaps, so that the ring holds them */
		w.vcpus[i].next_edge = now_ns + 14 * NS_PER_SEC;
	live(5 * NS_PER_SEC);
	w.stopped = true;
	live(20 * NS_PER_SEC);
	assert_in_range(unaccounted(), CPUS * 9 * NS_PER_SEC, CPUS * 11 * NS_PER_SEC);
	w.stopped = false;
	live(2 * NS_PER_SEC);
	assert_true(look_now());
	r = report();
	assert_true(r.late_ns + unaccounted() > CPUS * 9 * NS_PER_SEC);
	end();
}

/* More gaps than the ring holds: between the last one read and the first that is left, all is
 * unknown; nothing of it is true. */
static void what_the_ring_lost_is_unaccounted(void **state)
{
	(void)state;
	begin(true);
	live(5 * NS_PER_SEC);
	w.stopped = true;
	live(4 * NS_PER_SEC); /* some 570 gaps */
	w.stopped = false;
	live(2 * NS_PER_SEC);
	assert_true(look_now());
	assert_true(report().lost_gaps > 100);
	assert_in_range(unaccounted(), CPUS * NS_PER_SEC, CPUS * 4 * NS_PER_SEC);
	end();
}

/* It counts them, but nobody knows where they were, and the source doesn't look at each of its records. */
static void what_the_host_lost_is_unaccounted(void **state)
{
	(void)state;
	begin(true);
	live(2 * NS_PER_SEC);
	w.loses = 100;
	live(20 * NS_PER_SEC);
	w.loses = 0;
	live(2 * NS_PER_SEC);
	assert_true(look_now());
	assert_in_range(report().lost_gaps, 50, 500);
	assert_in_range(unaccounted(), NS_PER_SEC, CPUS * 15 * NS_PER_SEC);
	end();
}

/* What one CPU's gaps say against its clock is more than it may be wrong by: what the host tells of
 * it waits, and is unaccounted when that has lasted for 10 s. */
static void a_stale_clock_charges_nobody(void **state)
{
	uint64_t away;

	(void)state;
	begin(true);
	live(3 * NS_PER_SEC);
	check_all_is_right();
	assert_true(report().clock_error < 100 * NS_PER_US);
	away = amounts_away(&w.context.account->cpus[0].busy);
	for (int i = 0; i < 20; i++) {
		for (int strike = 0; strike < HOSTCLOCK_STRIKES; strike++)
			hostclock_contradict(&w.source->clock, 0, HOSTCLOCK_STALE_NS + 1);
		assert_true(report().clock_error == SOURCE_CLOCK_STALE);
		live(NS_PER_SEC);
	}
	assert_in_range(unaccounted(), 8 * NS_PER_SEC, 20 * NS_PER_SEC);
	assert_in_range(amounts_away(&w.context.account->cpus[0].busy) - away, 0, 300 * NS_PER_MS);
	assert_int_equal(report().contradicted, 60);
	live(25 * NS_PER_SEC); /* nothing contradicts it any more */
	assert_true(report().clock_error < 100 * NS_PER_US);
	assert_true(look_now());
	end();
}

/* A ledger that began before this machine's clock did, and a page that hasn't told of any gap: none
 * of what came since is unaccounted. */
static void a_host_that_was_there_first(void **state)
{
	(void)state;
	assert_int_equal(clockmap_to_guest(&(struct clockmap){.from = HOST_AHEAD, .to = 50},
					   HOST_AHEAD - 51),
			 0);
	begin(true);
	for (unsigned i = 0; i < CPUS; i++) {
		w.vcpus[i].base_at = HOST_AHEAD / 2;
		w.vcpus[i].base[LEDGER_HALT] -= w.vcpus[i].ledger.start - HOST_AHEAD / 2;
	}
	live(2 * NS_PER_SEC);
	check_all_is_right();
	assert_int_equal(unaccounted(), 0);
	end();
}

/* The whole machine is suspended: its clock stands, the counter may be another. */
static void what_was_before_a_suspension_is_not_joined_with_what_comes_after(void **state)
{
	(void)state;
	begin(true);
	live(2 * NS_PER_SEC);
	slept_ns += 60 * NS_PER_SEC;
	live(2 * NS_PER_SEC);
	assert_true(look_now());
	assert_true(unaccounted() < CPUS * 200 * NS_PER_MS);
	end();
}

/* A host without gaps: sums, spread by length. In sum they are right, and the same holds. */
static void sums_without_a_publisher(void **state)
{
	uint64_t had = 0, found = 0;

	(void)state;
	begin(false);
	w.spread = true;
	live(10 * NS_PER_SEC);
	look_now();
	for (unsigned cpu = 0; cpu < CPUS; cpu++)
		for (uint8_t task = 0; task < TASKS; task++) {
			had += amounts_away(&w.vcpus[cpu].had[task]);
			found += amounts_away(own(cpu, task));
		}
	assert_in_range(found, had * 97 / 100, had * 103 / 100);
	assert_int_equal(unaccounted(), 0);
	end();
}

static void sums_check(bool before, bool after)
{
	begin(before);
	w.spread = true;
	live(3 * NS_PER_SEC);
	kill_publisher();
	live(4 * NS_PER_SEC);
	w.rings = after;
	start_publisher();
	live(3 * NS_PER_SEC);
	assert_true(look_now());
	assert_in_range(unaccounted(), CPUS * 4 * NS_PER_SEC - 100 * NS_PER_MS,
			CPUS * 5 * NS_PER_SEC);
	end();
}

static void one_without_gaps_may_follow_one_with_them(void **state)
{
	(void)state;
	sums_check(true, false);
	sums_check(false, true);
}

static void one_that_stands_still_at_the_beginning_is_waited_for(void **state)
{
	(void)state;
	begin_starved(true, 3 * NS_PER_SEC);
	live(3 * NS_PER_SEC);
	assert_true(look_now());
	assert_int_equal(unaccounted(), 0);
	end();
}

static void act(void)
{
	if (!random_below(&dice, 4))
		w.torn = now_ns + random_below(&dice, 3 * NS_PER_SEC);
	switch (random_below(&dice, 12)) {
	case 0:
		kill_publisher();
		break;
	case 1:
		zero_page();
		break;
	case 2:
		w.stopped = true;
		break;
	case 3:
	case 4:
		w.stopped = false;
		break;
	case 5:
	case 6:
		w.carries_on = random_below(&dice, 2);
		if (!w.alive)
			start_publisher();
		break;
	default:
		break;
	}
}

static void whatever_the_publisher_does_nothing_falls_and_nothing_is_guessed(void **state)
{
	(void)state;
	for (int round = 0; round < 20; round++) {
		begin(true);
		for (int i = 0; i < 30; i++) {
			act();
			live((1 + random_below(&dice, 20)) * 100 * NS_PER_MS);
		}
		w.stopped = false;
		w.torn = 0;
		start_publisher();
		live(3 * NS_PER_SEC);
		assert_true(look_now());
		end();
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_honest_host_is_believed_to_the_nanosecond),
		cmocka_unit_test(the_log_has_each_gap_once),
		cmocka_unit_test(time_without_a_publisher_is_unaccounted),
		cmocka_unit_test(a_page_of_zeros_for_a_while),
		cmocka_unit_test(a_publisher_that_is_stopped_for_3_s_costs_nothing),
		cmocka_unit_test(a_publisher_that_is_held_up_behind_its_gaps_costs_nothing),
		cmocka_unit_test(a_gap_out_of_the_future_is_refused),
		cmocka_unit_test(a_publisher_that_is_stopped_for_long),
		cmocka_unit_test(what_the_ring_lost_is_unaccounted),
		cmocka_unit_test(what_the_host_lost_is_unaccounted),
		cmocka_unit_test(a_stale_clock_charges_nobody),
		cmocka_unit_test(a_host_that_was_there_first),
		cmocka_unit_test(what_was_before_a_suspension_is_not_joined_with_what_comes_after),
		cmocka_unit_test(sums_without_a_publisher),
		cmocka_unit_test(one_without_gaps_may_follow_one_with_them),
		cmocka_unit_test(one_that_stands_still_at_the_beginning_is_waited_for),
		cmocka_unit_test(whatever_the_publisher_does_nothing_falls_and_nothing_is_guessed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
