/* SPDX-License-Identifier: MIT */
/*
 * What of a file was not used, and why. A row here is a reason with its counter; reports, JSON and
 * refusals are made from the rows.
 */
#ifndef DATA_SKIPS_H
#define DATA_SKIPS_H

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

enum skip {
	SKIP_TIME,	/* no time */
	SKIP_FIELDS,	/* not as many fields as the head of the table names */
	SKIP_NUMBER,	/* a field that is no number */
	SKIP_BLANK,	/* figures that the file leaves blank */
	SKIP_ZEROS,	/* a row of zeros, where idle time too would be 0 */
	SKIP_SUM,	/* parts that don't add up to the whole */
	SKIP_STOLEN,	/* all time stolen, while the row was being made */
	SKIP_TOO_MUCH,	/* more than all CPUs have */
	SKIP_BACKWARDS, /* a counter that fell */
	SKIP_CLOCK, /* the clock went back: how long the interval was, or which of two is right, is
		       unknown */
	SKIP_SAME_TIME,
	SKIP_RANGE, /* a value out of every range */
	SKIP_CUT,   /* a line or a frame that is damaged */
	/* What is in the figures already, so that nothing is lost with it. */
	SKIP_THREADS,
	SKIP_DUPLICATE,
	SKIP_N,
	SKIP_LOST_N = SKIP_THREADS,
};

struct skips {
	uint64_t n[SKIP_N];
	char example[64]; /* of the first that was lost, "" where there is none */
};

/* Counts one; `text` is what stood there, NULL: nothing to show. */
void skips_count(struct skips *s, enum skip why, const char *text);

/* Those that were lost. */
uint64_t skips_lost(const struct skips *s);

/* "3 rows of zeros, 1 time not understood", with an example, cut to fit; "" where there are none. */
void skips_describe(const struct skips *s, char *ret, size_t size);

/* Each reason that counts, with its number. NULL: no memory. */
json_t *skips_json(const struct skips *s);

#endif
