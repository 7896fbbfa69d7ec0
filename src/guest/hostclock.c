/* SPDX-License-Identifier: MIT */
#include "guest/hostclock.h"

#include "base/units.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define SYNC_NS		(400 * NS_PER_MS) /* longest first look at the host's clock */
#define SYNC_STAMPS	32
#define SILENT_NS	(2 * NS_PER_SEC)
#define SLEPT_NS	(10 * NS_PER_MS) /* less is the noise of two readings */
#define FUTURE_NS	NS_PER_SEC
#define PAIR_NS		(20 * NS_PER_MS)
#define TRIES		8
#define INTERVAL_MAX	(20 * NS_PER_MS) /* stamps that come less often aren't waited for */
#define WATCH_EARLY_NS	(150 * NS_PER_US)
#define WATCH_LATE_NS	(1 * NS_PER_MS)
#define WATCH_GOOD_NS	(30 * NS_PER_US) /* a clock that is known better can wait */
#define WATCH_BAD	(90 * NS_PER_MS) /* from one watch to the next: of a clock that is not, */
#define WATCH_FOLLOWING NS_PER_SEC	 /* of one that is, */
#define WATCH_CONSTANT	(2 * NS_PER_SEC) /* of one that stands still */
#define WATCHES		3 /* at a time, where a stamp is missed or contradicts what is known */
#define ASK_AGAIN_NS	(30 * NS_PER_MS) /* a question without an answer is put again */
#define ASK_EARLY_NS	(500 * NS_PER_US)
#define LINE_NAP_NS	NS_PER_MS
#define STRIKES_NS	(10 * NS_PER_SEC) /* so long contradictions count */

int hostclock_open(struct hostclock *c, const struct page_reader *reader, unsigned n_cpus)
{
	struct hostclock_cpu *cpus = calloc(n_cpus, sizeof(*cpus));

	if (!cpus)
		return -ENOMEM;
	*c = (struct hostclock){.reader = reader, .cpus = cpus, .n_cpus = n_cpus};
	clockmap_init(&c->map);
	return 0;
}

void hostclock_close(struct hostclock *c)
{
	free(c->cpus);
	c->cpus = NULL;
}

/* What our clocks were before a stamp was taken that this look finds. In memory it was not there
 * when the last look began, which was behind the reading before that. */
static struct clock_pair before_stamp(struct hostclock *c)
{
	struct clock_pair asked = {.ticks = 0};

	if (!c->line)
		return c->before;
	c->answered = c->line->asked(c->line->data, &asked);
	return asked;
}

int hostclock_look(struct hostclock *c, struct page_host *ret)
{
	struct clock_pair now, before;
	int err;

	c->answered = false;
	if (c->line)
		c->line->take(c->line->data);
	err = page_read_host(c->reader, ret);
	now = (struct clock_pair){.ticks = clock_ticks()};
	now.mono = clock_mono();
	if (!err && ret->updates != c->updates) {
		c->updates = ret->updates;
		c->updates_time = now.mono;
		before = before_stamp(c);
		clockmap_stamp(&c->map, &ret->clock, &before, &now);
	}
	c->before = c->last;
	c->last = now;
	c->silent = now.mono - c->updates_time > SILENT_NS;
	return err;
}

static void take_pair(struct hostclock *c, unsigned tries)
{
	struct clock_pair pair;

	clock_read_pair(tries, &pair);
	clockmap_guest(&c->map, &pair);
	clockmap_settle(&c->map);
}

static void forget(struct hostclock *c)
{
	clockmap_init(&c->map);
	c->last = c->before = (struct clock_pair){.ticks = 0};
	c->slept = clock_slept();
	c->updates_time = clock_mono();
	c->silent = false;
	for (unsigned i = 0; i < c->n_cpus; i++)
		memset(c->cpus[i].depth, 0, sizeof(c->cpus[i].depth));
}

/* An answer takes the host as long as it is to its next look; one may be lost. */
static void keep_asking(struct hostclock *c, uint64_t *next)
{
	uint64_t now = clock_mono();

	if (c->answered || now >= *next) {
		c->line->ask(c->line->data);
		*next = now + ASK_AGAIN_NS;
	}
	c->line->wait(c->line->data, LINE_NAP_NS);
}

void hostclock_synchronize(struct hostclock *c)
{
	uint64_t begin = clock_mono(), next_pair = 0, first = 0, updates = 0, next_ask = 0;
	struct page_host host;

	forget(c);
	while (clock_mono() - begin < SYNC_NS &&
	       (c->map.samples < SYNC_STAMPS || !clockmap_ready(&c->map))) {
		if (c->line)
			keep_asking(c, &next_ask);
		if (!hostclock_look(c, &host) && !first) {
			first = host.clock.mono;
			updates = host.updates;
		}
		if (clock_mono() < next_pair)
			continue;
		take_pair(c, 2 * TRIES);
		next_pair = clock_mono() + PAIR_NS;
	}
	take_pair(c, 2 * TRIES);
	c->interval = u64_sub_floor(c->map.last_mono, first) /
		      u64_max(u64_sub_floor(c->updates, updates), 1);
}

bool hostclock_has_slept(const struct hostclock *c)
{
	return clock_slept() > c->slept + SLEPT_NS;
}

static bool watch_is_due(const struct hostclock *c)
{
	uint64_t every = WATCH_CONSTANT;

	if (clockmap_in_doubt(&c->map) ||
	    (c->map.following && clockmap_error(&c->map) > WATCH_GOOD_NS))
		every = WATCH_BAD;
	else if (c->map.following)
		every = WATCH_FOLLOWING;
	if (!c->line && (!c->interval || c->interval >= INTERVAL_MAX))
		return false;
	return !c->silent && c->last.mono - c->watched >= every;
}

