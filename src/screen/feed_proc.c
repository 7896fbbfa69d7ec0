/* SPDX-License-Identifier: MIT */
/*
 * /proc alone, for who may ask nobody better: the kernel's own figures of processes, in its ticks,
 * and each CPU's busy, idle and stolen time. Which process the stolen time was taken from is not
 * known there, so the snapshot is not `split`.
 */
#include "base/clock.h"
#include "base/proc.h"
#include "base/units.h"
#include "screen/feed.h"
#include "wire/wire.h"

#include <errno.h>
#include <unistd.h>

struct proc_feed {
	uint64_t start; /* ns, CLOCK_MONOTONIC */
};

static int open_proc(const struct feed_config *config, struct failure *f, void **ret)
{
	struct proc_feed *p = calloc(1, sizeof(*p));
	struct proc_cpu cpu;
	int err = p ? proc_read_cpu(-1, &cpu) : -ENOMEM;

	(void)config;
	if (err) {
		free(p);
		return failure_errno(f, err, "/proc/stat");
	}
	p->start = clock_mono();
	*ret = p;
	return 0;
}

static int add_process(pid_t pid, void *data)
{
	struct proc_stat stat;
	json_t *o, *name;

	if (proc_read_stat(pid, 0, &stat))
		return 0;
	for (char *c = stat.comm; *c; c++)
		*c = (signed char)*c < ' ' ? '?' : *c;
	name = json_string(stat.comm);
	/* A pid that is used again has another start. */
	o = json_pack("{s:i, s:I, s:o, s:f}", "pid", (int)pid, "id",
		      (json_int_t)(stat.start_ns / NS_PER_MS), "name", name, "reported_s",
		      ns_to_s(stat.utime_ns + stat.stime_ns));
	json_array_append_new(data, o);
	return 0;
}

static void add_cpu(json_t *cpus, int i, const struct proc_cpu *cpu)
{
	json_array_append_new(cpus,
			      json_pack("{s:i, s:{s:f, s:f, s:f}}", "cpu", i, "ledger_s", "run",
					ns_to_s(cpu->busy_ns), "ready", ns_to_s(cpu->steal_ns),
					"halt", ns_to_s(cpu->idle_ns)));
}

static json_t *all_cpus(void)
{
	long n = sysconf(_SC_NPROCESSORS_CONF);
	json_t *cpus = json_array();
	struct proc_cpu cpu;

	for (int i = 0; i < n; i++)
		if (!proc_read_cpu(i, &cpu))
			add_cpu(cpus, i, &cpu);
	return cpus;
}

static int take(void *feed, struct failure *f, json_t **ret)
{
	const struct proc_feed *p = feed;
	json_t *processes = json_array(), *o;
	struct proc_cpu all;
	int err = proc_read_cpu(-1, &all);

	if (!err)
		err = proc_each_id("/proc", add_process, processes);
	if (err) {
		json_decref(processes);
		return failure_errno(f, err, "/proc");
	}
	o = json_pack("{s:s, s:s, s:b, s:f, s:{s:f, s:f}, s:o, s:o}", "schema", WIRE_SCHEMA,
		      "source", "proc", "split", 0, "elapsed_s", ns_to_s(clock_mono() - p->start),
		      "totals", "true_s", ns_to_s(all.busy_ns), "descheduled_s",
		      ns_to_s(all.steal_ns), "cpus", all_cpus(), "processes", processes);
	if (!o)
		return failure_errno(f, -ENOMEM, "/proc");
	*ret = o;
	return 0;
}

const struct feed_ops feed_proc = {
	.name = "/proc only",
	.open = open_proc,
	.close = free,
	.take = take,
};
