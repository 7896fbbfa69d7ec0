/* SPDX-License-Identifier: MIT */
/*
 * Rows of time, process and %CPU of one CPU: `pidstat -h` with its blanks, or any CSV with columns
 * of these names. A value is about the interval that ends at its time; the first interval is taken
 * to be as long as the second. A process called "total" or "_Total" is the whole machine.
 */
#include "correct/formats.h"
#include "correct/table.h"

#include "base/units.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct value {
	double time, percent;
	uint32_t who;
};

struct processes {
	struct usage *r;
	int time, pid, cpu, name; /* columns; -1: not seen */
	struct value *values;
	size_t n, room;
};

static const char *const time_names[] = {"Time", "timestamp", "date", NULL};
static const char *const cpu_names[] = {"%CPU", "pcpu", "cpu_percent", "cpu", NULL};
static const char *const name_names[] = {"Command", "process", "comm", "name", NULL};
static const char *const pid_names[] = {"PID", NULL};

static bool is_pidstat(const struct input *in)
{
	char line[256];

	input_line(in, line, sizeof(line));
	return (!strncmp(line, "Linux ", 6) && strstr(in->text, "Command")) ||
	       !strncmp(line, "# Time", 6);
}

static bool is_csv(const struct input *in)
{
	char line[256];

	input_line(in, line, sizeof(line));
	return strpbrk(line, ",;\t") && (strcasestr(line, "cpu")) &&
	       (strcasestr(line, "time") || strcasestr(line, "date")) &&
	       (strcasestr(line, "process") || strcasestr(line, "comm") ||
		strcasestr(line, "name") || strcasestr(line, "pid"));
}

static void take_head(char **fields, size_t n, struct processes *p)
{
	p->time = table_column(fields, n, time_names);
	p->pid = table_column(fields, n, pid_names);
	p->cpu = table_column(fields, n, cpu_names);
	p->name = table_column(fields, n, name_names);
}

static int who_of(char **fields, const struct processes *p, uint32_t *ret)
{
	char text[96];

	if (p->name < 0)
		return usage_who(p->r, fields[p->pid], ret);
	if (!strcasecmp(fields[p->name], "total") || !strcasecmp(fields[p->name], "_Total")) {
		*ret = WHO_TOTAL;
		return 0;
	}
	if (p->pid < 0)
		return usage_who(p->r, fields[p->name], ret);
	snprintf(text, sizeof(text), "%.40s (%.12s)", fields[p->name], fields[p->pid]);
	return usage_who(p->r, text, ret);
}

static int keep(struct processes *p, struct value v)
{
	if (p->n == p->room) {
		size_t room = p->room ? 2 * p->room : 1024;
		struct value *values = reallocarray(p->values, room, sizeof(*values));

		if (!values)
			return -ENOMEM;
		p->values = values;
		p->room = room;
	}
	p->values[p->n++] = v;
	return 0;
}

static int take_value(char **fields, struct processes *p)
{
	double last = p->n ? p->values[p->n - 1].time : 0;
	struct value v;
	bool dated;
	int err;

	if (table_time(fields[p->time], &v.time, &dated) ||
	    table_number(fields[p->cpu], &v.percent)) {
		p->r->skipped++;
		return 0;
	}
	v.time = table_next_day(v.time, last, dated);
	p->r->dated = dated;
	err = who_of(fields, p, &v.who);
	return err ? err : keep(p, v);
}

static int larger(int a, int b)
{
	return a > b ? a : b;
}

static int take_row(char **fields, size_t n, void *data)
{
	struct processes *p = data;
	int last;

	if (table_column(fields, n, time_names) >= 0 && table_column(fields, n, cpu_names) >= 0) {
		take_head(fields, n, p);
		return 0;
	}
	last = larger(larger(p->time, p->cpu), larger(p->name, p->pid));
	if (p->time < 0 || p->cpu < 0 || (p->name < 0 && p->pid < 0) || n <= (size_t)last)
		return 0;
	return take_value(fields, p);
}

/* The time of the next value that has another one; NaN: there is none. */
static double next_time(const struct processes *p, size_t i)
{
	double time = p->values[i].time;

	while (i < p->n && p->values[i].time <= time)
		i++;
	return i < p->n ? p->values[i].time : NAN;
}

/* Values become pieces: each from the time before it to its own. */
static int make_pieces(struct processes *p)
{
	double time = p->n ? p->values[0].time : NAN;
	double last = p->n ? time - (next_time(p, 0) - time) : NAN;

	for (size_t i = 0; i < p->n; i++) {
		const struct value *v = &p->values[i];
		int err;

		if (v->time > time) {
			last = time;
			time = v->time;
		}
		err = usage_add(p->r, v->who, last, v->time, v->percent / 100 * (v->time - last));
		if (err)
			return err;
	}
	return 0;
}

static int read_delimited(const struct input *in, char delimiter, size_t columns, struct usage *r)
{
	struct processes p = {.r = r, .time = -1, .pid = -1, .cpu = -1, .name = -1};
	int err = table_read(in->text, in->size, delimiter, columns, take_row, &p);

	if (!err)
		err = make_pieces(&p);
	free(p.values);
	return err;
}

/* How many columns the line has that begins with a '#': the last, commands, may hold blanks. */
static size_t count_columns(const char *text)
{
	const char *p = strchr(text, '#');
	size_t n = 0;

	while (p && *p && *p != '\n') {
		p += 1 + strcspn(p + 1, " \t\n");
		p += strspn(p, " \t");
		n++;
	}
	return n > 1 ? n - 1 : 1;
}

static int read_pidstat(const struct input *in, struct failure *f, struct usage *r)
{
	(void)f;
	r->cpus = input_cpus(in);
	return read_delimited(in, ' ', count_columns(in->text), r);
}

static int read_csv(const struct input *in, struct failure *f, struct usage *r)
{
	char line[1024];

	(void)f;
	input_line(in, line, sizeof(line));
	return read_delimited(in, input_delimiter(line, ",;\t"), 0, r);
}

const struct format format_pidstat = {"pidstat -h", false, is_pidstat, read_pidstat};
const struct format format_processes = {"time,process,%cpu", false, is_csv, read_csv};
