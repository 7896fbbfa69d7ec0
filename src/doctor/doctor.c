/* SPDX-License-Identifier: MIT */
#include "doctor/doctor.h"

#include "doctor/checks.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const struct check_group *const groups[] = {
	&checks_tools, &checks_kernel, &checks_cpu,   &checks_memory,
	&checks_disk,  &checks_net,    &checks_clone, &checks_time,
};

size_t doctor_count(void)
{
	size_t n = 0;

	for (size_t g = 0; g < ARRAY_SIZE(groups); g++)
		n += groups[g]->n;
	return n;
}

const struct check *doctor_check(size_t i)
{
	for (size_t g = 0; g < ARRAY_SIZE(groups); g++) {
		if (i < groups[g]->n)
			return &groups[g]->rows[i];
		i -= groups[g]->n;
	}
	return NULL;
}

const struct check *doctor_find(const char *id)
{
	const struct check *c;

	for (size_t i = 0; (c = doctor_check(i)); i++)
		if (!strcmp(c->id, id))
			return c;
	return NULL;
}

const char *doctor_group(const struct check *c)
{
	for (size_t g = 0; g < ARRAY_SIZE(groups); g++)
		if (c >= groups[g]->rows && c < groups[g]->rows + groups[g]->n)
			return groups[g]->name;
	return "";
}

/* Names in files may hold anything, and what was found goes to a terminal. */
static void make_printable(char *text)
{
	for (char *c = text; *c; c++)
		*c = *c < ' ' || *c > '~' ? '?' : *c;
}

void doctor_look(const struct check *check, const struct tree *t, struct exam *ret)
{
	*ret = (struct exam){.check = check, .tree = t};
	ret->verdict = check->look(ret);
	make_printable(ret->found);
}

const char *verdict_name(enum verdict v)
{
	static const char *const names[VERDICTS] = {"ok", "bad", "cannot tell", "does not apply"};

	return names[v];
}

const char *severity_name(enum severity s)
{
	static const char *const names[SEVERITIES] = {"note", "warning", "serious"};

	return names[s];
}

/* ---- verdicts ---- */

static void say(struct exam *e, const char *format, va_list ap)
{
	vsnprintf(e->found, sizeof(e->found), format, ap);
}

#define SAY(e, format)                                                                             \
	do {                                                                                       \
		va_list ap;                                                                        \
                                                                                                   \
		va_start(ap, format);                                                              \
		say(e, format, ap);                                                                \
		va_end(ap);                                                                        \
	} while (0)

enum verdict good(struct exam *e, const char *format, ...)
{
	SAY(e, format);
	return VERDICT_OK;
}

enum verdict bad(struct exam *e, const char *format, ...)
{
	SAY(e, format);
	return VERDICT_BAD;
}

enum verdict cannot_tell(struct exam *e, const char *format, ...)
{
	SAY(e, format);
	return VERDICT_CANNOT_TELL;
}

enum verdict not_here(struct exam *e, const char *format, ...)
{
	SAY(e, format);
	return VERDICT_NOT_HERE;
}

enum verdict judge(struct exam *e, bool ok, const char *format, ...)
{
	SAY(e, format);
	return ok ? VERDICT_OK : VERDICT_BAD;
}

void add_found(struct exam *e, const char *format, ...)
{
	size_t used = strlen(e->found);
	va_list ap;

	if (used && used + 2 < sizeof(e->found)) {
		memcpy(e->found + used, ", ", 3);
		used += 2;
	}
	va_start(ap, format);
	vsnprintf(e->found + used, sizeof(e->found) - used, format, ap);
	va_end(ap);
}

/* ---- functions that serve many rows ---- */

enum verdict look_number(struct exam *e)
{
	const struct check *c = e->check;
	uint64_t v;
	int err = tree_uint(e->tree, &v, "%s", c->where);

	if (err)
		return cannot_tell(e, "%s: %s", c->where,
				   err == -EBADMSG ? "not a number" : strerror(-err));
	return judge(e, v >= c->min && v <= c->max, "%s is %" PRIu64, c->what, v);
}

enum verdict look_parameters(struct exam *e)
{
	char cmdline[4096];

	if (tree_read(e->tree, cmdline, sizeof(cmdline), "/proc/cmdline") < 0)
		return cannot_tell(e, "no /proc/cmdline");
	for (const char *w = e->check->what; *w; w += strspn(w, " ")) {
		size_t len = strcspn(w, " ");

		if (fact_parameter(cmdline, w, len))
			add_found(e, "%.*s", (int)len, w);
		w += len;
	}
	if (e->found[0])
		return VERDICT_BAD;
	return good(e, "none of: %s", e->check->what);
}

enum verdict look_flags(struct exam *e)
{
	char flags[FACT_FLAGS_SIZE];
	int err = fact_flags(e->tree, flags);

	if (err == -ENODATA)
		return not_here(e, "no x86 CPU in /proc/cpuinfo");
	if (err)
		return cannot_tell(e, "no /proc/cpuinfo");
	for (const char *w = e->check->what; *w; w += strspn(w, " ")) {
		size_t len = strcspn(w, " ");

		if (!fact_flag(flags, w, len))
			add_found(e, "no %.*s", (int)len, w);
		w += len;
	}
	if (e->found[0])
		return VERDICT_BAD;
	return good(e, "%s", e->check->what);
}
