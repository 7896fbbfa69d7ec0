/* SPDX-License-Identifier: MIT */
#include "ticks/ticks_report.h"

#include "base/units.h"

#include <ctype.h>
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#define PREFIX "tickos: report"

const char *const ticks_process_names[TICKS_PROCESSES] = {"A", "B", "idle", "vmdesched"};

/* In the order in which they stand there. */
static const struct {
	const char *name;
	size_t offset;
} numbers[] = {
	{"cpu", offsetof(struct ticks_report, cpu)},
	{"clock", offsetof(struct ticks_report, clock)},
	{"taken", offsetof(struct ticks_report, taken)},
	{"backlog", offsetof(struct ticks_report, backlog)},
	{"resyncs", offsetof(struct ticks_report, resyncs)},
	{"period_ns", offsetof(struct ticks_report, period_ns)},
	{"real_ns", offsetof(struct ticks_report, real_ns)},
	{"run_ns", offsetof(struct ticks_report, run_ns)},
	{"away_ns", offsetof(struct ticks_report, away_ns)},
	{"vmdesched_ns", offsetof(struct ticks_report, vmdesched_ns)},
};

static int number(const char **p, uint64_t *ret)
{
	char *end;

	if (!isdigit((unsigned char)**p))
		return -EBADMSG;
	errno = 0;
	*ret = strtoull(*p, &end, 10);
	*p = end;
	return errno ? -EBADMSG : 0;
}

/* " NAME=N" */
static int field(const char **p, const char *name, uint64_t *ret)
{
	size_t length = strlen(name);

	if (**p != ' ' || strncmp(*p + 1, name, length) != 0 || (*p)[1 + length] != '=')
		return -EBADMSG;
	*p += length + 2;
	return number(p, ret);
}

int ticks_report_parse(const char *line, struct ticks_report *ret)
{
	struct ticks_report r;
	const char *p = line + strlen(PREFIX);
	int err = strncmp(line, PREFIX, strlen(PREFIX)) ? -EBADMSG : 0;

	for (size_t i = 0; i < ARRAY_SIZE(numbers) && !err; i++)
		err = field(&p, numbers[i].name,
			    (uint64_t *)(void *)((char *)&r + numbers[i].offset));
	for (int i = 0; i < TICKS_PROCESSES && !err; i++) {
		err = field(&p, ticks_process_names[i], &r.processes[i].charged);
		if (!err && *p++ != '/')
			err = -EBADMSG;
		if (!err)
			err = number(&p, &r.processes[i].units);
	}
	if (err || *p)
		return -EBADMSG;
	*ret = r;
	return 0;
}
