/* SPDX-License-Identifier: MIT */
/*
 * pidstat: `-h` with its one head for all columns, or tables whose head begins with the time when
 * the interval began. Columns are found by the names in the head that stands above them; with `-t`
 * the rows of threads are parts of their processes' rows. The command is the last column, and may
 * hold blanks.
 */
#include "correct/processes.h"
#include "correct/reading.h"

#include "base/units.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

struct pidstat {
	struct reading g;
	struct processes p;
	int pid, tid, cpu, name; /* columns behind the time; -1: there is none */
	size_t n;		 /* columns behind the time; 0: in no table of CPU time */
	bool mine;		 /* the machine that is asked for */
	struct track track;
};

static const char *const pid_names[] = {"PID", "TGID", NULL};
static const char *const tid_names[] = {"TID", NULL};
static const char *const cpu_names[] = {"%CPU", NULL};
static const char *const name_names[] = {"Command", NULL};

static int is_pidstat(const struct input *in)
{
	char line[256];

	input_line(in, line, sizeof(line));
	return !strpbrk(line, ",;|") && strstr(in->text, "Command") &&
	       (!strncmp(line, "Linux ", 6) || !strncmp(line, "# Time", 6) ||
		(strstr(line, "UID") && strstr(line, "Command")) || strstr(line, "USER"));
}

static int take_banner(char **fields, size_t n, struct pidstat *p)
{
	char host[256];
	unsigned cpus = 0;
	int mine;

	if (!sysstat_banner(fields, n, host, sizeof(host), &cpus))
		return 0;
	p->n = 0;
	mine = choice_take(&p->g.choice, "", host);
	p->mine = mine > 0;
	if (p->mine && cpus)
		p->g.r->cpus = cpus;
	return mine < 0 ? mine : 0;
}

/* False: it isn't the head of a table. */
static bool take_head(char **fields, size_t n, struct pidstat *p)
{
	const struct column_row rows[] = {
		{pid_names, &p->pid},
		{tid_names, &p->tid},
		{cpu_names, &p->cpu},
		{name_names, &p->name},
	};

	/* A process may be called "Command"; its row has no other name of a column. */
	if (strcmp(fields[n - 1], "Command") != 0 || table_column(fields, n, pid_names) < 0)
		return false;
	table_columns(fields, n, rows, ARRAY_SIZE(rows));
	p->n = p->cpu >= 0 && p->pid >= 0 ? n : 0;
	return true;
}

/* The command's fields, put together again; those behind `at` follow each other in memory. */
static const char *rest_of(char **fields, size_t n, size_t at)
{
	for (size_t i = at; i + 1 < n; i++)
		fields[i][strlen(fields[i])] = ' ';
	return fields[at];
}

static int take_value(char **fields, size_t n, double at, struct pidstat *p)
{
	struct usage *r = p->g.r;
	char text[512];
	double percent, pid;
	uint32_t who;
	int err;

	if (p->tid >= 0 && !strcmp(fields[p->pid], "-")) {
		skips_count(&r->skips, SKIP_THREADS, NULL);
		return 0;
	}
	if (table_number(fields[p->pid], &pid) || table_figure(fields[p->cpu], true, &percent)) {
		skips_count(&r->skips, SKIP_NUMBER, fields[p->cpu]);
		return processes_spoil(&p->p, at);
	}
	snprintf(text, sizeof(text), "%.440s (%.24s)", rest_of(fields, n, (size_t)p->name),
		 fields[p->pid]);
	err = usage_who(r, text, &who);
	return err ? err : processes_value(&p->p, r, who, at, percent, true);
}

static int take_timed(char **fields, size_t n, const char *clock, struct pidstat *p)
{
	struct instant time;
	bool head = take_head(fields, n, p);
	double last, at;

	if (!p->n || !p->mine)
		return 0;
	if (!reading_time(&p->g, clock, &time))
		return 0;
	usage_follow(p->g.r, &p->track, &time, &last, &at);
	if (!head && n < p->n) {
		skips_count(&p->g.r->skips, SKIP_FIELDS, clock);
		return processes_spoil(&p->p, at);
	}
	return head ? processes_time(&p->p, at) : take_value(fields, n, at, p);
}

static int take_row(char **fields, size_t n, void *data)
{
	struct pidstat *p = data;
	char clock[96];
	size_t used = sysstat_clock(fields, n, clock, sizeof(clock));

	if (used && used < n)
		return take_timed(fields + used, n - used, clock, p);
	if (!strcmp(fields[0], "Time") && n > 1 && take_head(fields + 1, n - 1, p))
		return 0;
	if (isdigit((unsigned char)fields[0][0]) && p->n && p->mine && !p->g.learning)
		skips_count(&p->g.r->skips, SKIP_TIME, fields[0]);
	return take_banner(fields, n, p);
}

static void begin(void *data)
{
	struct pidstat *p = data;

	p->n = 0;
	p->mine = true;
	p->track = (struct track){.any = false};
}

static int pass(const struct input *in, void *data)
{
	return table_read(in->text, in->size, ' ', 4096, take_row, data);
}

static int read_pidstat(const struct input *in, struct failure *f, struct usage *r)
{
	struct pidstat p = {.n = 0};
	int err;

	reading_init(&p.g, in, f, r);
	err = reading_run(&p.g, DATES_UNKNOWN, begin, pass, &p);
	if (!err)
		err = processes_to_pieces(&p.p, in, r);
	processes_done(&p.p);
	reading_done(&p.g);
	return err;
}

const struct format format_pidstat = {"pidstat", false, is_pidstat, read_pidstat};
