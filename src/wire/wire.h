/* SPDX-License-Identifier: MIT */
/*
 * JSON from outside: the bounds of a text, and how its values are read and written.
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

#define WIRE_SECONDS_MAX 4e9 /* four times that fits into 64 bits of ns */
#define WIRE_DEPTH_MAX	 32
#define WIRE_MEMORY	 24u /* bytes of memory for each byte of text, at most, beside a few KiB */

/* A text from outside as JSON, the caller's. -EBADMSG for what is no JSON, -E2BIG for what would
 * take more memory than WIRE_MEMORY says or is nested deeper than WIRE_DEPTH_MAX; -ENOMEM. */
int wire_load(const char *text, size_t size, json_t **ret);

/* Each of these is false, and leaves *ret alone, for a value that isn't one. */
bool wire_ns(const json_t *value, uint64_t *ret); /* seconds as ns; none is negative or too large */
bool wire_count(const json_t *value, uint64_t *ret); /* an integer from 0 on */
bool wire_id(const json_t *value, uint64_t *ret);    /* an identifier */

json_t *wire_id_json(uint64_t id);
json_t *wire_count_json(uint64_t count); /* at most INT64_MAX: no honest figure is more */

#endif
