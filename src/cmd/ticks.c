/* SPDX-License-Identifier: MIT */
/* desched ticks: what each tick policy does to guests that count their ticks, on real VMs. */
#include "ticks/ticks.h"
#include "base/newfile.h"
#include "base/units.h"
#include "cmd/commands.h"

#include <errno.h>
#include <stdio.h>

static uint64_t hz = 100, vms = 4, seconds = 10 * NS_PER_SEC, cpu = UINT64_MAX;
static const char *policy, *json_file;
static bool short_form;

static const struct option_row rows[] = {
	{0, "vms", "N", OPTION_UINT, &vms, 1, TICKS_VMS_MAX, "virtual machines on one CPU (4)"},
	{0, "hz", "N", OPTION_UINT, &hz, 19, 1000, "ticks a second (100)"},
	{'d', "seconds", "S", OPTION_SECONDS, &seconds, NS_PER_SEC, 3600 * NS_PER_SEC,
	 "length of each policy's window (10)"},
	{0, "policy", "P", OPTION_STRING, &policy, 0, 0, "this tick policy alone (all)"},
	{0, "cpu", "N", OPTION_UINT, &cpu, 0, 0, "the CPU that they share (the last)"},
	{0, "no-pauses", NULL, OPTION_FLAG, &short_form, 0, 0,
	 "leave out the pauses, of which one takes a minute"},
	{0, "json", "FILE", OPTION_STRING, &json_file, 0, 0,
	 "write the figures there, - for JSON alone"},
};

const struct command command_ticks = {
	.name = "ticks",
	.operands = "",
	.summary = "What each tick policy does to guests that count their ticks.",
	.examples = "  desched ticks\n"
		    "  desched ticks --policy desched --no-pauses -d 5\n"
		    "  desched ticks --json - | jq .policies[0].clock_error_s\n",
	.rows = rows,
	.n_rows = (int)ARRAY_SIZE(rows),
};

static int complain(const struct failure *f, int status)
{
	fprintf(stderr, "desched ticks: %s\n", f->text);
	return status;
}

static void progress(const char *what, void *data)
{
	(void)data;
	fprintf(stderr, "desched ticks: %s\n", what);
}

static int write_json(const struct ticks *t, struct failure *f)
{
	bool standard = json_file[0] == '-' && !json_file[1];
	struct newfile file = {.to = stdout};
	json_t *json;
	int err = standard ? 0 : newfile_open(json_file, 0, NEWFILE_STREAMS | NEWFILE_SYNC, &file);

	if (err)
		return failure_errno(f, err, "%s", json_file);
	json = ticks_json(t);
	err = json_dumpf(json, file.to, JSON_INDENT(1) | JSON_REAL_PRECISION(9)) ? -EIO : 0;
	json_decref(json);
	if (!standard)
		err = newfile_commit(&file);
	return err ? failure_errno(f, err, "%s", json_file) : 0;
}

static int configure(struct ticks_config *c, struct failure *f)
{
	*c = (struct ticks_config){.hz = hz,
				   .vms = vms,
				   .seconds = seconds,
				   .cpu = cpu > INT16_MAX ? -1 : (int)cpu,
				   .policy = policy ? tick_find(policy) : -1,
				   .pauses = !short_form,
				   .progress = progress};
	if (policy && c->policy < 0)
		return failure_set(f, -EINVAL, "no tick policy '%s'; desched vm --help lists them",
				   policy);
	return 0;
}

int cmd_ticks(int argc, char **argv)
{
	struct ticks_config c;
	struct failure f = {""};
	static struct ticks result;
	bool help;

	if (options_parse(&command_ticks, argc, argv, &f, &help) < 0)
		return complain(&f, 2);
	if (help) {
		options_help(&command_ticks, "desched");
		return 0;
	}
	if (configure(&c, &f))
		return complain(&f, 2);
	if (ticks_run(&c, &f, &result))
		return complain(&f, 1);
	if (!json_file || json_file[0] != '-' || json_file[1])
		ticks_table(&result, stdout);
	return json_file && write_json(&result, &f) ? complain(&f, 1) : 0;
}
