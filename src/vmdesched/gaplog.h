/* SPDX-License-Identifier: MIT */
/*
 * Long gaps, for people: the last GAPLOG_KEPT of them are kept, each is a line of the log as long
 * as there are not too many, and all are counted.
 *
 *     vCPU 1 was descheduled 340 ms at 12:01:07, process postgres (812) was running
 *
 * A source that knows sums between two readings, not edges, says within how long they fell.
 */
#ifndef VMDESCHED_GAPLOG_H
#define VMDESCHED_GAPLOG_H

#include "vmdesched/quota.h"
#include "guest/source.h"

#include <jansson.h>

#define GAPLOG_KEPT	64
#define GAPLOG_LINE_MAX 320

struct gaplog_entry {
	uint64_t time; /* ns, CLOCK_REALTIME: when it began, or the interval that it fell into */
	struct source_gap gap; /* its `name` is `name` */
	char name[ACCOUNT_COMM_SIZE];
};

struct gaplog {
	struct gaplog_entry kept[GAPLOG_KEPT];
	uint64_t total; /* entries ever; kept[] is a ring by it */
	uint64_t total_ns, longest_ns;
	uint64_t unlogged; /* lines that were too many */
	uint64_t left_out; /* of these, just before the last line */
	struct quota quota;
};

/* Keeps the gap. `mono` and `real` are the clocks now. True when its line is to be written. */
bool gaplog_add(struct gaplog *log, const struct source_gap *gap, uint64_t mono, uint64_t real);

/* The last gap's line, without newline, names escaped; the hour is the local one. */
void gaplog_line(const struct gaplog *log, const char *source, char ret[GAPLOG_LINE_MAX]);

/*
 * Time that is unaccounted: a line when it began and one when it is over, with its sum over all
 * CPUs. Too little to be worth one (SILENCE_MIN) is left to the counters.
 */
#define SILENCE_MIN	 (10 * NS_PER_MS)
#define SILENCE_LINE_MAX 160

struct silence {
	uint64_t last;	 /* ns unaccounted, by the last sample */
	uint64_t before; /* the same, when it began to grow */
	uint64_t real;	 /* ns, CLOCK_REALTIME: when the last sample ended; 0: there is none */
	uint64_t since;	 /* ns, CLOCK_REALTIME; 0: it does not grow */
};

/* A sample that ended at `real`. True where there is a line to be written. */
bool silence_note(struct silence *s, const struct account *a, uint64_t real,
		  char ret[SILENCE_LINE_MAX]);

/* Schema desched-gaps/1: the kept ones, oldest first. NULL without memory. */
json_t *gaplog_json(const struct gaplog *log);

#endif
