/* SPDX-License-Identifier: MIT */
/*
 * Any CSV with columns of time, process and %CPU of one CPU, in any order and among others. A row
 * called "total" or "_Total" that has no process's number is the whole machine.
 */
#include "data/processes.h"
#include "data/reading.h"

#include "base/units.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

struct csv {
	struct reading g;
	struct processes p;
	uint32_t machine;		     /* the entity: there is only one */
	int date, time, pid, tid, cpu, name; /* columns; -1: there is none */
	size_t n;			     /* columns; 0: no head yet */
	char delimiter;
	struct track track;
};

static const char *const date_names[] = {"date", "datum", "fecha", "data", "日付", NULL};
static const char *const time_names[] = {"timestamp",	  "datetime",	  "time",	"time_utc",
					 "timestamp_utc", "datetime_utc", "@timestamp", "epoch",
					 "zeit",	  "uhrzeit",	  "hora",	"heure",
					 "ora",		  "時刻",	  "日時",	NULL};
static const char *const cpu_names[] = {"%cpu", "cpu_usage", "cpuusage", "usage",
					"pcpu", "cpuutil",   "cpu",	 NULL};
static const char *const name_names[] = {
	"command", "process", "comm",	   "name",     "processname", "image",	  "cmd",
	"prozess", "proceso", "processus", "processo", "programm",    "プロセス", NULL};
static const char *const pid_names[] = {"pid", "tgid", "process_id", NULL};
static const char *const tid_names[] = {"tid", "lwp", "thread", NULL};

static void find_columns(char **fields, size_t n, struct csv *c)
{
	const struct column_row rows[] = {
		{date_names, &c->date}, {time_names, &c->time}, {cpu_names, &c->cpu},
		{name_names, &c->name}, {pid_names, &c->pid},	{tid_names, &c->tid},
	};

	table_columns(fields, n, rows, ARRAY_SIZE(rows));
	if (c->time < 0) {
		c->time = c->date;
		c->date = -1;
	}
}

/* How many of time, process and share have a column. */
static int known(const struct csv *c)
{
	return (c->time >= 0) + (c->cpu >= 0) + (c->name >= 0 || c->pid >= 0);
}

static int sniff(char **fields, size_t n, void *data)
{
	struct csv *c = data;

	find_columns(fields, n, c);
	c->n = n;
	return 1; /* only the first row */
}

static int is_csv(const struct input *in)
{
	struct csv c = {.n = 0};
	char line[4096];
	int err;

	input_line(in, line, sizeof(line));
	if (!strpbrk(line, ",;\t|"))
		return 0;
	err = table_read(line, strlen(line), table_delimiter(line, ",;\t|"), 0, sniff, &c);
	return err == -ENOMEM ? err : c.n > 1 && known(&c) >= 2;
}

/* ---- rows ---- */

static int take_head(char **fields, size_t n, struct csv *c)
{
	char names[200];

	find_columns(fields, n, c);
	c->n = n;
	if (c->time >= 0)
		times_column_zone(&c->g.times, fields[c->time]);
	if (known(c) == 3)
		return 0;
	table_names(fields, n, names, sizeof(names));
	return failure_set(c->g.out->f, -EBADMSG, "%s: no column for the %s (%s) among: %s",
			   c->g.in->path,
			   c->time < 0	? "time"
			   : c->cpu < 0 ? "share"
					: "process",
			   c->time < 0	? "time, timestamp, date"
			   : c->cpu < 0 ? "%cpu, cpu"
					: "process, command, name, pid",
			   names);
}

/* The head again, as where files were put together. Rows have a number for the share, names aren't
 * numbers, and comparing names is slow. */
static bool is_head(char **fields, size_t n, const struct csv *c)
{
	double unused;

	if ((size_t)c->cpu < n && !table_figure(fields[c->cpu], true, &unused))
		return false;
	return table_column(fields, n, time_names) >= 0 && table_column(fields, n, cpu_names) >= 0;
}

/* A number of a process: not blank, 0 or -1, as rows of sums and of idle time have. */
static bool has_pid(char **fields, const struct csv *c)
{
	double pid;

	return c->pid >= 0 && !table_number(fields[c->pid], &pid) && pid > 0;
}

static bool is_one_of(const char *name, const char *a, const char *b)
{
	return !strcasecmp(name, a) || !strcasecmp(name, b);
}

