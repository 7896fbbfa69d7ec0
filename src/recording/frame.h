/* SPDX-License-Identifier: MIT */
/*
 * A frame: one reading of the agent, as the screen has it. It is made from a snapshot's JSON
 * (schema desched-agent/2), whoever gave that: an agent of our own, vmdesched, a recording.
 *
 * All times are nanoseconds since the agent was started; what happened in an interval is the
 * difference of two frames (screen/model.h). JSON from outside is hostile: what a frame holds is
 * within bounds, and names are bytes that nobody has looked at yet.
 */
#ifndef RECORDING_FRAME_H
#define RECORDING_FRAME_H

#include "base/failure.h"
#include "wire/wire.h"

#include <desched/ledger.h>
#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define FRAME_CPUS_MAX	    4096
#define FRAME_PROCESSES_MAX 131072
#define FRAME_THREADS_MAX   131072

/* Time on a guest's CPU by what became of it; the guest's kernel was billed for the sum. */
struct figures {
	uint64_t truth;	      /* ns in which the CPU ran */
	uint64_t descheduled; /* ns in which the vCPU wanted to run and did not */
	uint64_t wait;	      /* ns in which it waited for other host work */
	uint64_t unaccounted; /* ns of which the source knows nothing */
};

struct frame_thread {
	pid_t tid;
	const char *name;
	struct figures own;
};

struct frame_process {
	pid_t pid; /* 0 or less for what is no process: (lost), (other) */
	pid_t parent;
	uint64_t id; /* tells those apart that have had the same pid, where the agent says so */
	const char *name;
	const char *user;    /* NULL: not known */
	const char *cgroup;  /* NULL: not known */
	const char *command; /* line; NULL: not known, or none */
	char state;	     /* as /proc has it, 0: not known */
	uint64_t rss;	     /* bytes; 0: not known, or none */
	struct figures own;
	size_t first_thread, n_threads;
};

#define FRAME_UNKNOWN LEDGER_STATES /* behind the states of a ledger: time that is unaccounted */
#define FRAME_PARTS   (LEDGER_STATES + 1)

struct frame_cpu {
	unsigned cpu;
	uint64_t ns[FRAME_PARTS];
};

struct frame {
	uint64_t time;	  /* ns, CLOCK_REALTIME, 0 where nobody knows */
	uint64_t elapsed; /* ns since the agent was started, up to where the source told */
	uint64_t lag;	  /* ns from there to when the snapshot was taken */
	struct wire_session session;
	const char *source;    /* "steal" */
	bool kernel_subtracts; /* what the kernel reports is `truth` already */
	bool split; /* false: of processes only what is reported is known, and is in `truth` */
	bool complete, stale;
	bool clock_stale;     /* the host's clock is not known well enough to be of use */
	uint64_t clock_error; /* ns by which it may be off; 0: the source has none */
	bool estimated;
	uint64_t low, high; /* ns, of the sum of all processes' away time, if estimated */
	struct figures busy, idle;
	uint64_t lost_switches, lost_gaps, no_room; /* counters that are 0 when all is well */
	uint64_t lost_ns;
	struct frame_cpu *cpus;
	size_t n_cpus;
	struct frame_process *processes;
	size_t n_processes;
	struct frame_thread *threads;
	size_t n_threads;
	json_t *json; /* holds the names */
};

/* Takes a reference to `json` and none on failure: -EBADMSG, or -ENOMEM. */
int frame_parse(json_t *json, uint64_t time, struct failure *f, struct frame *ret);
void frame_done(struct frame *frame);

uint64_t figures_away(const struct figures *f);
uint64_t figures_occupied(const struct figures *f); /* truth + away + unaccounted */
void figures_add(struct figures *into, const struct figures *from);
void figures_subtract(struct figures *from, const struct figures *what); /* never below 0 */

/* What happened between two frames is their difference: `to` is of the same session, or of one that
 * carries its figures on. */
bool frame_goes_on(const struct frame *from, const struct frame *to);

/* What the guest's kernel reports for them. */
uint64_t frame_reported(const struct frame *frame, const struct figures *f);

#endif
