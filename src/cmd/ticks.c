/* SPDX-License-Identifier: MIT */
/* desched ticks: what each tick policy does to guests that count their ticks, on real VMs. */
#include "ticks/ticks.h"
#include "base/json_out.h"
#include "base/units.h"
#include "cmd/commands.h"

#include <errno.h>
#include <stdio.h>

static uint64_t hz = 100, vms = 4, seconds = 10 * NS_PER_SEC, cpu = UINT64_MAX;
static struct option_choice policy = {NULL, tick_policy_name};
static struct option_output json;
static bool short_form;

static const struct option_row rows[] = {
	{0, "vms", "N", OPTION_UINT, &vms, 1, TICKS_VMS_MAX, "virtual machines on one CPU"},
	{0, "hz", "N", OPTION_UINT, &hz, 19, 1000, "ticks a second"},
	{0, "seconds", "S", OPTION_SECONDS, &seconds, NS_PER_SEC, 3600 * NS_PER_SEC,
	 "length of each policy's window"},
	{0, "policy", "P", OPTION_CHOICE, &policy, 0, 0, "this tick policy alone"},
	{0, "cpu", "N", OPTION_UINT, &cpu, 0, INT16_MAX, "the CPU that they share (the last)"},
	{0, "no-pauses", NULL, OPTION_FLAG, &short_form, 0, 0,
	 "leave out the pauses, of which one takes a minute"},
	{0, "json", "FILE", OPTION_OUTPUT, &json, 0, 0,
	 "print JSON in place of the tables, or write it to FILE too"},
};

static int run(char **operands, int n, struct failure *f);

const struct command command_ticks = {
	.name = "ticks",
	.operands = "",
	.summary = "What each tick policy does to guests that count their ticks.",
	.examples = "  desched ticks\n"
		    "  desched ticks --policy desched --no-pauses --seconds 5\n"
		    "  desched ticks --json | jq .policies[0].clock_error_s\n",
	.rows = rows,
	.n_rows = (int)ARRAY_SIZE(rows),
	.run = run,
};

static void progress(const char *what, void *data)
{
	(void)data;
	fprintf(stderr, "desched ticks: %s\n", what);
}

static int write_json(const struct ticks *t, struct failure *f)
{
	const size_t flags = JSON_INDENT(1) | JSON_REAL_PRECISION(9);

	if (json.file)
		return json_out_write(ticks_json(t), flags, json.file, f);
	return json_out_print(ticks_json(t), flags, stdout, "standard output", f);
}

static int run(char **operands, int n, struct failure *f)
{
	struct ticks_config c = {.hz = hz,
				 .vms = vms,
				 .seconds = seconds,
				 .cpu = cpu == UINT64_MAX ? -1 : (int)cpu,
				 .policy = policy.value ? tick_find(policy.value) : -1,
				 .pauses = !short_form,
				 .progress = progress};
	static struct ticks result;
	int err;

	(void)operands;
	(void)n;
	err = ticks_run(&c, f, &result);
	if (err)
		return err;
	if (!json.wanted || json.file)
		ticks_table(&result, stdout);
	return json.wanted ? write_json(&result, f) : 0;
}