/* Whose the row is: 1, 0 where it isn't wanted or, with a reason in *ret_why, is nobody's. */
static int entity_of(char **fields, struct csv *c, enum skip *ret_why, uint32_t *ret)
{
	const char *name = c->name >= 0 ? fields[c->name] : fields[c->pid];
	struct data_entity e = {DATA_KIND_PROCESS, c->machine, name, ""};
	bool pid = has_pid(fields, c);

	*ret_why = SKIP_N;
	if (c->tid >= 0 && c->pid >= 0 && !pid && !table_blank(fields[c->tid])) {
		*ret_why = SKIP_THREADS;
		return 0;
	}
	if (!pid && is_one_of(name, "total", "_Total")) {
		*ret = c->machine;
		return 1;
	}
	if (c->pid >= 0 && c->name >= 0)
		e.id = fields[c->pid];
	return out_entity(c->g.out, &e, ret);
}

/* What Windows calls idle time isn't a process's. */
static bool is_idle(char **fields, const struct csv *c)
{
	double pid;

	return c->name >= 0 && is_one_of(fields[c->name], "Idle", "System Idle Process") &&
	       c->pid >= 0 && !table_number(fields[c->pid], &pid) && pid == 0;
}

static int take_value(char **fields, double at, struct csv *c)
{
	struct out *out = c->g.out;
	struct process_value v = {.at = at, .run = c->track.run & 0xffffff, .quantity = DATA_CPU};
	double percent;
	enum skip why;
	int wanted;

	if (is_idle(fields, c))
		return 0;
	if (table_figure(fields[c->cpu], true, &percent)) {
		skips_count(&out->file.skips,
			    table_blank(fields[c->cpu]) ? SKIP_BLANK : SKIP_NUMBER, fields[c->cpu]);
		return processes_spoil(&c->p, at);
	}
	wanted = entity_of(fields, c, &why, &v.entity);
	if (why != SKIP_N)
		skips_count(&out->file.skips, why, NULL);
	if (wanted <= 0)
		return wanted;
	v.value = percent / 100;
	return processes_value(&c->p, out, &v,
			       v.entity == c->machine || (c->pid >= 0 && c->tid < 0));
}

/* The row's time, if it has any, on the clock of those before it. */
static bool find_time(char **fields, struct csv *c, double *ret)
{
	struct instant time;
	char text[128];
	double last;

	snprintf(text, sizeof(text), "%s%s%s", c->date >= 0 ? fields[c->date] : "",
		 c->date >= 0 ? " " : "", fields[c->time]);
	if (!reading_time(&c->g, text, NAN, &time))
		return false;
	times_follow(&c->track, &time, &last, ret);
	return true;
}

static int take_row(char **fields, size_t n, void *data)
{
	struct csv *c = data;
	bool timed = n > (size_t)(c->time > c->date ? c->time : c->date);
	double at;

	if (!c->n || is_head(fields, n, c))
		return take_head(fields, n, c);
	timed = timed && find_time(fields, c, &at);
	/* More fields than names: a comma within a number, or within a name without quotes. */
	if (n < c->n || n > c->n + !fields[n - 1][0]) {
		if (!c->g.learning)
			skips_count(&c->g.out->file.skips, SKIP_FIELDS, fields[0]);
		return timed ? processes_spoil(&c->p, at) : 0;
	}
	return timed ? take_value(fields, at, c) : 0;
}

static void begin(void *data)
{
	struct csv *c = data;

	c->n = 0;
	c->track = (struct track){.any = false};
}

static int pass(const struct input *in, void *data)
{
	const struct csv *c = data;

	return table_read(in->text, in->size, c->delimiter, 0, take_row, data);
}

static int read_csv(const struct input *in, struct out *out)
{
	const struct data_entity machine = {DATA_KIND_MACHINE, DATA_NONE, "", ""};
	struct csv c = {.n = 0};
	char line[4096];
	int err = out_entity(out, &machine, &c.machine);

	if (err <= 0 || !out_takes(out, DATA_CPU))
		return err < 0 ? err : 0;
	input_line(in, line, sizeof(line));
	c.delimiter = table_delimiter(line, ",;\t|");
	reading_init(&c.g, in, out);
	err = reading_run(&c.g, DATES_UNKNOWN, begin, pass, NULL, &c);
	if (!err)
		err = processes_cut(&c.p, in, out);
	if (!err)
		err = processes_to_samples(&c.p, out);
	processes_done(&c.p);
	return err;
}

const struct format format_processes = {
	.name = "time,process,%cpu",
	.what = "CSV with columns time,process,%cpu",
	.guest = true,
	.is = is_csv,
	.read = read_csv,
};
