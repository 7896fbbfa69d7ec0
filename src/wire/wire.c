/* SPDX-License-Identifier: MIT */
#include "wire/wire.h"

#include "base/units.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- bounds ---- */

/* Bytes that jansson takes for each thing in a text, rounded up; measured on 64-bit machines. */
#define OBJECT_BYTES 240u
#define ARRAY_BYTES  120u
#define KEY_BYTES    64u
#define STRING_BYTES 32u /* beside its length */
#define VALUE_BYTES  48u /* a number and its place */
#define SPARE_BYTES  (64 * KIB)

struct scan {
	size_t memory;
	unsigned depth, deepest;
};

/* Behind the string that begins at `at`. */
static const char *skip_string(const char *at, const char *end)
{
	for (at++; at < end && *at != '"'; at++)
		at += *at == '\\';
	return at;
}

static void scan_char(struct scan *s, char c)
{
	switch (c) {
	case '{':
	case '[':
		s->memory += c == '{' ? OBJECT_BYTES : ARRAY_BYTES;
		s->deepest = ++s->depth > s->deepest ? s->depth : s->deepest;
		break;
	case '}':
	case ']':
		s->depth -= s->depth > 0;
		break;
	case ':':
		s->memory += KEY_BYTES;
		break;
	case ',':
		s->memory += VALUE_BYTES;
		break;
	default:
		break;
	}
}

/* Whatever the text is: an upper bound of the memory of what it would be as JSON. */
static struct scan scan_text(const char *text, size_t size)
{
	const char *end = text + size;
	struct scan s = {.memory = 0};

	for (const char *at = text; at < end; at++) {
		const char *from = at;

		if (*at != '"') {
			scan_char(&s, *at);
			continue;
		}
		at = skip_string(at, end);
		s.memory += STRING_BYTES + (size_t)(at - from);
	}
	return s;
}

int wire_load(const char *text, size_t size, json_t **ret)
{
	struct scan s = scan_text(text, size);
	json_error_t error;
	json_t *o;

	if (s.deepest > WIRE_DEPTH_MAX || s.memory > WIRE_MEMORY * size + SPARE_BYTES)
		return -E2BIG;
	o = json_loadb(text, size, JSON_REJECT_DUPLICATES, &error);
	if (!o)
		return json_error_code(&error) == json_error_out_of_memory ? -ENOMEM : -EBADMSG;
	*ret = o;
	return 0;
}

/* ---- values ---- */

bool wire_ns(const json_t *value, uint64_t *ret)
{
	double s = json_number_value(value);

	if (!json_is_number(value) || !(s >= 0 && s <= WIRE_SECONDS_MAX))
		return false;
	*ret = (uint64_t)llround(s * 1e9);
	return true;
}

bool wire_count(const json_t *value, uint64_t *ret)
{
	json_int_t v = json_integer_value(value);

	if (!json_is_integer(value) || v < 0)
		return false;
	*ret = (uint64_t)v;
	return true;
}

static bool parse_id(const char *text, uint64_t *ret)
{
	uint64_t id;
	char *end;

	if (text[0] < '0' || text[0] > '9' || strlen(text) > 20)
		return false;
	errno = 0;
	id = strtoull(text, &end, 10);
	if (*end || errno)
		return false;
	*ret = id;
	return true;
}

bool wire_id(const json_t *value, uint64_t *ret)
{
	return json_is_string(value) ? parse_id(json_string_value(value), ret)
				     : wire_count(value, ret);
}

json_t *wire_id_json(uint64_t id)
{
	char text[24];

	snprintf(text, sizeof(text), "%" PRIu64, id);
	return json_string(text);
}

json_t *wire_count_json(uint64_t count)
{
	return json_integer(count > INT64_MAX ? INT64_MAX : (json_int_t)count);
}
