/* SPDX-License-Identifier: MIT */
/*
 * guest/hostclock.c in worlds with known answers: a host that stamps a page every 5 ms and is at
 * times away between reading its clock and writing it; a guest that looks ten times a second, and
 * whose vCPU is taken away whenever the world likes; counters and clocks that drift, step, gain now
 * and then, on either side. At any instant the map's error is held to what it states.
 *
 * The world's time is `t`, true ns; it passes with every reading of a clock and in sleep. The
 * arithmetic of the worlds shares nothing with the map's.
 */
#include "base/clock.h"

#define clock_mono	fake_mono
#define clock_ticks	fake_ticks
#define clock_slept	fake_slept
#define clock_read_pair fake_read_pair
#define nanosleep	fake_nanosleep

#include <stdint.h>
#include <time.h>

uint64_t fake_mono(void);
uint64_t fake_ticks(void);
uint64_t fake_slept(void);
void fake_read_pair(unsigned tries, struct clock_pair *ret);
int fake_nanosleep(const struct timespec *ts, struct timespec *left);

#include "guest/hostclock.c"

#include "ledger/page_writer.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "chance.h"

#define TICKS_PER_NS 2.1
#define STAMP_NS     5e6
#define POLL	     100e6
#define ROUNDS_LOST  30 /* not judged, at the beginning */

typedef double (*off_fn)(double t);

struct world {
	off_fn counter, clock;	       /* ns by which the guest's is ahead */
	off_fn host;		       /* the host's clock, NULL: it isn't slewed */
	double run, gap;	       /* ns: mean lengths; gap 0: none */
	double silent_from, silent_to; /* ns: the host writes nothing */
	double preempted;	       /* of its stamps it is away before writing them */
};

static struct {
	const struct world *world;
	double t;
	double gap_start, gap_end;
	double stamp_read, stamp_written; /* the next one */
	uint64_t updates;
	uint8_t page[1 << 16] __attribute__((aligned(4096)));
	struct page_writer writer;
	struct page_reader reader;
	struct hostclock clock;
} w;

/* ---- clocks ---- */

static uint64_t host_mono(double t)
{
	return (uint64_t)llround(5e12 + t + (w.world->host ? w.world->host(t) : 0));
}

static uint64_t host_ticks(double t)
{
	return (uint64_t)llround(1e13 + TICKS_PER_NS * t);
}

static uint64_t guest_mono(double t)
{
	return (uint64_t)llround(9e9 + t + w.world->clock(t));
}

static uint64_t guest_ticks(double t)
{
	return (uint64_t)llround(3e12 + TICKS_PER_NS * (t + w.world->counter(t)));
}

/* ---- the world ---- */

static void next_stamp_of_host(void)
{
	w.stamp_read = (floor(w.t / STAMP_NS) + 1) * STAMP_NS + exponential(2e4);
	w.stamp_written = w.stamp_read + 1000 + exponential(500);
	if (uniform() < w.world->preempted)
		w.stamp_written += exponential(1e6);
}

static void write_stamp(void)
{
	const struct page_host host = {.clock = {.ticks = host_ticks(w.stamp_read),
						 .mono = host_mono(w.stamp_read),
						 .error = 100}};

	if (w.stamp_read < w.world->silent_from || w.stamp_read >= w.world->silent_to)
		page_write_host(&w.writer, &host);
}

/* Time passes; the vCPU isn't there before a gap's end. */
static void pass(double ns)
{
	w.t += ns;
	while (w.world->gap > 0 && w.t >= w.gap_start) {
		w.t = fmax(w.t, w.gap_end);
		w.gap_start = w.gap_end + 1e4 + exponential(w.world->run);
		w.gap_end = w.gap_start + exponential(w.world->gap);
	}
	while (w.t >= w.stamp_written) {
		double t = w.t;

		write_stamp();
		w.t = w.stamp_written;
		next_stamp_of_host();
		w.t = t;
	}
}

static void read_cost(void)
{
	pass(150 + exponential(350));
}

uint64_t fake_mono(void)
{
	uint64_t now;

	read_cost();
	now = guest_mono(w.t);
	read_cost();
	return now;
}

uint64_t fake_ticks(void)
{
	uint64_t now;

	read_cost();
	now = guest_ticks(w.t);
	read_cost();
	return now;
}

uint64_t fake_slept(void)
{
	return 0;
}

void fake_read_pair(unsigned tries, struct clock_pair *ret)
{
	ret->error = UINT64_MAX;
	do {
		uint64_t before = fake_mono(), ticks = fake_ticks(), after = fake_mono();

		if (after - before < ret->error)
			*ret = (struct clock_pair){ticks, before + (after - before) / 2,
						   after - before};
	} while (tries-- > 1);
}

int fake_nanosleep(const struct timespec *ts, struct timespec *left)
{
	(void)left;
	pass((double)ts->tv_nsec + 2e4 + exponential(3e4));
	return 0;
}

/* ---- judging ---- */

struct score {
	int windows, covered, unknown, fine, following;
	double worst;
};

