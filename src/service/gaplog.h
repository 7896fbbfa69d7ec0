/* SPDX-License-Identifier: MIT */
/*
 * Long gaps, for people: the last GAPLOG_KEPT of them are kept, each is a line of the log as long
 * as there are not too many, and all are counted.
 *
 *     vCPU 1 was descheduled 340 ms at 12:01:07, process postgres (812) was running
 *
 * A source that knows sums between two readings, not edges, says within how long they fell.
 */
#ifndef SERVICE_GAPLOG_H
#define SERVICE_GAPLOG_H

#include "service/quota.h"

#include <desched/ledger.h>
#include <jansson.h>
#include <sys/types.h>

#define GAPLOG_KEPT	64
#define GAPLOG_LINE_MAX 640

#define GAPLOG_NAME 64

/* Who was on the CPU most of that time. */
enum gaplog_who {
	GAPLOG_PROCESS,
	GAPLOG_NOBODY,
	GAPLOG_NOT_ASKED, /* the vCPU was blocked: it waited for no CPU */
	GAPLOG_HIDDEN,	  /* a process of a PID namespace that isn't seen from here */
	GAPLOG_UNKNOWN,
};

/* A vCPU didn't run for long. Where only a sum between two readings is known, `within` is their
 * distance, and the gap, or several, fell into it. */
struct gaplog_gap {
	const char *vm; /* NULL: there is one */
	unsigned vcpu;
	uint32_t state;	 /* enum ledger_state */
	uint64_t end;	 /* ns, CLOCK_MONOTONIC: the gap's end, or the later reading */
	uint64_t ns;	 /* of it */
	uint64_t within; /* ns; equal to `ns` where the edges are known */
	enum gaplog_who who;
	pid_t pid;	  /* of a process */
	const char *name; /* likewise */
};

struct gaplog_entry {
	uint64_t time; /* ns, CLOCK_REALTIME: when it began, or the interval that it fell into */
	struct gaplog_gap gap; /* its names are these */
	char vm[GAPLOG_NAME], name[GAPLOG_NAME];
};

struct gaplog {
	struct gaplog_entry kept[GAPLOG_KEPT];
	uint64_t total; /* entries ever; kept[] is a ring by it */
	uint64_t total_ns, longest_ns;
	uint64_t unlogged; /* lines that were too many */
	uint64_t left_out; /* of these, just before the last line */
	struct quota quota;
};

/* Keeps a copy of the gap. `mono` and `real` are the clocks now. True when its line is to be written. */
bool gaplog_add(struct gaplog *log, const struct gaplog_gap *gap, uint64_t mono, uint64_t real);

/* The last gap's line, without newline, names escaped; the hour is the local one. */
void gaplog_line(const struct gaplog *log, const char *source, char ret[GAPLOG_LINE_MAX]);

/* Schema desched-gaps/1: the kept ones, oldest first. NULL without memory. */
json_t *gaplog_json(const struct gaplog *log);

#endif
