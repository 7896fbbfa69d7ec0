/* SPDX-License-Identifier: MIT */
/*
 * What the encoder and all decoders of snapshots (desched-agent, vmdesched(8)) share: the schema,
 * the bounds of a text from outside, and how its numbers are read.
 *
 * Times are seconds, identifiers of 64 bits are strings of decimal digits, since numbers of JSON
 * are exact up to 2^53 only; readers take either.
 */
#ifndef WIRE_WIRE_H
#define WIRE_WIRE_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define WIRE_SCHEMA "desched-agent/2"

#define WIRE_SECONDS_MAX 4e9 /* four times that fits into 64 bits of ns */
#define WIRE_DEPTH_MAX	 32
#define WIRE_MEMORY	 24u /* bytes of memory for each byte of text, at most, beside a few KiB */

/* A text from outside as JSON, the caller's. -EBADMSG for what is no JSON, -E2BIG for what would
 * take more memory than WIRE_MEMORY says or is nested deeper than WIRE_DEPTH_MAX; -ENOMEM. */
int wire_load(const char *text, size_t size, json_t **ret);

/* Of this schema, or the one before, in which nothing was unaccounted. */
bool wire_is_snapshot(const json_t *o);

/* Seconds as ns; 0 for a member that isn't there. False for one that is no time: negative, or too
 * large. */
bool wire_ns(const json_t *o, const char *key, uint64_t *ret);

/* The value is an identifier; NULL is 0. False for one that is none. */
bool wire_id(const json_t *value, uint64_t *ret);
json_t *wire_id_json(uint64_t id);

/* Time of a task or CPU by what became of it. reported = truth + descheduled + wait + unaccounted,
 * unless the kernel subtracts steal itself. */
struct wire_amounts {
	uint64_t reported, truth, descheduled, wait, unaccounted; /* ns */
};

bool wire_amounts(const json_t *o, struct wire_amounts *ret);

#define WIRE_SESSIONS_MAX 64

/* Whose figures these are. */
struct wire_session {
	uint64_t id;			    /* 0: not told */
	uint64_t before[WIRE_SESSIONS_MAX]; /* that the same agent has seen, oldest first */
	size_t n_before;
};

bool wire_session(const json_t *snapshot, struct wire_session *ret);

/* Figures of session `to` go on those of `from`: the difference of the two makes sense. Where one
 * of them tells none, only the times since the agents were started say so. */
bool wire_goes_on(const struct wire_session *from, uint64_t from_elapsed,
		  const struct wire_session *to, uint64_t to_elapsed);

#endif