/* At an instant of the last third of a second, which is when gaps are converted. */
static void judge(struct score *s)
{
	double t = w.t - 3e8 * uniform();
	double off = fabs(
		(double)(int64_t)(clockmap_to_guest(&w.clock.map, host_mono(t)) - guest_mono(t)));
	uint64_t stated = hostclock_error(&w.clock, 0);

	s->windows++;
	s->following += w.clock.map.following;
	if (stated == CLOCKMAP_UNKNOWN) {
		s->unknown++;
		return;
	}
	s->covered += off <= (double)stated;
	s->fine += stated < 300 * NS_PER_US;
	s->worst = fmax(s->worst, off);
}

static void begin(const struct world *world)
{
	w.world = world;
	w.t = 1e6;
	w.updates = 0;
	w.gap_start = world->gap > 0 ? 2e6 : INFINITY;
	w.gap_end = w.gap_start + exponential(world->gap);
	memset(w.page, 0, sizeof(w.page));
	assert_int_equal(page_writer_init(&w.writer, w.page, sizeof(w.page), 1, 0, 1), 0);
	next_stamp_of_host();
	assert_int_equal(page_attach(w.page, sizeof(w.page), &w.reader), 0);
	assert_int_equal(hostclock_open(&w.clock, &w.reader, 1), 0);
	hostclock_synchronize(&w.clock);
}

static void end(void)
{
	hostclock_close(&w.clock);
	page_writer_done(&w.writer);
}

static struct score run(const struct world *world, double seconds)
{
	struct score s = {0};
	struct page_host host;

	begin(world);
	for (int round = 0; w.t < seconds * 1e9; round++) {
		pass(POLL);
		hostclock_look(&w.clock, &host);
		hostclock_follow(&w.clock);
		if (round > ROUNDS_LOST && !w.clock.silent)
			judge(&s);
	}
	end();
	return s;
}

static struct score check(const struct world *world, double seconds, const char *what)
{
	struct score s;

	random_state = 11;
	s = run(world, seconds);
	print_message("%-36s %4d instants, %d not stated, %.1f %% covered, %.1f %% stated below "
		      "300 us, worst %.1f us, %.0f %% following\n",
		      what, s.windows, s.unknown,
		      100.0 * s.covered / fmax(s.windows - s.unknown, 1),
		      100.0 * s.fine / s.windows, s.worst / 1e3, 100.0 * s.following / s.windows);
	assert_true(s.covered >= 0.95 * (s.windows - s.unknown));
	return s;
}

static void check_fine(const struct world *world, double seconds, const char *what)
{
	struct score s = check(world, seconds, what);

	assert_true(s.fine >= 0.8 * s.windows);
}

static double none(double t)
{
	(void)t;
	return 0;
}

/* 14 ms in 55 s, as was measured of an emulator. */
static double gains(double t)
{
	return 255e-6 * t;
}

static double loses(double t)
{
	return -255e-6 * t;
}

/* 0.4 ms a minute. */
static double creeps(double t)
{
	return 6.7e-6 * t;
}

static double slewed(double t)
{
	return 80e-6 * t;
}

/* By NTP, a new rate every 64 s. */
static double steered(double t)
{
	double n = floor(t / 64e9), in = t - n * 64e9;

	return 20e-6 * in * (fmod(n, 2) > 0 ? -1 : 1) + (fmod(n, 2) > 0 ? 64e9 * 20e-6 : 0);
}

/* 2 ms forward at 10 s, and 3 ms back at 20 s. */
static double steps(double t)
{
	return t < 10e9 ? 0 : t < 20e9 ? 2e6 : -1e6;
}

/* The load that makes it gain comes and goes. */
static double now_and_then(double t)
{
	double period = floor(t / 16e9), in = t - period * 16e9;

	return 255e-6 * (period * 8e9 + fmin(in, 8e9));
}

/* Never back, as an emulator's counter: 1 us at a time, at random instants that are the same
 * whenever they are asked for. */
static double ratchet(double t)
{
	double n = floor(t / 7e6);

	return 1e3 * n + (fmod(n * 0.618034, 1) < fmod(t / 7e6, 1) ? 1e3 : 0);
}

#define QUIET	.run = 4e6, .gap = 0, .preempted = 0.005
#define BUSY	.run = 4e6, .gap = 1e6, .preempted = 0.005
#define STARVED .run = 3e6, .gap = 6e6, .preempted = 0.005

/* Nobody gives up the best reading, however rare tight ones are, and whatever the clocks do beside
 * the counter; it is as good as it was. */
static void a_constant_stays_one(void **state)
{
	static const struct {
		const char *what;
		struct world world;
	} worlds[] = {
		{"nothing moves", {none, none, QUIET}},
		{"nothing moves, busy", {none, none, BUSY}},
		{"nothing moves, starved", {none, none, STARVED}},
		{"the guest's clock is slewed", {none, slewed, BUSY}},
		{"both clocks are steered", {none, steered, steered, BUSY}},
		{"the host is away before it writes",
		 {none, none, .run = 4e6, .gap = 1e6, .preempted = 0.1}},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(worlds); i++) {
		struct score s = check(&worlds[i].world, 120, worlds[i].what);

		assert_int_equal(s.following, 0);
		assert_true(s.fine >= 0.99 * s.windows);
		assert_int_equal(s.covered, s.windows);
		assert_true(s.worst < 15e3);
	}
}

