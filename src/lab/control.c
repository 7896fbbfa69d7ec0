/* SPDX-License-Identifier: MIT */
#include "lab/control.h"

#include "base/units.h"
#include "wire/wire.h"

#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define SECONDS_MAX 1e9

int control_feed(struct control_in *in, const void *data, size_t n)
{
	if (in->taken) {
		in->used -= in->taken;
		memmove(in->line, in->line + in->taken, in->used);
		in->taken = 0;
	}
	if (n > CONTROL_LINE_MAX || in->used + n > CONTROL_LINE_MAX)
		return -EMSGSIZE;
	if (in->used + n > in->size) {
		size_t size = u64_min(u64_max(2 * (in->used + n), 4096), CONTROL_LINE_MAX);
		char *line = realloc(in->line, size);

		if (!line)
			return -ENOMEM;
		in->line = line;
		in->size = size;
	}
	memcpy(in->line + in->used, data, n);
	in->used += n;
	return 0;
}

/* The next line without its end, or NULL. */
static const char *next_line(struct control_in *in, size_t *ret_length)
{
	const char *start = in->line + in->taken;
	const char *end = in->used > in->taken ? memchr(start, '\n', in->used - in->taken) : NULL;

	if (!end)
		return NULL;
	in->taken += (size_t)(end + 1 - start);
	*ret_length = (size_t)(end - start);
	if (*ret_length && start[*ret_length - 1] == '\r')
		(*ret_length)--;
	return start;
}

int control_next(struct control_in *in, json_t **ret)
{
	const char *line;
	size_t n;

	while ((line = next_line(in, &n))) {
		json_t *o = NULL;

		if (!n)
			continue;
		if (wire_load(line, n, &o) || !json_is_object(o)) {
			json_decref(o);
			return -EBADMSG;
		}
		*ret = o;
		return 1;
	}
	return 0;
}

void control_done(struct control_in *in)
{
	free(in->line);
	memset(in, 0, sizeof(*in));
}

void control_text(const char *text, char *ret, size_t size)
{
	size_t i = 0;

	for (; text && text[i] && i < size - 1; i++)
		ret[i] = (char)(text[i] >= ' ' && text[i] <= '~' ? text[i] : '?');
	ret[i] = '\0';
}

int control_ns(const json_t *seconds, uint64_t *ret)
{
	double s = json_number_value(seconds);

	if (!json_is_number(seconds) || !(s >= 0 && s <= SECONDS_MAX))
		return -EBADMSG;
	*ret = (uint64_t)llround(s * 1e9);
	return 0;
}

static bool name_valid(const char *name)
{
	size_t n = name ? strlen(name) : 0;

	if (n < 1 || n >= CONTROL_NAME_SIZE)
		return false;
	for (size_t i = 0; i < n; i++) {
		if (!islower((unsigned char)name[i]) && !isdigit((unsigned char)name[i]) &&
		    name[i] != '_' && name[i] != '-')
			return false;
	}
	return true;
}

static const char *text_of(const json_t *object, const char *key)
{
	return json_string_value(json_object_get(object, key));
}

/* An addition: what is no clock is none. */
static void take_clock(const json_t *object, struct control_clock *ret)
{
	json_int_t ticks = json_integer_value(json_object_get(object, "ticks"));

	if (ticks < 0 || control_ns(json_object_get(object, "clock_s"), &ret->mono))
		*ret = (struct control_clock){0};
	else
		ret->ticks = (uint64_t)ticks;
}

int control_parse_answer(const json_t *line, struct failure *f, struct control_answer *ret)
{
	const json_t *id = json_object_get(line, "id");
	const json_t *ok = json_object_get(line, "ok");
	const json_t *agent = json_object_get(line, "agent");
	struct control_answer a = {0};

	if (!json_is_boolean(ok))
		return failure_set(f, -EBADMSG, "an answer without \"ok\"");
	if (id && (!json_is_integer(id) || json_integer_value(id) < 0))
		return failure_set(f, -EBADMSG, "an answer whose \"id\" is no number");
	a.id = (uint64_t)json_integer_value(id);
	a.ok = json_is_true(ok);
	take_clock(line, &a.clock);
	control_text(text_of(line, "error"), a.error, sizeof(a.error));
	a.agent.alive = json_is_true(json_object_get(agent, "alive"));
	control_text(text_of(agent, "ended"), a.agent.ended, sizeof(a.agent.ended));
	control_text(text_of(agent, "said"), a.agent.said, sizeof(a.agent.said));
	*ret = a;
	return 0;
}

