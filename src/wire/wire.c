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

bool wire_is_snapshot(const json_t *o)
{
	const char *schema = json_string_value(json_object_get(o, "schema"));

	return schema && (!strcmp(schema, WIRE_SCHEMA) || !strcmp(schema, "desched-agent/1"));
}

bool wire_ns(const json_t *o, const char *key, uint64_t *ret)
{
	const json_t *value = json_object_get(o, key);
	double s = json_number_value(value);

	if (value && (!json_is_number(value) || !(s >= 0 && s <= WIRE_SECONDS_MAX)))
		return false;
	*ret = (uint64_t)llround(s * 1e9);
	return true;
}

static bool parse_id(const char *text, uint64_t *ret)
{
	char *end;

	if (text[0] < '0' || text[0] > '9' || strlen(text) > 20)
		return false;
	errno = 0;
	*ret = strtoull(text, &end, 10);
	return !*end && !errno;
}

bool wire_id(const json_t *value, uint64_t *ret)
{
	uint64_t id = 0;

	if (json_is_string(value)) {
		if (!parse_id(json_string_value(value), &id))
			return false;
	} else if (value) {
		if (!json_is_integer(value) || json_integer_value(value) < 0)
			return false;
		id = (uint64_t)json_integer_value(value);
	}
	*ret = id;
	return true;
}

json_t *wire_id_json(uint64_t id)
{
	char text[24];

	snprintf(text, sizeof(text), "%" PRIu64, id);
	return json_string(text);
}

bool wire_amounts(const json_t *o, struct wire_amounts *ret)
{
	struct wire_amounts a;

	if (!wire_ns(o, "reported_s", &a.reported) || !wire_ns(o, "true_s", &a.truth) ||
	    !wire_ns(o, "descheduled_s", &a.descheduled) || !wire_ns(o, "wait_s", &a.wait) ||
	    !wire_ns(o, "unaccounted_s", &a.unaccounted))
		return false;
	*ret = a;
	return true;
}

/* ---- sessions ---- */

bool wire_session(const json_t *snapshot, struct wire_session *ret)
{
	const json_t *list = json_object_get(snapshot, "sessions"), *o;
	struct wire_session s = {.id = 0};
	size_t i;

	if (!wire_id(json_object_get(snapshot, "session"), &s.id) ||
	    (list && !json_is_array(list)) || json_array_size(list) > WIRE_SESSIONS_MAX)
		return false;
	json_array_foreach(list, i, o) if (!wire_id(json_object_get(o, "id"),
						    &s.before[s.n_before++])) return false;
	*ret = s;
	return true;
}

bool wire_goes_on(const struct wire_session *from, uint64_t from_elapsed,
		  const struct wire_session *to, uint64_t to_elapsed)
{
	if (to_elapsed < from_elapsed)
		return false;
	if (!from->id || !to->id || from->id == to->id)
		return true;
	for (size_t i = 0; i < to->n_before; i++)
		if (to->before[i] == from->id)
			return true;
	return false;
}
