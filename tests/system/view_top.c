/* SPDX-License-Identifier: MIT */
/*
 * Unmodified top in a view (desched-view(1)) beside desched top, in a guest that has half of a CPU:
 * each process has the same seconds in both. The figures are the agent's either way; that they are
 * right is the lab's affair.
 *
 * Two programs that look at their own times see two windows, on a busy machine half a second apart.
 * Here desched top is told afterwards what the view was told for top's two tables (tee_agent.c).
 *
 *     with-guest.sh BUILD tcg view_top SECONDS
 */
#include "guests.h"

#include "base/units.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define AGREE	   0.01
#define TICKS_S	   0.02 /* user and system time are cut to a tick each in both tables, TIME+ too */
#define JUDGED_S   0.3	/* of true time: less is of ticks */
#define JUDGED_MIN 2
#define ROWS_MAX   256

static const char *const kinds[] = {"spin", "duty", "bursty", "syscall", "sleeper"};

struct row {
	int pid;
	char name[32];
	double reported, truth; /* s, by desched top */
	double time[2];		/* s, TIME+ in top's two tables */
	double percent;		/* in the second */
};

struct table {
	struct row rows[ROWS_MAX];
	int n;
	double seconds;
};

static struct row *row_of(struct table *t, int pid)
{
	for (int i = 0; i < t->n; i++)
		if (t->rows[i].pid == pid)
			return &t->rows[i];
	if (t->n == ROWS_MAX)
		guests_die("more than %d processes", ROWS_MAX);
	t->rows[t->n] = (struct row){.pid = pid, .time = {NAN, NAN}, .percent = NAN};
	return &t->rows[t->n++];
}

static double number(const json_t *o, const char *key)
{
	return json_number_value(json_object_get(o, key));
}

/* A line of desched top's: fractions of a CPU over some seconds. */
static void add_line(struct table *t, const json_t *line)
{
	double seconds = number(line, "seconds");
	const json_t *p;
	size_t i;

	t->seconds += seconds;
	json_array_foreach(json_object_get(line, "processes"), i, p)
	{
		struct row *r = row_of(t, (int)number(p, "pid"));

		snprintf(r->name, sizeof(r->name), "%s",
			 json_string_value(json_object_get(p, "name")));
		r->reported += seconds * number(p, "reported");
		r->truth += seconds * number(p, "true");
	}
}

static void parse_ours(const char *text, struct table *t)
{
	json_t *line = json_loads(text, JSON_DISABLE_EOF_CHECK, NULL);

	if (!line)
		guests_die("desched top said: %s", text);
	add_line(t, line);
	json_decref(line);
}

static void parse_top(const char *text, struct table *t)
{
	int table = -1;

	for (const char *at = text; *at; at += strcspn(at, "\n"), at += *at == '\n') {
		int pid, minutes;
		double percent, seconds;

		table += !strncmp(at, "top - ", 6);
		if (sscanf(at, "%d %*s %*s %*s %*s %*s %*s %*s %lf %*s %d:%lf", &pid, &percent,
			   &minutes, &seconds) != 4)
			continue;
		if (table < 0 || table > 1)
			break;
		row_of(t, pid)->time[table] = 60 * minutes + seconds;
		row_of(t, pid)->percent = percent;
	}
	if (table != 1)
		guests_die("top said: %s", text);
}

static bool agrees(const struct row *r)
{
	return fabs(r->time[1] - r->time[0] - r->truth) <= AGREE * r->truth + TICKS_S;
}

static bool judge(const struct table *t)
{
	int judged = 0, wrong = 0;

	printf("%.1f s   %-16s %10s %10s %12s %9s\n", t->seconds, "process", "reported", "true",
	       "top in view", "differ");
	for (int i = 0; i < t->n; i++) {
		const struct row *r = &t->rows[i];
		double top = r->time[1] - r->time[0];

		if (r->truth < JUDGED_S / 20)
			continue;
		printf("%6d   %-16s %8.2f s %8.2f s %10.2f s %+7.2f %%  %%CPU %.1f, %.1f%s\n",
		       r->pid, r->name, r->reported, r->truth, top, 100 * (top / r->truth - 1),
		       100 * r->truth / t->seconds, r->percent,
		       r->truth >= JUDGED_S ? "" : " (not judged)");
		judged += r->truth >= JUDGED_S;
		wrong += r->truth >= JUDGED_S && !agrees(r);
	}
	return judged >= JUDGED_MIN && !wrong;
}

static void let_run(struct guests *g, double seconds)
{
	guests_run(g, 0, "insmod /bin/fuse.ko");
	guests_run(g, 0,
		   "tee_agent /run/vmdesched.sock /tmp/first /tmp/second </dev/null "
		   ">/tmp/tee.log 2>&1 &");
	guests_order(g, 1, "start");
	guests_order(g, 0, "start");
	guests_run(
		g, 0,
		"(TERM=dumb desched view --socket /tmp/first -- top -b -d %.1f -n 2 -w 100 2>&1 |"
		" (read line; kill -USR1 $(pidof tee_agent); echo \"$line\"; cat;"
		" desched top --json -d 0.1 -n 1 --socket /tmp/second >/tmp/ours 2>&1;"
		" touch /tmp/done)) </dev/null >/tmp/top 2>&1 &",
		seconds);
	guests_sleep(g, seconds + 2);
	for (int i = 0; i < 240 && strcmp(guests_run(g, 0, "ls /tmp/done"), "/tmp/done\n"); i++)
		guests_sleep(g, 0.5);
	guests_order(g, 0, "stop");
	guests_order(g, 1, "stop");
}

int main(int argc, char **argv)
{
	static const char *const load[] = {"spin"};
	double seconds = argc > 1 ? atof(argv[1]) : 10;
	struct table t = {.n = 0};
	struct guests g;
	bool good;

	guests_begin(&g, 2);
	guests_prepare(&g, 1, load, NULL, 1);
	guests_prepare(&g, 0, kinds, NULL, ARRAY_SIZE(kinds));
	let_run(&g, seconds);
	parse_ours(guests_run(&g, 0, "cat /tmp/ours"), &t);
	parse_top(guests_run(&g, 0, "cat /tmp/top"), &t);
	good = judge(&t);
	guests_end(&g);
	return good ? 0 : 1;
}