static int take_kinds(const json_t *list, struct failure *f, struct control_kinds *k)
{
	for (size_t i = 0; i < json_array_size(list); i++) {
		const char *name = json_string_value(json_array_get(list, i));
		int at = k->n + k->n_traced;

		if (at == CONTROL_KINDS_MAX)
			return failure_set(f, -EBADMSG, "a guest with too many kinds of work");
		if (!name_valid(name))
			return failure_set(f, -EBADMSG, "a kind of work without a proper name");
		memcpy(k->names[at], name, strlen(name) + 1);
		k->n_traced++;
	}
	return 0;
}

int control_parse_kinds(const json_t *line, struct failure *f, struct control_kinds *ret)
{
	struct control_kinds k = {0};
	int err = take_kinds(json_object_get(line, "kinds"), f, &k);

	if (err)
		return err;
	if (!k.n_traced)
		return failure_set(f, -EBADMSG, "a guest with 0 kinds of work");
	k.n = k.n_traced;
	k.n_traced = 0;
	err = take_kinds(json_object_get(line, "traced_kinds"), f, &k);
	if (!err)
		*ret = k;
	return err;
}

static int parse_worker(const json_t *o, struct failure *f, struct control_worker *ret)
{
	const char *kind = text_of(o, "kind");
	json_int_t pid = json_integer_value(json_object_get(o, "pid"));
	const json_t *units = json_object_get(o, "units");
	struct control_worker w = {0};

	if (!name_valid(kind))
		return failure_set(f, -EBADMSG, "a worker without a proper kind");
	memcpy(w.kind, kind, strlen(kind) + 1);
	if (pid < 0 || pid > INT_MAX)
		return failure_set(f, -EBADMSG, "worker %s: no such process id", kind);
	if (!json_is_integer(units) || json_integer_value(units) < 0)
		return failure_set(f, -EBADMSG, "worker %s: its units are no number", kind);
	if (control_ns(json_object_get(o, "reported_s"), &w.reported) ||
	    control_ns(json_object_get(o, "cpu_s"), &w.cpu))
		return failure_set(f, -EBADMSG, "worker %s: its time is no number", kind);
	w.pid = (int)pid;
	w.units = (uint64_t)json_integer_value(units);
	w.steady = json_is_true(json_object_get(o, "steady"));
	w.alive = json_is_true(json_object_get(o, "alive"));
	w.has_top = control_ns(json_object_get(o, "top_s"), &w.top) == 0;
	*ret = w;
	return 0;
}

/* NULL for what is not there and for what the agent itself calls an error. */
static const json_t *snapshot_of(const json_t *reading)
{
	const json_t *agent = json_object_get(reading, "agent");

	return json_is_object(agent) && !json_object_get(agent, "error") ? agent : NULL;
}

int control_parse_report(const json_t *line, struct failure *f, struct control_report *ret)
{
	const json_t *list = json_object_get(line, "workers");
	const json_t *before = json_object_get(line, "before");
	const json_t *after = json_object_get(line, "after");
	size_t n = json_array_size(list);
	struct control_report r = {0};
	uint64_t from, to, others_from, others_to;

	if (n < 1 || n > CONTROL_WORKERS_MAX)
		return failure_set(f, -EBADMSG, "a report of %zu workers", n);
	for (; (size_t)r.n < n; r.n++) {
		int err = parse_worker(json_array_get(list, (size_t)r.n), f, &r.workers[r.n]);

		if (err)
			return err;
	}
	if (control_ns(json_object_get(before, "busy_s"), &from) ||
	    control_ns(json_object_get(after, "busy_s"), &to) ||
	    control_ns(json_object_get(before, "others_s"), &others_from) ||
	    control_ns(json_object_get(after, "others_s"), &others_to))
		return failure_set(f, -EBADMSG, "a report without the kernel's figures");
	r.others = u64_sub_floor(others_to, others_from);
	r.busy = (int64_t)to - (int64_t)from;
	take_clock(before, &r.first);
	take_clock(after, &r.last);
	r.before = snapshot_of(before);
	r.after = snapshot_of(after);
	*ret = r;
	return 0;
}
