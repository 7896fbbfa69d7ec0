/* SPDX-License-Identifier: MIT */
/*
 * Amounts as people type them: one parser for each quantity, whether it comes from a command line,
 * a configuration or a scenario, with the same units (desched(1), Units).
 *
 * Numbers are decimal, without a sign: "20", "0.25", ".5", "1e3". A unit follows at once. `bare` is
 * what a number without a unit counts; 0: it needs one. `ret_end` is behind what was read; where it
 * is NULL, the text must end there. -EINVAL for anything else.
 */
#ifndef BASE_QUANTITY_H
#define BASE_QUANTITY_H

#include <stddef.h>
#include <stdint.h>

int quantity_number(const char *text, const char **ret_end, double *ret);

/* Digits alone. */
int quantity_count(const char *text, uint64_t *ret);

/* ns us ms s min h d; at most 1e9 seconds. */
#define QUANTITY_TIME_MAX 1e18 /* ns */
int quantity_time(const char *text, uint64_t bare, const char **ret_end, uint64_t *ret_ns);

/* B kB MB GB TB KiB MiB GiB TiB; below 2^63. */
int quantity_bytes(const char *text, uint64_t bare, const char **ret_end, uint64_t *ret);

/* "0.25" or "25%". */
int quantity_fraction(const char *text, const char **ret_end, double *ret);

/* A time or a size in the largest unit in which it is a whole number: "250ms", "1000s", "4GiB". */
#define QUANTITY_TEXT 32
const char *quantity_time_text(uint64_t ns, char ret[QUANTITY_TEXT]);
const char *quantity_bytes_text(uint64_t bytes, char ret[QUANTITY_TEXT]);

#endif
