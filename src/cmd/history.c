/* SPDX-License-Identifier: MIT */
/*
 * desched history: what vmdesched remembers of the last ten minutes, a line for each sample; of a VM
 * of this host, what deschedd does.
 */
#include "base/json_out.h"
#include "base/units.h"
#include "cmd/commands.h"
#include "cmd/remembered.h"
#include "host/find.h"
#include "wire/client.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

static struct {
	struct remembered_options common;
	uint64_t count;
} options;

static const struct option_row rows[] = {
	{'n', "count", "N", OPTION_UINT, &options.count, 1, 0, "the last N samples (all)"},
	REMEMBERED_ROWS(options.common),
};

static int run(char **operands, int n, struct failure *f);

const struct command command_history = {
	.name = "history",
	.operands = "[VM]",
	.summary = "The last ten minutes, second by second: of this guest, or of a host's VM.",
	.examples = "  desched history -n 60\n"
		    "  desched history web1\n"
		    "  desched history --json\n",
	.rows = rows,
	.n_rows = ARRAY_SIZE(rows),
	.most = 1,
	.operand_name = host_find_name,
	.run = run,
};

/* Sample `at` of one figure, in seconds. */
static double value(const json_t *o, const char *key, size_t at)
{
	return json_number_value(json_array_get(json_object_get(o, key), at));
}

static double percent(const json_t *o, const char *key, size_t at, double seconds)
{
	return seconds > 0 ? 100 * value(o, key, at) / seconds : 0;
}

static void print_sample(const json_t *o, size_t at)
{
	double seconds = value(o, "seconds", at), busy = percent(o, "busy_s", at, seconds);
	double away = percent(o, "vmdesched_s", at, seconds);
	double unknown = percent(o, "unaccounted_s", at, seconds);
	char text[REMEMBERED_TIME];

	remembered_time(value(o, "time_s", at), text);
	printf("%s %8.1f %8.1f %8.1f %11.1f %12.1f %10.1f\n", text, seconds, busy,
	       busy - away - unknown, away, unknown, percent(o, "idle_vmdesched_s", at, seconds));
}

static size_t first_sample(const json_t *o)
{
	size_t n = json_array_size(json_object_get(o, "time_s"));

	return options.count && options.count < n ? n - options.count : 0;
}

static void print(const json_t *o)
{
	size_t n = json_array_size(json_object_get(o, "time_s"));

	printf("%-19s %8s %8s %8s %11s %12s %10s\n", "UNTIL", "SECONDS", "%BUSY", "%TRUE",
	       "%VMDESCHED", "%UNACCOUNTED", "%IDLEAWAY");
	for (size_t i = first_sample(o); i < n; i++)
		print_sample(o, i);
}

/* ---- of a VM ---- */

/* In the order of esxtop's columns, with its names. */
static const struct {
	const char *title, *key;
} states[] = {
	{"%RUN", "run_s"},	 {"%RDY", "ready_s"},	   {"%CSTP", "costop_s"},
	{"%MLMTD", "limited_s"}, {"%SWPWT", "swapwait_s"}, {"%IDLE", "halt_s"},
	{"%WAIT", "wait_s"},
};

static void print_vm_sample(const json_t *o, size_t at)
{
	double seconds = value(o, "seconds", at);
	char text[REMEMBERED_TIME];

	remembered_time(value(o, "time_s", at), text);
	printf("%s %7.1f", text, seconds);
	for (size_t i = 0; i < ARRAY_SIZE(states); i++)
		printf(" %6.1f", percent(o, states[i].key, at, seconds));
	printf(" %9.1f\n", 1e3 * value(o, "longest_s", at));
}

static void print_vm(const json_t *o)
{
	size_t n = json_array_size(json_object_get(o, "time_s"));

	printf("%-19s %7s", "UNTIL", "SECONDS");
	for (size_t i = 0; i < ARRAY_SIZE(states); i++)
		printf(" %6s", states[i].title);
	printf(" %9s\n", "MAXRDY ms");
	for (size_t i = first_sample(o); i < n; i++)
		print_vm_sample(o, i);
}

static int show_vm(const char *vm, struct failure *f)
{
	json_t *o = json_pack("{s:s, s:s}", "get", "history", "vm", vm);
	char *request = o ? json_out_text(o, JSON_COMPACT) : NULL;
	int err;

	json_decref(o);
	if (!request)
		return failure_set(f, -EINVAL, "no VM is called so: its name is no UTF-8");
	err = remembered_show("history", request, true, &options.common, print_vm, f);
	free(request);
	return err;
}

static int run(char **operands, int n, struct failure *f)
{
	if (n)
		return show_vm(operands[0], f);
	return remembered_show("history", CLIENT_GET("history"),
			       !options.common.socket && remembered_on_host(), &options.common,
			       print, f);
}
