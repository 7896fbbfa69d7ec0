/* SPDX-License-Identifier: MIT */
/* desched lab: boots virtual machines on too few CPUs and shows who really used them. */
#include "lab/lab.h"
#include "base/units.h"
#include "cmd/commands.h"
#include "guest/source.h"
#include "lab/lab_report.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct lab_options options = {
	.vms = 3,
	.vcpus = "1,2,4",
	.seconds = 30 * NS_PER_SEC,
};
static struct option_choice source = {"auto", source_name}, accel = {"auto", lab_accel_name},
			    truth = {"auto", lab_truth_name}, machines = {"own", lab_machines_name},
			    fault = {NULL, lab_fault_name};
static struct option_output json;
static bool verbose;

static const struct option_row rows[] = {
	{0, "vms", "N", OPTION_UINT, &options.vms, 1, LAB_VMS_MAX, "virtual machines"},
	{0, "vcpus", "LIST", OPTION_STRING, &options.vcpus, 0, 0,
	 "vCPUs of the first VM, of the second, ..., again and again"},
	{0, "cpus", "LIST", OPTION_STRING, &options.cpus, 0, 0, "CPUs they share (the last one)"},
	{0, "seconds", "S", OPTION_SECONDS, &options.seconds, NS_PER_SEC, 3600 * NS_PER_SEC,
	 "length of the measured run"},
	{0, "warm-up", "S", OPTION_SECONDS, &options.warm_up, 0, 3600 * NS_PER_SEC,
	 "let the same work run for so long before"},
	{0, "source", "NAME", OPTION_CHOICE, &source, 0, 0, "the agent's source"},
	{0, "accel", "NAME", OPTION_CHOICE, &accel, 0, 0, "what runs the machines"},
	{0, "machines", "NAME", OPTION_CHOICE, &machines, 0, 0,
	 "the lab's own, or those with a page of this host's deschedd"},
	{0, "truth", "NAME", OPTION_CHOICE, &truth, 0, 0, "what figures are held to"},
	{0, "kernel", "FILE", OPTION_STRING, &options.kernel, 0, 0,
	 "bzImage to boot (the distribution's, fetched)"},
	{0, "json", "FILE", OPTION_OUTPUT, &json, 0, 0,
	 "print JSON in place of the table, or write it to FILE too"},
	{0, "keep", "DIR", OPTION_STRING, &options.keep, 0, 0,
	 "keep consoles, agents' snapshots and JSON in a new directory"},
	{0, "fault", "NAME", OPTION_CHOICE, &fault, 0, 0,
	 "break the last guest on purpose, for tests"},
	{'v', "verbose", NULL, OPTION_FLAG, &verbose, 0, 0, "also say why which means were chosen"},
};

static int run(char **operands, int n, struct failure *f);

const struct command command_lab = {
	.name = "lab",
	.operands = "",
	.summary = "Boot virtual machines on too few CPUs and show who really used them.",
	.examples = "  desched lab\n"
		    "  desched lab --vms 4 --cpus 0-1 --seconds 60\n"
		    "  desched lab --source self --json=lab.json --keep lab.d\n"
		    "  desched lab --machines libvirt --vms 2\n",
	.rows = rows,
	.n_rows = ARRAY_SIZE(rows),
	.run = run,
};

/* One line that is written over on a terminal; elsewhere a line for every new phase. */
struct progress {
	bool terminal;
	char phase[32];
};

static void say(void *data, const char *phase, const char *text)
{
	struct progress *p = data;

	if (p->terminal) {
		fprintf(stderr, "\r\033[K%s: %.70s", phase, text);
		fflush(stderr);
	} else if (strcmp(phase, p->phase) != 0) {
		fprintf(stderr, "%s: %s\n", phase, text);
	}
	snprintf(p->phase, sizeof(p->phase), "%s", phase);
}

static void clear_line(const struct progress *p)
{
	if (p->terminal)
		fprintf(stderr, "\r\033[K");
}

static bool any_measured(const struct lab_result *r)
{
	for (int i = 0; i < r->n_vms; i++) {
		if (r->vms[i].measured)
			return true;
	}
	return false;
}

/* The guests' last words, where a machine failed. */
static void print_consoles(const struct lab_result *r)
{
	for (int i = 0; i < r->n_vms; i++) {
		if (r->vms[i].console[0])
			fprintf(stderr, "%s: its console ended with\n%s\n", r->vms[i].name,
				r->vms[i].console);
	}
}

/* The table goes where the JSON does not. */
static void print_table(const struct lab_result *r)
{
	bool to_stderr = json.wanted && !json.file;
	FILE *out = to_stderr ? stderr : stdout;
	const char *no_colour = getenv("NO_COLOR");

	lab_report_table(r, isatty(fileno(out)) && !(no_colour && no_colour[0]), out);
	fflush(out);
}

/* Everything that outlives the lab. Returns 0, or the first thing that failed. */
static int write_files(const struct lab_result *r, const char *failure, struct failure *f)
{
	int err = 0;

	if (options.keep)
		err = lab_report_keep(r, failure, options.keep, f);
	if (!err && json.wanted)
		err = lab_report_json_write(r, failure, json.file ? json.file : "-", f);
	return err;
}

/* Returns an exit status, or a negative error. */
static int finish(int err, int signal, const struct lab_result *r, struct failure *f)
{
	if (err == -EINTR) {
		failure_set(f, err, "ended by a signal, nothing is left behind");
		return 128 + signal;
	}
	if (verbose && r->accel[0])
		fprintf(stderr, "%s: %s; kernel %s; host ledger %s\n", r->accel, r->accel_why,
			r->kernel, r->host_source[0] ? r->host_source : "none");
	if (any_measured(r))
		print_table(r);
	if (err) {
		print_consoles(r);
		fprintf(stderr, "desched lab: %s\n", f->text);
	}
	if (!err || any_measured(r)) {
		struct failure why = *f;
		int err_files;

		f->text[0] = '\0';
		err_files = write_files(r, err ? why.text : "", f);
		return err ? err : err_files;
	}
	f->text[0] = '\0';
	return err;
}

static int run(char **operands, int n, struct failure *f)
{
	struct progress progress = {.terminal = isatty(STDERR_FILENO)};
	struct lab_watch watch = {say, &progress};
	struct lab_result result;
	int signal = 0, status, err;

	(void)operands;
	(void)n;
	options.source = source.value;
	options.accel = accel.value;
	options.truth = truth.value;
	options.machines = machines.value;
	options.fault = fault.value;
	err = lab_run(&options, &watch, f, &result, &signal);
	clear_line(&progress);
	status = finish(err, signal, &result, f);
	lab_result_done(&result);
	return status;
}
