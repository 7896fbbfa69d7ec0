/* SPDX-License-Identifier: MIT */
/*
 * desched trace: who was on each CPU of this host, and in which state each vCPU of its VMs was, for
 * some seconds, as a timeline for Perfetto (host/trace.h). The file is written while it lasts.
 */
#include "host/trace.h"
#include "base/clock.h"
#include "base/command.h"
#include "base/newfile.h"
#include "base/proc.h"
#include "base/quantity.h"
#include "base/units.h"
#include "cmd/commands.h"
#include "host/find.h"
#include "host/measure.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static struct {
	const char *file;
} options;

static const struct option_row rows[] = {
	{'o', "output", "FILE", OPTION_STRING, &options.file, 0, 0,
	 "write here; - is standard output"},
};

static int run(char **operands, int n, struct failure *f);

const struct command command_trace = {
	.name = "trace",
	.operands = "SECONDS [NAME|ID|PID...]",
	.summary = "A timeline of CPUs and vCPUs of this host, for Perfetto.",
	.examples = "  desched trace -o host.json 5\n"
		    "  desched trace -o web.json 0.5 web1 'db*'\n"
		    "  desched trace -o - 2 | gzip >host.json.gz\n",
	.rows = rows,
	.n_rows = ARRAY_SIZE(rows),
	.least = 1,
	.operand_name = host_find_name,
	.run = run,
};

struct session {
	struct measurement *measurement;
	struct trace *trace;
	struct newfile file;
	struct host_runs_fns fns;
};

static void note(const char *text, void *data)
{
	(void)data;
	fprintf(stderr, "desched trace: %s\n", text);
}

static bool find_vm(int id, struct trace_vm *ret, void *data)
{
	const struct measurement *m = ((const struct session *)data)->measurement;

	for (size_t i = 0; i < m->n; i++) {
		const struct host_vm *vm = &m->vms[i]->vm;

		if (m->vms[i]->id != id)
			continue;
		*ret = (struct trace_vm){vm->pid, vm->name, vm->n_vcpus, vm->vcpus};
		return true;
	}
	return false;
}

static uint64_t lost_records(const struct session *s)
{
	struct host_ledger_counters c;

	host_ledger_counters(s->measurement->ledger, &c);
	return c.runs_lost;
}

static int open_trace(struct session *s, struct failure *f)
{
	struct host_ledger *ledger = s->measurement->ledger;
	struct trace_setup setup = {.n_cpus = host_ledger_cpus(ledger), .vm = find_vm, .data = s};
	int err = host_ledger_record(ledger, HOST_RECORD_ALL, f);

	if (err)
		return err;
	err = newfile_open(options.file, 0, NEWFILE_STREAMS, &s->file);
	if (err)
		return failure_errno(f, err, "%s", options.file);
	setup.to = s->file.to;
	setup.start = clock_mono();
	setup.real = clock_real();
	err = trace_new(&setup, &s->trace);
	if (err)
		return failure_errno(f, err, "a trace");
	s->fns = trace_fns;
	s->fns.data = s->trace;
	return 0;
}

static void follow(struct session *s, uint64_t end)
{
	while (!command_stop && clock_mono() < end && !ferror(s->file.to)) {
		usleep((useconds_t)(measure_interval(s->measurement) / NS_PER_US));
		measure_step(s->measurement);
		host_ledger_runs(s->measurement->ledger, &s->fns);
		trace_round(s->trace, lost_records(s));
	}
}

/* Where the thread is, or was last. */
static uint32_t cpu_of(pid_t pid, pid_t tid)
{
	struct proc_stat stat;

	return proc_read_stat(pid, tid, &stat) ? 0 : (uint32_t)stat.cpu;
}

/* The states in which vCPUs still are. */
static void put_last(struct session *s)
{
	const struct measurement *m = s->measurement;

	for (size_t i = 0; i < m->n; i++) {
		const struct measured *x = m->vms[i];

		for (uint32_t v = 0; v < x->vm.n_vcpus && x->id >= 0; v++) {
			const struct ledger *l = &x->vcpus[v].ledger[MEASURE_NOW];

			trace_last(
				s->trace,
				&(struct host_stay){.start = host_ledger_since(m->ledger, x->id, v),
						    .end = l->at,
						    .vm = x->id,
						    .vcpu = v,
						    .state = l->state,
						    .cpu = cpu_of(x->vm.pid, x->vm.vcpus[v].tid)});
		}
	}
}

static int end_trace(struct session *s, struct failure *f)
{
	uint64_t end, slices;
	int err;

	measure_read(s->measurement);
	end = s->measurement->at[MEASURE_NOW];
	host_ledger_runs(s->measurement->ledger, &s->fns);
	trace_round(s->trace, lost_records(s));
	put_last(s);
	slices = trace_finish(s->trace, end);
	err = newfile_commit(&s->file);
	if (err)
		return failure_errno(f, err, "%s", options.file);
	fprintf(stderr, "desched trace: %" PRIu64 " slices, %" PRIu64 " records lost\n", slices,
		lost_records(s));
	return 0;
}

static int run(char **operands, int n, struct failure *f)
{
	const struct measure_setup setup = {.source = "bpf",
					    .operands = operands + 1,
					    .n_operands = n - 1,
					    .no_pages = true,
					    .no_blame = true,
					    .note = note};
	struct session s = {.measurement = NULL};
	const char *rest;
	uint64_t span;
	int err;

	if (!options.file)
		return command_usage(f, "-o FILE is missing: where the trace goes");
	if (quantity_time(operands[0], NS_PER_SEC, &rest, &span) || *rest || span < NS_PER_MS ||
	    span > 86400 * NS_PER_SEC)
		return command_usage(f, "'%s' isn't a time: expected seconds, 0.001 to 86400",
				     operands[0]);
	command_catch_signals();
	err = measure_open(&setup, f, &s.measurement);
	if (!err)
		err = open_trace(&s, f);
	if (!err) {
		follow(&s, clock_mono() + span);
		err = end_trace(&s, f);
	}
	trace_free(s.trace);
	if (err && s.file.to)
		newfile_abandon(&s.file);
	measure_close(s.measurement);
	return err;
}
