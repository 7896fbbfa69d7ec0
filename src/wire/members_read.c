/* SPDX-License-Identifier: MIT */
#include "wire/members.h"

#include "wire/snapshot.h"
#include "wire/wire.h"

#include <errno.h>
#include <limits.h>
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
	case MEMBER_BOOL:
		return read_bool(value, into);
	case MEMBER_LETTER:
		return read_letter(value, into);
	case MEMBER_TEXT:
		return read_text(in, value, into);
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
