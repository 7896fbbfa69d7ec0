/* SPDX-License-Identifier: MIT */
#include "doctor/exam.h"

#include "doctor/facts.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

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

enum verdict exam_good(struct exam *e, const char *format, ...)
{
	SAY(e, format);
	return VERDICT_OK;
}

enum verdict exam_bad(struct exam *e, const char *format, ...)
{
	SAY(e, format);
	return VERDICT_BAD;
}

enum verdict exam_cannot_tell(struct exam *e, const char *format, ...)
{
	SAY(e, format);
	return VERDICT_CANNOT_TELL;
}

enum verdict exam_not_here(struct exam *e, const char *format, ...)
{
	SAY(e, format);
	return VERDICT_NOT_HERE;
}

enum verdict exam_judge(struct exam *e, bool ok, const char *format, ...)
{
	SAY(e, format);
	return ok ? VERDICT_OK : VERDICT_BAD;
}

void exam_add(struct exam *e, const char *format, ...)
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

enum verdict exam_number(struct exam *e)
{
	const struct check *c = e->check;
	uint64_t v;
	int err = tree_uint(e->tree, &v, "%s", c->where);

	if (err)
		return exam_cannot_tell(e, "%s: %s", c->where,
					err == -EBADMSG ? "not a number" : strerror(-err));
	return exam_judge(e, v >= c->min && v <= c->max, "%s is %" PRIu64, c->what, v);
}

enum verdict exam_parameters(struct exam *e)
{
	char cmdline[4096];

	if (tree_read(e->tree, cmdline, sizeof(cmdline), "/proc/cmdline") < 0)
		return exam_cannot_tell(e, "no /proc/cmdline");
	for (const char *w = e->check->what; *w; w += strspn(w, " ")) {
		size_t len = strcspn(w, " ");

		if (fact_parameter(cmdline, w, len))
			exam_add(e, "%.*s", (int)len, w);
		w += len;
	}
	if (e->found[0])
		return VERDICT_BAD;
	return exam_good(e, "none of: %s", e->check->what);
}

enum verdict exam_flags(struct exam *e)
{
	char flags[FACT_FLAGS_SIZE];
	int err = fact_flags(e->tree, flags);

	if (err == -ENODATA)
		return exam_not_here(e, "no x86 CPU in /proc/cpuinfo");
	if (err)
		return exam_cannot_tell(e, "no /proc/cpuinfo");
	for (const char *w = e->check->what; *w; w += strspn(w, " ")) {
		size_t len = strcspn(w, " ");

		if (!fact_flag(flags, w, len))
			exam_add(e, "no %.*s", (int)len, w);
		w += len;
	}
	if (e->found[0])
		return VERDICT_BAD;
	return exam_good(e, "%s", e->check->what);
}

enum verdict exam_bpf(struct exam *e)
{
	unsigned major, minor;
	char release[128];
	bool btf, recent;

	if (tree_line(e->tree, release, sizeof(release), "/proc/sys/kernel/osrelease") ||
	    sscanf(release, "%u.%u", &major, &minor) != 2)
		return exam_cannot_tell(e, "no kernel version in /proc/sys/kernel/osrelease");
	if (!tree_has(e->tree, "/sys/kernel"))
		return exam_cannot_tell(e, "no /sys/kernel");
	btf = tree_has(e->tree, "/sys/kernel/btf/vmlinux");
	recent = major > 5 || (major == 5 && minor >= 18);
	return exam_judge(e, btf && recent, "Linux %u.%u %s type information", major, minor,
			  btf ? "with" : "without");
}

enum verdict exam_schedstat(struct exam *e)
{
	if (!tree_has(e->tree, "/proc/1"))
		return exam_cannot_tell(e, "no processes in /proc");
	return exam_judge(e, tree_has(e->tree, "/proc/1/schedstat"), "/proc/PID/schedstat %s",
			  tree_has(e->tree, "/proc/1/schedstat") ? "is there" : "is missing");
}