static void the_counter_moves(void **state)
{
	static const struct {
		const char *what;
		off_fn counter;
	} moves[] = {
		{"gains", gains},
		{"loses", loses},
		{"creeps", creeps},
		{"steps", steps},
		{"gains now and then", now_and_then},
		{"ratchets", ratchet},
	};
	char what[64];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(moves); i++) {
		struct world world = {moves[i].counter, none, BUSY};

		snprintf(what, sizeof(what), "the counter %s", moves[i].what);
		check_fine(&world, 120, what);
		world.clock = moves[i].counter; /* which the guest's kernel believes */
		snprintf(what, sizeof(what), "counter and clock %s", moves[i].what);
		check_fine(&world, 120, what);
		world.run = 3e6, world.gap = 6e6;
		snprintf(what, sizeof(what), "the same, starved (%s)", moves[i].what);
		check_fine(&world, 120, what);
	}
}

static void a_long_silence(void **state)
{
	struct world world = {gains, slewed, BUSY, .silent_from = 10e9, .silent_to = 70e9};

	(void)state;
	check(&world, 130, "a minute of silence");
}

static void many_preempted_writers(void **state)
{
	struct world world = {gains, gains, .run = 4e6, .gap = 1e6, .preempted = 0.1};

	(void)state;
	check(&world, 120, "the host is away, both gain");
}

/* One switch inside a gap may be the host's fault; what three within 10 s all show is the
 * clock's. */
static void three_strikes_widen_the_error(void **state)
{
	const struct world world = {none, none, QUIET};
	struct page_host host;
	uint64_t stated;

	(void)state;
	random_state = 11;
	begin(&world);
	stated = hostclock_error(&w.clock, 0);
	assert_true(stated < 50 * NS_PER_US);
	hostclock_contradict(&w.clock, 0, stated); /* no more than it says */
	assert_int_equal(w.clock.cpus[0].contradicted, 0);
	hostclock_contradict(&w.clock, 0, 700e3);
	hostclock_contradict(&w.clock, 0, 300e3);
	assert_int_equal(hostclock_error(&w.clock, 0), stated);
	hostclock_contradict(&w.clock, 0, 400e3);
	assert_int_equal(hostclock_error(&w.clock, 0), 300e3);
	hostclock_contradict(&w.clock, 0, 6e6);
	hostclock_contradict(&w.clock, 0, 6e6);
	assert_int_equal(hostclock_error(&w.clock, 0), 400e3);
	hostclock_contradict(&w.clock, 0, 6e6);
	assert_true(hostclock_error(&w.clock, 0) == CLOCKMAP_UNKNOWN);
	assert_int_equal(w.clock.cpus[0].contradicted, 6);
	pass(11e9);
	hostclock_look(&w.clock, &host);
	assert_true(hostclock_error(&w.clock, 0) < 50 * NS_PER_US);
	end();
}

static uint64_t anything(void)
{
	static const uint64_t edges[] = {0, 1, INT64_MAX, UINT64_MAX, 1ull << 63, 5000};

	if (uniform() < 0.3)
		return edges[(size_t)(uniform() * ARRAY_SIZE(edges))];
	uniform();
	return random_state >> (unsigned)(uniform() * 63);
}

/* As it should be, or nonsense. */
static uint64_t or_anything(uint64_t value)
{
	return uniform() < 0.1 ? anything() : value;
}

/* Whatever a page says: no undefined arithmetic, which the sanitized build would show. */
static void nonsense_does_no_harm(void **state)
{
	struct clockmap m;
	int taken = 0;

	(void)state;
	random_state = 5;
	for (int i = 0; i < 100000; i++) {
		uint64_t t = (uint64_t)(i % 200) * 60 * NS_PER_MS;
		const struct page_clock stamp = {.ticks = or_anything(t),
						 .mono = or_anything(t),
						 .error = (uint32_t)or_anything(9)};
		const struct clock_pair pair = {t + 9, t + 9, 9};
		const struct clock_pair before = {or_anything(t), or_anything(t), 0};
		const struct clock_pair after = {or_anything(t), or_anything(t), 0};

		if (i % 200 == 0)
			clockmap_init(&m);
		clockmap_guest(&m, &pair);
		clockmap_stamp(&m, &stamp, &before, &after);
		clockmap_settle(&m);
		clockmap_to_guest(&m, anything());
		taken += m.follow.n > 0;
	}
	assert_true(taken > 10000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_constant_stays_one),
		cmocka_unit_test(the_counter_moves),
		cmocka_unit_test(a_long_silence),
		cmocka_unit_test(many_preempted_writers),
		cmocka_unit_test(three_strikes_widen_the_error),
		cmocka_unit_test(nonsense_does_no_harm),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
