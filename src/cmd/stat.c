/* SPDX-License-Identifier: MIT */
/*
 * desched stat: single figures of this virtual machine, for people and shell scripts, as vmdesched
 * tells them. A figure is a row of `figures[]`; one that is not known here is "-", or null in JSON.
 */
#include "base/json_out.h"
#include "base/units.h"
#include "cmd/commands.h"
#include "wire/wire.h"

#include <desched/desched.h>
#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

static const struct figure {
	const char *name;
	enum desched_figure which;
	const char *unit;
	double scale; /* what one unit is; 0: a whole number without unit */
	int decimals;
	const char *meaning;
} figures[] = {
	{"elapsed", DESCHED_ELAPSED_NS, "s", 1e9, 3, "since vmdesched was started"},
	{"cpu", DESCHED_CPU_USED_NS, "s", 1e9, 3, "CPUs busy and running"},
	{"steal", DESCHED_CPU_STOLEN_NS, "s", 1e9, 3, "CPUs descheduled"},
	{"wait", DESCHED_CPU_WAIT_NS, "s", 1e9, 3, "CPUs blocked on host work"},
	{"idle", DESCHED_CPU_IDLE_NS, "s", 1e9, 3, "CPUs idle"},
	{"overhead", DESCHED_CPU_OVERHEAD_NS, "s", 1e9, 3, "the host's work for this machine"},
	{"cpus", DESCHED_CPUS, "", 0, 0, "CPUs of this machine"},
	{"speed", DESCHED_CPU_SPEED_HZ, "MHz", 1e6, 0, "nominal speed of a CPU"},
	{"cpushares", DESCHED_CPU_SHARES, "", 0, 0, "shares of the host's CPUs"},
	{"cpures", DESCHED_CPU_RESERVATION_PPM, "CPUs", 1e6, 6, "CPU time that is guaranteed"},
	{"cpulimit", DESCHED_CPU_LIMIT_PPM, "CPUs", 1e6, 6, "CPU time that is never exceeded"},
	{"memory", DESCHED_MEM_SIZE, "bytes", 0, 0, "memory as configured"},
	{"memused", DESCHED_MEM_USED, "bytes", 0, 0, "host memory behind it"},
	{"memres", DESCHED_MEM_RESERVATION, "bytes", 0, 0, "host memory that is guaranteed"},
	{"balloon", DESCHED_MEM_BALLOONED, "bytes", 0, 0, "taken back by the balloon"},
	{"memshared", DESCHED_MEM_SHARED, "bytes", 0, 0, "shared with equal pages"},
	{"swap", DESCHED_MEM_SWAPPED, "bytes", 0, 0, "swapped out by the host"},
	{"unaccounted", DESCHED_CPU_UNACCOUNTED_NS, "ms", 1e6, 0, "time that nobody can explain"},
	{"sessionid", DESCHED_SESSION, "", 0, 0, "another number: figures have begun anew"},
};

static const char *figure_name(size_t i)
{
	return i < ARRAY_SIZE(figures) ? figures[i].name : NULL;
}

static struct {
	bool json, list;
	const char *socket;
} options;

static const struct option_row rows[] = {
	{0, "json", NULL, OPTION_FLAG, &options.json, 0, 0,
	 "print one JSON object (schema desched-stat/1)"},
	{'l', "list", NULL, OPTION_FLAG, &options.list, 0, 0, "print the names of all figures"},
	{0, "socket", "PATH", OPTION_STRING, &options.socket, 0, 0,
	 "where vmdesched answers (" DESCHED_SOCKET ")"},
};

static int run(char **names, int n, struct failure *f);

const struct command command_stat = {
	.name = "stat",
	.operands = "[FIGURE...]",
	.summary = "Single figures of this virtual machine, as vmdesched knows them.",
	.examples = "  desched stat\n"
		    "  desched stat steal elapsed\n"
		    "  desched stat --json | jq .steal\n",
	.rows = rows,
	.n_rows = ARRAY_SIZE(rows),
	.operand_name = figure_name,
	.run = run,
};

static const struct figure *find(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(figures); i++)
		if (!strcmp(name, figures[i].name))
			return &figures[i];
	return NULL;
}

static void print_source(const struct desched_summary *s)
{
	printf("%-10s %20s %-5s  %s\n", "source", s->source, "",
	       s->estimated ? "estimates descheduled time" : "measures descheduled time");
	if (s->estimated)
		printf("%-10s %9.3f to %7.3f %-5s  %s\n", "", (double)s->low / 1e9,
		       (double)s->high / 1e9, "s", "90 % interval of steal");
}

