/* SPDX-License-Identifier: MIT */
#include "wire/members.h"

#include "base/text.h"
#include "wire/snapshot.h"
#include "wire/wire.h"

#include <errno.h>
#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

void members_complain(struct members_in *in, const char *name)
{
	in->wrong = in->wrong ? in->wrong : name;
}

static bool integer_of(const json_t *value, json_int_t min, json_int_t max, json_int_t *ret)
{
	json_int_t v = json_integer_value(value);

	if (!json_is_integer(value) || v < min || v > max)
		return false;
	*ret = v;
	return true;
}

static bool read_pid(const json_t *value, pid_t least, pid_t *ret)
{
	json_int_t v;

	if (!integer_of(value, least, INT_MAX, &v))
		return false;
	*ret = (pid_t)v;
	return true;
}

static bool read_cpu(const json_t *value, unsigned *ret)
{
	json_int_t v;

	if (!integer_of(value, 0, SNAPSHOT_CPUS_MAX - 1, &v))
		return false;
	*ret = (unsigned)v;
	return true;
}

static bool read_fraction(const json_t *value, double *into)
{
	double v = json_number_value(value);

	if (!json_is_number(value) || !isfinite(v) || v < 0)
		return false;
	*into = v;
	return true;
}

static bool read_bool(const json_t *value, bool *ret)
{
	if (!json_is_boolean(value))
		return false;
	*ret = json_is_true(value);
	return true;
}

static bool read_letter(const json_t *value, char *ret)
{
	const char *text = json_string_value(value);

	if (!text)
		return false;
	*ret = text[0] > ' ' && text[0] <= '~' ? text[0] : 0;
	return true;
}

static bool read_text(struct members_in *in, const json_t *value, const char **ret)
{
	const char *copy;

	if (!json_is_string(value))
		return false;
	copy = snapshot_text(in->s, json_string_value(value));
	if (copy)
		*ret = copy;
	else
		in->err = -ENOMEM;
	return true;
}

/* What doesn't fit is cut between two characters. */
static bool read_name(const json_t *value, char *ret, size_t room)
{
	const char *text = json_string_value(value);
	size_t n;

	if (!text)
		return false;
	n = strnlen(text, room);
	if (n == room)
		for (n = room - 1; n && (text[n] & 0xc0) == 0x80;)
			n--;
	memcpy(ret, text, n);
	ret[n] = '\0';
	text_clean(ret);
	return true;
}

static bool read_word(const json_t *value, const char *const *words, unsigned *ret)
{
	const char *text = json_string_value(value);

	for (unsigned i = 0; text && words[i]; i++) {
		if (!strcmp(text, words[i])) {
			*ret = i;
			return true;
		}
	}
	return false;
}

static bool read_state(const json_t *value, uint32_t *ret)
{
	const char *text = json_string_value(value);

	for (uint32_t state = 0; text && state < LEDGER_STATES; state++) {
		if (!strcmp(text, ledger_state_name(state))) {
			*ret = state;
			return true;
		}
	}
	return false;
}

static bool read_states(const json_t *value, uint64_t ret_ns[LEDGER_STATES])
{
	uint64_t sum = 0;

	if (!json_is_object(value))
		return false;
	for (uint32_t state = 0; state < LEDGER_STATES; state++) {
		const json_t *of = json_object_get(value, ledger_state_name(state));

		if (of && !wire_count(of, &ret_ns[state]))
			return false;
		sum += ret_ns[state]; /* seven of them below 2^63: it may pass it, but once */
		if (sum > INT64_MAX)
			return false;
	}
	return true;
}

static size_t *at_room(const struct member *row, void *at)
{
	return (void *)((char *)at - row->offset + row->room);
}

static bool read_list(struct members_in *in, const struct member *row, const json_t *value,
		      void *at)
{
	size_t n = json_array_size(value), *number = at_room(row, at);
	char *list;

	if (!json_is_array(value) || n > row->of->most)
		return false;
	list = calloc(n + 1, row->of->size);
	if (!list)
		in->err = -ENOMEM;
	*(char **)at = list;
	for (; list && *number < n; ++*number) {
		const json_t *item = json_array_get(value, *number);

		if (!json_is_object(item))
			members_complain(in, row->name);
		members_read(in, row->of, item, list + *number * row->of->size);
	}
	return true;
}

static bool read_object(struct members_in *in, const struct members *m, const json_t *value,
			void *into)
{
	if (!json_is_object(value))
		return false;
	members_read(in, m, value, into);
	return true;
}

static bool read_value(struct members_in *in, const struct member *row, const json_t *value,
		       void *into)
{
	switch (row->kind) {
	case MEMBER_SECONDS:
		return wire_ns(value, into);
	case MEMBER_COUNT:
		return wire_count(value, into);
	case MEMBER_ID:
		return wire_id(value, into);
	case MEMBER_PID:
		return read_pid(value, 0, into);
	case MEMBER_OWNER:
		return read_pid(value, INT_MIN, into);
	case MEMBER_CPU:
		return read_cpu(value, into);
	case MEMBER_FRACTION:
		return read_fraction(value, into);
	case MEMBER_BOOL:
		return read_bool(value, into);
	case MEMBER_LETTER:
		return read_letter(value, into);
	case MEMBER_TEXT:
		return read_text(in, value, into);
	case MEMBER_NAME:
		return read_name(value, into, row->room);
	case MEMBER_WORD:
		return read_word(value, row->words, into);
	case MEMBER_STATE:
		return read_state(value, into);
	case MEMBER_STATES:
		return read_states(value, into);
	case MEMBER_LIST:
		return read_list(in, row, value, into);
	case MEMBER_OBJECT:
		return read_object(in, row->of, value, into);
	case MEMBER_APART:
		break;
	}
	return true;
}

/* A copy of the object without the members that have rows. */
static json_t *others(const struct members *m, const json_t *o)
{
	json_t *copy = json_copy((json_t *)(uintptr_t)o);

	for (size_t i = 0; i < m->n; i++)
		json_object_del(copy, m->rows[i].name);
	return copy;
}

void members_read(struct members_in *in, const struct members *m, const json_t *o, void *into)
{
	size_t known = 0;
	json_t **more;

	for (size_t i = 0; i < m->n; i++) {
		const struct member *row = &m->rows[i];
		const json_t *value = json_object_get(o, row->name);

		known += value != NULL;
		if (value && !read_value(in, row, value, (char *)into + row->offset))
			members_complain(in, row->name);
	}
	if (m->more == MEMBERS_NO_MORE || known == json_object_size(o))
		return;
	more = (json_t **)((char *)into + m->more);
	*more = others(m, o);
	if (!*more)
		in->err = -ENOMEM;
}
