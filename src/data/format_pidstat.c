/* SPDX-License-Identifier: MIT */
/*
 * pidstat: `-h` with its one head for all columns, or tables whose head begins with the time when
 * the interval began. Columns are found by the names in the head that stands above them; with `-t`
 * the rows of threads are parts of their processes' rows. The command is the last column, and may
 * hold blanks.
 */
#include "data/processes.h"
#include "data/sysstat.h"

#include "base/units.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

static const char *const pid_names[] = {"PID", "TGID", NULL};
static const char *const tid_names[] = {"TID", NULL};
static const char *const name_names[] = {"Command", NULL};
static const char *const cpu_names[] = {"%CPU", NULL};
static const char *const rss_names[] = {"RSS", NULL};
static const char *const read_names[] = {"kB_rd/s", NULL};
static const char *const written_names[] = {"kB_wr/s", NULL};

/* What columns hold: by a second, or a level. CPU time is the first. */
static const struct {
	const char *const *names;
	enum data_quantity quantity;
	double scale;
} figures[] = {
	{cpu_names, DATA_CPU, 0.01},
	{rss_names, DATA_MEMORY_USED, KIB},
	{read_names, DATA_DISK_READ, KIB},
	{written_names, DATA_DISK_WRITTEN, KIB},
};

struct pidstat {
	struct reading g;
	struct sysstat_machine machine;
	struct processes *last; /* of the machine of the last row */
	int pid, tid, name;	/* columns behind the time; -1: there is none */
	int at[ARRAY_SIZE(figures)];
	size_t n; /* columns behind the time; 0: in no table of use */
};

/* What is kept of each machine. */
struct state {
	struct processes p;
	struct track track;
};

static int is_pidstat(const struct input *in)
{
	char line[256];

	input_line(in, line, sizeof(line));
	return !strpbrk(line, ",;|") && strstr(in->text, "Command") &&
	       (!strncmp(line, "Linux ", 6) || !strncmp(line, "# Time", 6) ||
		(strstr(line, "UID") && strstr(line, "Command")) || strstr(line, "USER"));
}

/* NULL: no memory. */
static struct state *state_of(struct pidstat *p)
{
	return out_state(p->g.out, p->machine.entity, sizeof(struct state));
}

static int take_banner(char **fields, size_t n, struct pidstat *p)
{
	struct state *state;
	int is = sysstat_take_banner(fields, n, &p->g, &p->machine);

	if (is <= 0)
		return is;
	p->n = 0;
	state = p->machine.wanted ? out_state_of(p->g.out, p->machine.entity) : NULL;
	if (state && !isnan(p->machine.day))
		state->track.shift = 0;
	return 0;
}

/* False: it isn't the head of a table. */
static bool take_head(char **fields, size_t n, struct pidstat *p)
{
	const struct column_row rows[] = {
		{pid_names, &p->pid},
		{tid_names, &p->tid},
		{name_names, &p->name},
	};
	bool any = false;

	/* A process may be called "Command"; its row has no other name of a column. */
	if (strcmp(fields[n - 1], "Command") != 0 || table_column(fields, n, pid_names) < 0)
		return false;
	table_columns(fields, n, rows, ARRAY_SIZE(rows));
	for (size_t i = 0; i < ARRAY_SIZE(figures); i++) {
		p->at[i] = out_takes(p->g.out, figures[i].quantity)
				   ? table_column(fields, n, figures[i].names)
				   : -1;
		any |= p->at[i] >= 0;
	}
	p->n = any && p->pid >= 0 ? n : 0;
	return true;
}

/* The command's fields, put together again; those behind `at` follow each other in memory. */
static const char *rest_of(char **fields, size_t n, size_t at)
{
	for (size_t i = at; i + 1 < n; i++)
		fields[i][strlen(fields[i])] = ' ';
	return fields[at];
}

/* One figure of a row. What sysstat doesn't know it writes as -1. */
static int take_figure(const char *field, size_t i, struct process_value *v, struct pidstat *p,
		       struct processes *values)
{
	struct skips *skips = &p->g.out->file.skips;
	bool is_cpu = figures[i].quantity == DATA_CPU;
	double value;