/* Scripts that take one number see on standard error what it is. */
static void warn_of_estimate(const struct desched_snapshot *s, char **names, int n)
{
	const struct desched_summary *summary = desched_summary(s);

	for (int i = 0; i < n && summary->estimated; i++) {
		enum desched_figure which = find(names[i])->which;

		if (which != DESCHED_CPU_USED_NS && which != DESCHED_CPU_STOLEN_NS)
			continue;
		fprintf(stderr,
			"desched stat: source %s estimates; steal is %.3f to %.3f s with 90 %% "
			"probability\n",
			summary->source, (double)summary->low / 1e9, (double)summary->high / 1e9);
		return;
	}
}

/* "-" and false for what is not known. */
static bool value(const struct desched_snapshot *s, const struct figure *f, char *ret, size_t size)
{
	uint64_t v;

	if (desched_figure(s, f->which, &v)) {
		snprintf(ret, size, "-");
		return false;
	}
	if (f->scale > 0)
		snprintf(ret, size, "%.*f", f->decimals, (double)v / f->scale);
	else
		snprintf(ret, size, "%" PRIu64, v);
	return true;
}

static void print_all(const struct desched_snapshot *s)
{
	char text[32];

	print_source(desched_summary(s));
	for (size_t i = 0; i < ARRAY_SIZE(figures); i++) {
		value(s, &figures[i], text, sizeof(text));
		printf("%-10s %20s %-5s  %s\n", figures[i].name, text, figures[i].unit,
		       figures[i].meaning);
	}
}

/* One line a figure, in the order asked for. */
static int print_some(const struct desched_snapshot *s, char **names, int n)
{
	char text[32];
	int status = 0;

	warn_of_estimate(s, names, n);
	for (int i = 0; i < n; i++) {
		if (!value(s, find(names[i]), text, sizeof(text))) {
			fprintf(stderr, "desched stat: %s is not known here: no host tells it\n",
				names[i]);
			status = 1;
		}
		puts(text);
	}
	return status;
}

static void put_json(json_t *o, const struct desched_snapshot *s, const struct figure *f)
{
	uint64_t v;

	if (desched_figure(s, f->which, &v))
		json_object_set_new(o, f->name, json_null());
	else if (f->which == DESCHED_SESSION)
		json_object_set_new(o, f->name, wire_id_json(v));
	else if (f->scale > 0)
		json_object_set_new(o, f->name, json_real((double)v / f->scale));
	else
		json_object_set_new(o, f->name, json_integer((json_int_t)v));
}

static int print_json(const struct desched_snapshot *s, char **names, int n, struct failure *f)
{
	const struct desched_summary *summary = desched_summary(s);
	json_t *o = json_pack("{s:s, s:s, s:b, s:b}", "schema", "desched-stat/1", "source",
			      summary->source, "estimated", summary->estimated, "complete",
			      summary->complete && !summary->stale);

	if (summary->estimated) {
		json_object_set_new(o, "steal_low", json_real((double)summary->low / 1e9));
		json_object_set_new(o, "steal_high", json_real((double)summary->high / 1e9));
	}
	for (int i = 0; i < n; i++)
		put_json(o, s, find(names[i]));
	for (size_t i = 0; !n && i < ARRAY_SIZE(figures); i++)
		put_json(o, s, &figures[i]);
	return json_out_print(o, JSON_COMPACT | JSON_REAL_PRECISION(12), stdout, "standard output",
			      f);
}

static void explain(int err, struct failure *f)
{
	const char *socket = options.socket ? options.socket : desched_socket();

	switch (err) {
	case -ENOENT:
	case -ECONNREFUSED:
		failure_set(f, err, "no vmdesched answers on %s; is it running?", socket);
		break;
	case -EPROTO:
		failure_set(f, err, "what answers on %s is no vmdesched of this version", socket);
		break;
	case -EREMOTEIO:
		failure_set(f, err, "vmdesched says that it has no snapshot");
		break;
	case -EACCES:
		failure_set(f, err,
			    "%s is not for this user: `group` in vmdesched.conf says who may ask",
			    socket);
		break;
	default:
		failure_errno(f, err, "asking vmdesched on %s", socket);
	}
}

static int read_snapshot(struct failure *f, struct desched_snapshot **ret)
{
	struct desched *connection = NULL;
	int err = desched_connect(options.socket, &connection);

	if (!err)
		err = desched_read(connection, ret);
	desched_close(connection);
	if (err)
		explain(err, f);
	return err;
}

static int show(char **names, int n, struct failure *f)
{
	struct desched_snapshot *s;
	int status = 0, err = read_snapshot(f, &s);

	if (err)
		return err;
	if (options.json)
		status = print_json(s, names, n, f);
	else if (n)
		status = print_some(s, names, n);
	else
		print_all(s);
	desched_snapshot_free(s);
	return status;
}

static int run(char **names, int n, struct failure *f)
{
	for (int i = 0; i < n; i++)
		if (!find(names[i]))
			return command_usage(f, "no figure '%s'; --list shows their names",
					     names[i]);
	for (size_t i = 0; options.list && i < ARRAY_SIZE(figures); i++)
		puts(figures[i].name);
	return options.list ? 0 : show(names, n, f);
}
