/* SPDX-License-Identifier: MIT */
/* desched vm: runs one virtual machine, whose timer interrupts follow a policy. */
#include "base/cleanup.h"
#include "base/newfile.h"
#include "base/units.h"
#include "cmd/commands.h"
#include "vmm/vmm.h"

#include <errno.h>
#include <stdio.h>
#include <sys/prctl.h>

static uint64_t memory = 64, cpus = 1;
static const char *policy = "desched", *json_file;
static struct vmm_config config = {.append = ""};

static const struct option_row rows[] = {
	{0, "kernel", "FILE", OPTION_STRING, &config.kernel, 0, 0,
	 "ELF kernel or bzImage (a small test guest)"},
	{0, "initrd", "FILE", OPTION_STRING, &config.initrd, 0, 0, "initial RAM disk"},
	{0, "append", "TEXT", OPTION_STRING, &config.append, 0, 0, "the kernel's command line"},
	{0, "disk", "FILE", OPTION_STRING, &config.disk, 0, 0, "raw disk image"},
	{0, "read-only", NULL, OPTION_FLAG, &config.read_only, 0, 0,
	 "the guest may not write to its disk"},
	{0, "no-reboot", NULL, OPTION_FLAG, &config.no_reboot, 0, 0,
	 "end where the guest resets the machine"},
	{0, "memory", "MIB", OPTION_UINT, &memory, 4, 3072, "guest memory in MiB (64)"},
	{0, "cpus", "N", OPTION_UINT, &cpus, 1, VMM_CPUS_MAX, "virtual CPUs, at most 16 (1)"},
	{0, "tick-policy", "P", OPTION_STRING, &policy, 0, 0,
	 "delay, catchup, merge, discard, desched (desched)"},
	{0, "page", "FILE", OPTION_STRING, &config.page, 0, 0,
	 "the ledger page that 'desched ledger' writes, for the guest to read"},
	{0, "name", "NAME", OPTION_STRING, &config.name, 0, 0, "what others call it"},
	{0, "control", "PATH", OPTION_STRING, &config.control, 0, 0, "make a control socket there"},
	{0, "json", "FILE", OPTION_STRING, &json_file, 0, 0, "write figures there at the end"},
};

const struct command command_vm = {
	.name = "vm",
	.operands = "",
	.summary = "Runs a virtual machine whose timer interrupts follow a policy.",
	.examples = "  desched vm\n"
		    "  desched vm --append hz=1000 --tick-policy catchup --json figures.json\n"
		    "  desched vm --kernel vmlinuz --initrd initrd.img --memory 512 --append "
		    "console=ttyS0\n",
	.rows = rows,
	.n_rows = (int)ARRAY_SIZE(rows),
};

static int complain(const struct failure *f, int status)
{
	fprintf(stderr, "desched vm: %s\n", f->text);
	return status;
}

/* The file is opened before the guest runs, since it may not be afterwards. */
static int open_json(struct newfile *ret, struct failure *f)
{
	int err;

	if (!json_file)
		return 0;
	err = newfile_open(json_file, 0, NEWFILE_STREAMS | NEWFILE_SYNC, ret);
	return err ? failure_errno(f, err, "%s", json_file) : 0;
}

static int write_json(struct vmm *v, struct newfile *file, struct failure *f)
{
	json_t *json = vmm_figures(v);
	int err;

	json_dumpf(json, file->to, JSON_INDENT(1) | JSON_REAL_PRECISION(9));
	fputc('\n', file->to);
	json_decref(json);
	err = newfile_commit(file);
	return err ? failure_errno(f, err, "%s", json_file) : 0;
}

int cmd_vm(int argc, char **argv)
{
	_cleanup_(newfile_abandon) struct newfile json = {.dir = -1};
	struct failure f = {""};
	struct vmm *v;
	bool help;
	int found, err;

	if (options_parse(&command_vm, argc, argv, &f, &help) < 0)
		return complain(&f, 2);
	if (help) {
		options_help(&command_vm, "desched");
		return 0;
	}
	found = tick_find(policy);
	if (found < 0) {
		failure_set(&f, found, "no tick policy '%s'; --help lists them", policy);
		return complain(&f, 2);
	}
	config.policy = (enum tick_policy)found;
	config.memory = memory * MIB;
	config.cpus = (unsigned)cpus;
	err = open_json(&json, &f);
	if (!err)
		err = vmm_open(&config, &f, &v);
	if (err)
		return complain(&f, 1);
	err = vmm_run(v, &f);
	if (json.to) {
		int written = write_json(v, &json, err ? NULL : &f);

		err = err ? err : written;
	}
	vmm_close(v);
	return err ? complain(&f, 1) : 0;
}