	if (table_figure(field, true, &value)) {
		skips_count(skips, SKIP_NUMBER, field);
		return is_cpu ? processes_spoil(values, v->at) : 0;
	}
	if (!is_cpu && value < 0) {
		skips_count(skips, SKIP_BLANK, NULL);
		return 0;
	}
	v->quantity = figures[i].quantity & 0xff;
	v->value = value * figures[i].scale;
	return processes_value(values, p->g.out, v, true);
}

static int take_values(char **fields, size_t n, struct process_value *v, struct pidstat *p,
		       struct processes *values)
{
	struct data_entity e = {DATA_KIND_PROCESS, p->machine.entity, "", fields[p->pid]};
	double pid;
	int err;

	if (p->tid >= 0 && !strcmp(fields[p->pid], "-")) {
		skips_count(&p->g.out->file.skips, SKIP_THREADS, NULL);
		return 0;
	}
	if (table_number(fields[p->pid], &pid)) {
		skips_count(&p->g.out->file.skips, SKIP_NUMBER, fields[p->pid]);
		return processes_spoil(values, v->at);
	}
	e.name = rest_of(fields, n, (size_t)p->name);
	err = out_entity(p->g.out, &e, &v->entity);
	if (err <= 0)
		return err;
	err = 0;
	for (size_t i = 0; i < ARRAY_SIZE(figures) && !err; i++)
		if (p->at[i] >= 0)
			err = take_figure(fields[p->at[i]], i, v, p, values);
	return err;
}

static int take_timed(char **fields, size_t n, const char *clock, struct pidstat *p)
{
	bool head = take_head(fields, n, p);
	struct process_value v = {.at = 0};
	struct instant time;
	struct state *state;
	double last;
	int err = 0;

	if (p->n && !p->machine.known)
		err = sysstat_machine(&p->g, "", &p->machine);
	if (!p->n || !p->machine.wanted || err < 0)
		return err < 0 ? err : 0;
	if (!reading_time(&p->g, clock, p->machine.day, &time))
		return 0;
	state = state_of(p);
	if (!state)
		return -ENOMEM;
	p->last = &state->p;
	times_follow(&state->track, &time, &last, &v.at);
	v.run = state->track.run & 0xffffff;
	if (!head && n < p->n) {
		skips_count(&p->g.out->file.skips, SKIP_FIELDS, clock);
		return processes_spoil(&state->p, v.at);
	}
	return head ? processes_time(&state->p, v.at) : take_values(fields, n, &v, p, &state->p);
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
	if (isdigit((unsigned char)fields[0][0]) && p->n && p->machine.wanted && !p->g.learning)
		skips_count(&p->g.out->file.skips, SKIP_TIME, fields[0]);
	return take_banner(fields, n, p);
}

static void begin(void *data)
{
	struct pidstat *p = data;

	p->n = 0;
	p->last = NULL;
	sysstat_no_machine(&p->machine);
}

static int pass(const struct input *in, void *data)
{
	return table_read(in->text, in->size, ' ', 4096, take_row, data);
}

static void state_done(void *data)
{
	struct state *state = data;

	processes_done(&state->p);
}

static int emit_all(struct out *out)
{
	int err = 0;

	for (size_t i = 0; i < out->n && !err; i++) {
		struct state *state = out_state_of(out, (uint32_t)i);

		err = state ? processes_to_samples(&state->p, out) : 0;
	}
	return err;
}

static int read_pidstat(const struct input *in, struct out *out)
{
	struct pidstat p = {.n = 0};
	int err;

	reading_init(&p.g, in, out);
	err = reading_run(&p.g, DATES_UNKNOWN, begin, pass, state_done, &p);
	if (!err && p.last)
		err = processes_cut(p.last, in, out);
	if (!err)
		err = emit_all(out);
	out_forget(out, state_done);
	return err;
}

const struct format format_pidstat = {
	.name = "pidstat",
	.what = "pidstat",
	.guest = true,
	.is = is_pidstat,
	.read = read_pidstat,
};
