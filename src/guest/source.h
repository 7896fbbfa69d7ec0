/* SPDX-License-Identifier: MIT */
/*
 * A source of descheduled time: it is given every finished run of the guest's CPUs and charges to
 * the run's task what the vCPU was away in it. Sources are rows of `sources[]`, best first; adding
 * one is one file and one row.
 *
 *     steal  the hypervisor's steal clock, read at every context switch
 *     page   the host's ledger page: gaps with microsecond edges
 *     stream the same over a serial port
 *     self   nobody helps: estimated from the lateness of timers, with an interval
 */
#ifndef GUEST_SOURCE_H
#define GUEST_SOURCE_H

#include "base/failure.h"
#include "guest/account.h"
#include "guest/guest_page.h"
#include "guest/switches.h"
#include "wire/snapshot.h"

#include <jansson.h>

/* The vCPU was away for long. A source that reads a clock knows the sum between two readings:
 * `within` is their distance, and the gap, or several, fell into it. */
struct source_gap {
	unsigned cpu;
	uint32_t state;	  /* enum ledger_state */
	uint64_t end;	  /* ns, guest's CLOCK_MONOTONIC: the gap's end, or the later reading */
	uint64_t ns;	  /* away */
	uint64_t within;  /* ns; equal to `ns` where the edges are known */
	pid_t pid;	  /* who had the CPU most of that time; 0: nobody, below: not known */
	const char *name; /* valid during the call */
};
typedef void (*source_gap_fn)(const struct source_gap *gap, void *data);

struct source_config {
	const char *page_path; /* a file to map as the page; NULL: find the device */
	uint64_t gap_ns;       /* tell of gaps that are as long; 0: of none */
	source_gap_fn gap;     /* may be NULL */
	void *gap_data;
};

/* Calls config->gap if the gap is long enough. `task` had the CPU; NULL: not known. */
void source_tell_gap(const struct source_config *config, struct source_gap gap,
		     const struct account_task *task);

/* What a source works with; all of it outlives the source. */
struct source_context {
	const struct source_config *config;
	struct account *account;
	struct switches *switches;
	const struct guest_page *page; /* mapped already, and outlives the source; NULL: not */
};

#define SOURCE_CLOCK_STALE UINT64_MAX

/* What a source knows beside what it charged. */
struct source_report {
	uint64_t unseen_ns; /* away time that it knows of and could not give to anybody */
	uint64_t lost_gaps; /* gaps that are known only by their sum */
	uint64_t coarse_ns; /* away time that was spread over runs in proportion to their length */
	uint64_t clock_error;  /* ns by which an edge may be wrong; SOURCE_CLOCK_STALE: too much */
	uint64_t contradicted; /* times that the clock was found wrong by more than it said */
	uint64_t epochs;       /* times that the source's clock jumped and was taken anew */
	uint64_t late_ns;      /* away time that was told when its time was unaccounted already */
	bool stale;	       /* the host or hypervisor has stopped telling */
	bool estimated;	       /* figures are estimates; low and high hold a 90 % interval */
	uint64_t low_ns;       /* of the away time of all processes */
	uint64_t high_ns;
	uint64_t session; /* of the host's page: another one after migration or resume; 0: none */
};

struct source_ops {
	const char *name;
	const char *summary;
	bool stands_in;	      /* until a page comes that wasn't there when the agent was opened */
	const char *not_seen; /* what a vCPU may be away for without that this source sees it */
	enum switches_steal (*steal_row)(const struct switches *s); /* NULL: needs no steal clock */

	/* Before records flow. -ENODEV where this machine does not have what the source needs, and
	 * why in `f`. */
	int (*open)(const struct source_context *context, struct failure *f, void **ret);
	void (*close)(void *source);

	/* A run ended. The source books it, charges of it what the vCPU was away, or
	 * AMOUNTS_UNKNOWN where it can't know that, and releases its task. */
	void (*run)(void *source, const struct account_run *run);

	/* A reading of a CPU's steal clock: at a switch (after `run`), or for a snapshot. May be
	 * NULL. */
	void (*steal)(void *source, unsigned cpu, uint64_t time, uint64_t steal);

	/* Called at least ten times a second. May be NULL. */
	int (*poll)(void *source, uint64_t now);

	/* All runs up to `until` have been given: book and charge them, waiting up to `patience` ns
	 * for what is on its way; what isn't told by then stays to be booked. May be NULL. */
	int (*settle)(void *source, uint64_t until, uint64_t patience);

	/* Everything up to this time, guest's CLOCK_MONOTONIC, is booked, nothing later; 0 before
	 * the first time. NULL: up to the last settle(). */
	uint64_t (*settled)(const void *source);

	/* The clock that it goes by, NULL for none. */
	const char *(*clock_name)(const void *source);

	void (*report)(void *source, struct source_report *ret);

	/* How it came to its figures, as JSON for those who want to check it. May be NULL. */
	json_t *(*details)(void *source);

	/* What the host tells of this machine beside gaps: *ret is the caller's, or NULL. -ENOMEM.
	 * May be NULL. */
	int (*page)(void *source, struct snapshot_page **ret);
};

/* "auto", then the rows' names; NULL behind the last. What a source option may be. */
const char *source_name(size_t i);

extern const struct source_ops source_steal;
extern const struct source_ops source_page;
extern const struct source_ops source_stream;
extern const struct source_ops source_self;

/* Best first, NULL at the end. */
extern const struct source_ops *const sources[];

#endif
