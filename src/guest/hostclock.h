/* SPDX-License-Identifier: MIT */
/*
 * The host's clock, as a page's stamps show it: keeps a map (clockmap.h) up to date, and knows by
 * how much it may be wrong for each vCPU.
 *
 * Only a look right around the moment when the host writes a stamp says much. So now and then, and
 * ten times a second while the clock is known badly, one is waited for: asleep until shortly before
 * it is due, then awake for a fraction of a millisecond.
 *
 * The check that shares nothing with the stamps: in a gap of a vCPU nothing can be switched in or
 * out on it. A switch that the map puts into a gap shows that the map is wrong by so much, at
 * least, unless the host's kernel kept from its tracer that the vCPU was there in between, which
 * some do now and then. So they are counted, and several in a row are stated as the vCPU's error
 * until that hasn't happened for a while.
 */
#ifndef GUEST_HOSTCLOCK_H
#define GUEST_HOSTCLOCK_H

#include "guest/clockmap.h"

#include <desched/page.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#define HOSTCLOCK_STALE_NS (5 * 1000 * 1000ull) /* a clock that is worse is of no use */

#define HOSTCLOCK_STRIKES 3

/*
 * How a page comes that isn't memory of the host's. A stamp is only seen when it has come, which
 * says that it was taken before; that it was taken after something the host can only say of what it
 * was asked for. So the host is asked, and a stamp that is its answer lies between the question and
 * its coming.
 */
struct hostclock_line {
	void *data;
	void (*take)(void *data); /* puts what has come into the page; up to an answer, if there is
				   * one */
	void (*ask)(void *data);
	/* True once for every answer, which is in the page now: our clocks before the question. */
	bool (*asked)(void *data, struct clock_pair *ret);
	void (*wait)(void *data, uint64_t ns); /* at most so long, until something has come */
	uint64_t (*interval)(void *data);      /* ns: the host looks for questions so often */
};

/* What a vCPU's gaps say against the map. */
struct hostclock_cpu {
	uint64_t depth[HOSTCLOCK_STRIKES]; /* ns, the last ones: a switch lay so deep in a gap */
	uint64_t at[HOSTCLOCK_STRIKES];	   /* ns, guest clock: when that was found */
	unsigned next;
	uint64_t contradicted; /* switches deeper inside a gap than the clock's stated error */
};

struct hostclock {
	const struct page_reader *reader;
	struct clockmap map;
	struct hostclock_cpu *cpus;
	unsigned n_cpus;
	struct clock_pair last, before; /* our clocks behind the last look, the one before it */
	uint64_t updates;		/* the host record's heartbeat */
	uint64_t updates_time;		/* ns, guest clock: when it was last seen to move */
	uint64_t slept;	   /* ns, clock_slept() when the clocks were last synchronized */
	uint64_t interval; /* ns between two stamps */
	uint64_t watched;  /* ns, guest clock: when a stamp was last waited for */
	bool missed;	   /* the last one that was waited for did not come then */
	bool silent;	   /* the heartbeat has stopped */
	const struct hostclock_line *line; /* NULL: the page is memory that the host writes */
	bool answered;			   /* the last look found an answer */
};

/* `reader` outlives it, and so does a `line` that is put there afterwards. -ENOMEM. */
int hostclock_open(struct hostclock *c, const struct page_reader *reader, unsigned n_cpus);
void hostclock_close(struct hostclock *c);

/* Begins again: watches the host's stamps for a moment, without sleep. For a new session, and where
 * hostclock_has_slept(): a suspension stops our clock and may set the counter anew. */
void hostclock_synchronize(struct hostclock *c);
bool hostclock_has_slept(const struct hostclock *c);

/* Looks at the host record once: its stamp, its heartbeat. */
int hostclock_look(struct hostclock *c, struct page_host *ret);

/* To be called ten times a second. Sleeps for some ms where a stamp has to be waited for. */
void hostclock_follow(struct hostclock *c);

/* A switch of this vCPU was found so deep inside one of its gaps. */
void hostclock_contradict(struct hostclock *c, unsigned cpu, uint64_t depth);

/* Times can be converted for this vCPU, with an error that can be stated and is below
 * HOSTCLOCK_STALE_NS. */
bool hostclock_known(const struct hostclock *c, unsigned cpu);

/* ns; CLOCKMAP_UNKNOWN where it isn't known. */
uint64_t hostclock_error(const struct hostclock *c, unsigned cpu);

/* The host's time is so far ahead, by its clock and by ours, that it can't be; looks at its clock
 * again if need be. */
bool hostclock_is_future(struct hostclock *c, uint64_t host_ns);

/* The map of the host's clock: the way that it takes, a time on both clocks in ns, and its errors.
 * NULL without memory. */
json_t *hostclock_json(const struct hostclock *c);

#endif
