/* SPDX-License-Identifier: MIT */
/* desched history: what vmdesched remembers of the last ten minutes, a line for each sample. */
#include "base/units.h"
#include "cmd/commands.h"
#include "cmd/remembered.h"
#include "wire/wire.h"

#include <errno.h>
#include <stdio.h>

static struct {
	struct remembered_options common;
	uint64_t count;
} options = {.common = REMEMBERED_DEFAULTS};

static const struct option_row rows[] = {
	{'n', "count", "N", OPTION_UINT, &options.count, 1, 0, "the last N samples (all)"},
	REMEMBERED_ROWS(options.common),
};

static int run(char **operands, int n, struct failure *f);

const struct command command_history = {
	.name = "history",
	.operands = "",
	.summary = "What vmdesched remembers of the last ten minutes, second by second.",
	.examples = "  desched history -n 60\n"
		    "  desched history --json\n",
	.rows = rows,
	.n_rows = ARRAY_SIZE(rows),
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

static void print(const json_t *o)
{
	size_t n = json_array_size(json_object_get(o, "time_s"));
	size_t first = options.count && options.count < n ? n - options.count : 0;

	printf("%-19s %8s %8s %8s %11s %12s %10s\n", "UNTIL", "SECONDS", "%BUSY", "%TRUE",
	       "%VMDESCHED", "%UNACCOUNTED", "%IDLEAWAY");
	for (size_t i = first; i < n; i++)
		print_sample(o, i);
}

static int run(char **operands, int n, struct failure *f)
{
	(void)operands;
	(void)n;
	return remembered_show("history", &options.common, print, f);
}
