/* SPDX-License-Identifier: MIT */
#include "wire/members.h"

#include "base/json_out.h"
#include "base/units.h"
#include "wire/snapshot.h"
#include "wire/wire.h"

static uint64_t number_at(const struct member *row, const void *at)
{
	switch (row->kind) {
	case MEMBER_SECONDS:
	case MEMBER_COUNT:
	case MEMBER_ID:
		return *(const uint64_t *)at;
	case MEMBER_PID:
	case MEMBER_OWNER:
	case MEMBER_CPU:
		return *(const unsigned *)at;
	case MEMBER_FRACTION:
		return *(const double *)at > 0;
	case MEMBER_BOOL:
		return *(const bool *)at;
	case MEMBER_LETTER:
	case MEMBER_NAME:
		return (unsigned char)*(const char *)at;
	case MEMBER_LIST:
		return *(void *const *)at != NULL;
	default:
		return 1;
	}
}

/* An object is known when its first member is. */
static bool is_known(const struct member *row, const void *at)
{
	if (row->kind != MEMBER_OBJECT)
		return number_at(row, at) != 0;
	return number_at(&row->of->rows[0], (const char *)at + row->of->rows[0].offset) != 0;
}

static bool is_split(const struct snapshot *s)
{
	return !s || s->split;
}

static bool is_written(const struct member *row, const struct snapshot *s, const void *at)
{
	switch (row->when) {
	case WHEN_ALWAYS:
		return true;
	case WHEN_SPLIT:
		return is_split(s);
	case WHEN_NOT_SPLIT:
		return !is_split(s);
	case WHEN_ESTIMATED:
		return s && s->estimated;
	case WHEN_KNOWN:
		return is_known(row, at);
	case WHEN_FRESH:
		return !(s && s->clock.stale) && (is_split(s) || number_at(row, at) != 0);
	case WHEN_TOLD:
		break;
	}
	return is_split(s) || number_at(row, at) != 0;
}

static json_t *states_json(const uint64_t ns[LEDGER_STATES])
{
	json_t *o = json_object();

	for (uint32_t state = 0; state < LEDGER_STATES; state++)
		json_object_set_new_nocheck(o, ledger_state_name(state),
					    wire_count_json(ns[state]));
	return o;
}

static json_t *list_json(const struct member *row, const struct snapshot *s, const void *at)
{
	const char *structure = (const char *)at - row->offset, *first = *(const char *const *)at;
	size_t n = *(const size_t *)(const void *)(structure + row->room);
	json_t *list = json_array();

	for (size_t i = 0; i < n; i++)
		json_array_append_new(list, members_write(row->of, s, first + i * row->of->size));
	return list;
}

/* NULL: it is not written. */
static json_t *value_json(const struct member *row, const struct snapshot *s, const void *at)
{
	const char *text = row->kind == MEMBER_TEXT ? *(const char *const *)at : NULL;

	switch (row->kind) {
	case MEMBER_SECONDS:
		return json_real(ns_to_s(*(const uint64_t *)at));
	case MEMBER_COUNT:
		return wire_count_json(*(const uint64_t *)at);
	case MEMBER_ID:
		return wire_id_json(*(const uint64_t *)at);
	case MEMBER_PID:
	case MEMBER_OWNER:
		return json_integer(*(const pid_t *)at);
	case MEMBER_CPU:
		return json_integer(*(const unsigned *)at);
	case MEMBER_FRACTION:
		return json_real(*(const double *)at);
	case MEMBER_BOOL:
		return json_boolean(*(const bool *)at);
	case MEMBER_LETTER:
		return json_stringn(at, 1);
	case MEMBER_TEXT:
		return text ? json_out_name(text) : NULL;
	case MEMBER_NAME:
		return json_out_name(at);
	case MEMBER_WORD:
		return json_string(row->words[*(const unsigned *)at]);
	case MEMBER_STATE:
		return json_string(ledger_state_name(*(const uint32_t *)at));
	case MEMBER_STATES:
		return states_json(at);
	case MEMBER_OBJECT:
		return members_write(row->of, s, at);
	case MEMBER_LIST:
		return list_json(row, s, at);
	case MEMBER_APART:
		break;
	}
	return NULL;
}

json_t *members_write(const struct members *m, const struct snapshot *s, const void *from)
{
	json_t *o = json_object();

	for (size_t i = 0; i < m->n; i++) {
		const struct member *row = &m->rows[i];
		const void *at = (const char *)from + row->offset;
		json_t *value = is_written(row, s, at) ? value_json(row, s, at) : NULL;

		/* An object of nothing that is known. */
		if (row->when == WHEN_TOLD && !is_split(s) && json_is_object(value) &&
		    !json_object_size(value))
			json_decref(value);
		else if (value)
			json_object_set_new_nocheck(o, row->name, value);
	}
	if (m->more != MEMBERS_NO_MORE)
		json_object_update_missing(o, *(json_t *const *)((const char *)from + m->more));
	return o;
}
