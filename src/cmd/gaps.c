/* SPDX-License-Identifier: MIT */
/* desched gaps: the last long gaps that vmdesched, or on a host deschedd, remembers. */
#include "base/text.h"
#include "base/units.h"
#include "cmd/commands.h"
#include "cmd/remembered.h"
#include "wire/client.h"

#include <stdio.h>
#include <string.h>

static struct {
	struct remembered_options common;
	bool host;
} options;

static const struct option_row rows[] = {
	{0, "host", NULL, OPTION_FLAG, &options.host, 0, 0,
	 "the long waits of this host's VMs, from deschedd (where there is no vmdesched)"},
	REMEMBERED_ROWS(options.common),
};

static int run(char **operands, int n, struct failure *f);

const struct command command_gaps = {
	.name = "gaps",
	.operands = "",
	.summary = "The last long times in which a virtual CPU was away, and who had it.",
	.examples = "  desched gaps\n"
		    "  desched gaps --host\n"
		    "  desched gaps --json\n",
	.rows = rows,
	.n_rows = ARRAY_SIZE(rows),
	.run = run,
};

static const char *text_of(const json_t *o, const char *key)
{
	const char *text = json_string_value(json_object_get(o, key));

	return text ? text : "?";
}

/* Of an older daemon, which doesn't say whose the number is, it says that itself. */
static const char *words_for(const json_t *gap)
{
	static const char *const words[][2] = {{"nobody", "(nobody)"},
					       {"blocked", "(none: it was blocked)"},
					       {"hidden", "(another PID namespace)"},
					       {"unknown", "(unknown)"}};
	long long pid = json_integer_value(json_object_get(gap, "pid"));
	const char *who = json_string_value(json_object_get(gap, "who"));

	who = who ? who : pid > 0 ? "process" : pid ? "unknown" : "nobody";
	for (size_t i = 0; i < ARRAY_SIZE(words); i++)
		if (!strcmp(who, words[i][0]))
			return words[i][1];
	return NULL;
}

static void print_who(const json_t *gap)
{
	const char *words = words_for(gap);

	if (words)
		printf("%8s  %s", "-", words);
	else
		printf("%8lld  ", (long long)json_integer_value(json_object_get(gap, "pid")));
	if (!words)
		text_put(text_of(gap, "name"), stdout);
}

static void print_gap(const json_t *gap)
{
	double seconds = json_number_value(json_object_get(gap, "seconds"));
	double within = json_number_value(json_object_get(gap, "within_s"));
	char time[REMEMBERED_TIME], in[32] = "-";

	remembered_time(json_number_value(json_object_get(gap, "time_s")), time);
	if (within > seconds * 1.5)
		snprintf(in, sizeof(in), "%.3f", within);
	printf("%s %4lld %-8s %9.3f %9s ", time,
	       (long long)json_integer_value(json_object_get(gap, "cpu")), text_of(gap, "state"),
	       seconds, in);
	print_who(gap);
	if (options.host) {
		fputs(", VM ", stdout);
		text_put(text_of(gap, "vm"), stdout);
	}
	putchar('\n');
}

static void print(const json_t *o)
{
	const json_t *gap;
	size_t i;

	printf("%-19s %4s %-8s %9s %9s %8s  %s\n", "BEGAN", options.host ? "VCPU" : "CPU", "STATE",
	       "SECONDS", "WITHIN", "PID", options.host ? "COMMAND, VM" : "COMMAND");
	json_array_foreach(json_object_get(o, "gaps"), i, gap) print_gap(gap);
	printf("%lld in all, %.3f s; the longest %.3f s\n",
	       (long long)json_integer_value(json_object_get(o, "total")),
	       json_number_value(json_object_get(o, "seconds")),
	       json_number_value(json_object_get(o, "longest_s")));
}

static int run(char **operands, int n, struct failure *f)
{
	(void)operands;
	(void)n;
	if (!options.common.socket && remembered_on_host())
		options.host = true;
	return remembered_show("gaps", CLIENT_GET("gaps"), options.host, &options.common, print, f);
}
