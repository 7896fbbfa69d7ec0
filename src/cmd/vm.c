/* SPDX-License-Identifier: MIT */
/* desched vm: runs one virtual machine, whose timer interrupts follow a policy. */
#include "base/json_out.h"
#include "base/units.h"
#include "cmd/commands.h"
#include "vmm/vmm.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#define FLAGS (JSON_INDENT(1) | JSON_REAL_PRECISION(9))

static uint64_t memory = 64 * MIB, cpus = 1;
static struct option_choice policy = {"desched", tick_policy_name};
static struct option_output json;
static struct vmm_config config = {.append = ""};

static const struct option_row rows[] = {
	{0, "kernel", "FILE", OPTION_STRING, &config.kernel, 0, 0,
	 "ELF kernel or bzImage (a small test guest)"},
	{0, "initrd", "FILE", OPTION_STRING, &config.initrd, 0, 0, "initial RAM disk"},
	{0, "append", "TEXT", OPTION_TEXT, &config.append, 0, 0, "the kernel's command line"},
	{0, "disk", "FILE", OPTION_STRING, &config.disk, 0, 0, "raw disk image"},
	{0, "read-only", NULL, OPTION_FLAG, &config.read_only, 0, 0,
	 "the guest may not write to its disk"},
	{0, "no-reboot", NULL, OPTION_FLAG, &config.no_reboot, 0, 0,
	 "end where the guest resets the machine"},
	{0, "memory", "SIZE", OPTION_MIB, &memory, 4 * MIB, 3072 * MIB,
	 "guest memory, in MiB or with a unit"},
	{0, "cpus", "N", OPTION_UINT, &cpus, 1, VMM_CPUS_MAX, "virtual CPUs"},
	{0, "tick-policy", "P", OPTION_CHOICE, &policy, 0, 0,
	 "how ticks are delivered that came due while the guest was away"},
	{0, "page", "FILE", OPTION_STRING, &config.page, 0, 0,
	 "the ledger page that 'desched ledger' writes, for the guest to read"},
	{0, "name", "NAME", OPTION_STRING, &config.name, 0, 0, "what others call it"},
	{0, "control", "PATH", OPTION_STRING, &config.control, 0, 0, "make a control socket there"},
	{0, "json", "FILE", OPTION_OUTPUT, &json, 0, 0,
	 "write figures to FILE at the end, as JSON; =FILE is required"},
};

static int run(char **operands, int n, struct failure *f);

const struct command command_vm = {
	.name = "vm",
	.operands = "",
	.summary = "Runs a virtual machine whose timer interrupts follow a policy.",
	.examples = "  desched vm\n"
		    "  desched vm --append hz=1000 --tick-policy catchup --json=figures.json\n"
		    "  desched vm --kernel vmlinuz --initrd initrd.img --memory 512 --append "
		    "console=ttyS0\n",
	.rows = rows,
	.n_rows = (int)ARRAY_SIZE(rows),
	.run = run,
};

static void notice(const char *text)
{
	fprintf(stderr, "desched vm: %s\n", text);
}

/* The file is opened before the guest runs, since it may not be afterwards. */
static int open_json(struct newfile *ret, struct failure *f)
{
	int err = json.file ? newfile_open(json.file, 0, NEWFILE_STREAMS, ret) : 0;

	return err ? failure_errno(f, err, "%s", json.file) : 0;
}

/* From the start of the machine to its end. */
static int run_machine(struct newfile *to, struct failure *f)
{
	struct failure lost;
	struct vmm *v;
	int err = vmm_open(&config, f, &v);

	if (err) {
		newfile_abandon(to);
		return err;
	}
	if (isatty(STDIN_FILENO))
		notice("Ctrl-] ends it");
	err = vmm_run(v, f);
	if (to->to && json_out_commit(vmm_figures(v), FLAGS, to, json.file, &lost)) {
		if (err)
			notice(lost.text);
		else
			*f = lost;
		err = err ? err : -EIO;
	}
	vmm_close(v);
	if (err == -ETIMEDOUT) { /* nothing waits for the thread that is still there */
		notice(f->text);
		_exit(COMMAND_FAILED);
	}
	return err;
}

static int run(char **operands, int n, struct failure *f)
{
	struct newfile to = {.dir = -1};
	int err;

	(void)operands;
	(void)n;
	if (json.wanted && !json.file)
		return command_usage(
			f, "--json: standard output is the guest's; expected --json=FILE");
	config.policy = (enum tick_policy)tick_find(policy.value);
	config.memory = memory;
	config.cpus = (unsigned)cpus;
	config.notice = notice;
	err = open_json(&to, f);
	return err ? err : run_machine(&to, f);
}