/* When the host will stamp the page next, on our clock. */
static uint64_t next_stamp(const struct hostclock *c, uint64_t now)
{
	uint64_t last = clockmap_to_guest(&c->map, c->map.last_mono);

	return last + (u64_sub_floor(now + WATCH_EARLY_NS, last) / c->interval + 1) * c->interval;
}

/* Sleeps until shortly before that. Where there is no saying when, since the clock is bad or the
 * last stamp did not come when it was due, all of an interval is spent awake. *ret_wake: when we
 * ought to be awake. Returns until when to stay so. */
static uint64_t sleep_for_stamp(const struct hostclock *c, uint64_t now, uint64_t *ret_wake)
{
	uint64_t due = next_stamp(c, now);
	struct timespec pause = {.tv_nsec = (long)(due - now - WATCH_EARLY_NS)};

	*ret_wake = 0;
	if (c->missed || clockmap_error(&c->map) > WATCH_EARLY_NS / 2 || due - now > INTERVAL_MAX)
		return now + c->interval + WATCH_LATE_NS;
	*ret_wake = due - WATCH_EARLY_NS;
	nanosleep(&pause, NULL);
	return due + WATCH_LATE_NS;
}

/* Missed: it had come already when we were awake in time for it, or it did not come. */
static void watch(struct hostclock *c)
{
	uint64_t before = c->updates, wake, updates;
	uint64_t now = clock_mono(), until = sleep_for_stamp(c, now, &wake);
	struct page_host host;
	int err;

	c->watched = now;
	err = hostclock_look(c, &host);
	updates = c->updates;
	c->missed = wake && updates != before && c->last.mono < wake + WATCH_EARLY_NS;
	while (!err && c->updates == updates && c->last.mono < until)
		err = hostclock_look(c, &host);
	c->missed |= wake && c->updates == updates;
}

/* Looks until the host has answered, or that time. */
static bool hear(struct hostclock *c, uint64_t until)
{
	struct page_host host;

	do {
		c->line->wait(c->line->data, LINE_NAP_NS);
		hostclock_look(c, &host);
	} while (!c->answered && c->last.mono < until);
	return c->answered;
}

/* The first answer says when the host looks for questions; the second question comes shortly before
 * it does so again, and so its answer is soon there. */
static void watch_line(struct hostclock *c)
{
	uint64_t now = clock_mono(), interval = c->line->interval(c->line->data), due;

	c->watched = now;
	c->line->ask(c->line->data);
	c->missed = !hear(c, now + ASK_AGAIN_NS);
	if (c->missed || interval <= ASK_EARLY_NS || interval > INTERVAL_MAX)
		return;
	due = c->last.mono + interval;
	now = clock_mono();
	if (due < now + ASK_EARLY_NS)
		return;
	nanosleep(&(struct timespec){.tv_nsec = (long)(due - now - ASK_EARLY_NS)}, NULL);
	c->line->ask(c->line->data);
	c->missed = !hear(c, due + interval + ASK_EARLY_NS);
}

void hostclock_follow(struct hostclock *c)
{
	take_pair(c, TRIES);
	if (!watch_is_due(c))
		return;
	for (int i = 0; i < WATCHES && (!i || c->missed || clockmap_in_doubt(&c->map)); i++) {
		if (c->line)
			watch_line(c);
		else
			watch(c);
		take_pair(c, TRIES);
	}
}

void hostclock_contradict(struct hostclock *c, unsigned cpu, uint64_t depth)
{
	struct hostclock_cpu *one = &c->cpus[cpu];

	if (depth <= clockmap_error(&c->map))
		return;
	one->contradicted++;
	one->depth[one->next] = depth;
	one->at[one->next] = c->last.mono;
	one->next = (one->next + 1) % HOSTCLOCK_STRIKES;
	c->watched = 0;
}

/* What the last ones all show, if they are young. */
static uint64_t strikes_error(const struct hostclock *c, const struct hostclock_cpu *one)
{
	uint64_t least = UINT64_MAX;

	for (int i = 0; i < HOSTCLOCK_STRIKES; i++)
		least = one->depth[i] && c->last.mono - one->at[i] <= STRIKES_NS
				? u64_min(least, one->depth[i])
				: 0;
	return least;
}

uint64_t hostclock_error(const struct hostclock *c, unsigned cpu)
{
	uint64_t error = u64_max(clockmap_error(&c->map), strikes_error(c, &c->cpus[cpu]));

	return error < HOSTCLOCK_STALE_NS && clockmap_ready(&c->map) ? error : CLOCKMAP_UNKNOWN;
}

bool hostclock_known(const struct hostclock *c, unsigned cpu)
{
	return hostclock_error(c, cpu) != CLOCKMAP_UNKNOWN;
}

/* Far behind the last stamp, which a host that was held up between its gaps and their stamp has yet
 * to write, and behind our own time. */
bool hostclock_is_future(struct hostclock *c, uint64_t host_ns)
{
	struct page_host host;

	/* We may have been away for long since we looked at it. */
	if (host_ns > c->map.last_mono + FUTURE_NS)
		hostclock_look(c, &host);
	return host_ns > c->map.last_mono + FUTURE_NS &&
	       clockmap_to_guest(&c->map, host_ns) > clock_mono() + FUTURE_NS;
}
