/* SPDX-License-Identifier: MIT */
#include "sim/scenario_keys.h"

#include "base/units.h"
#include "policy/amounts.h"
#include "sim/workload.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* The i-th name of a list that ends with NULL. */
#define NAMES(list, ...)                                                                           \
	static const char *list(size_t i)                                                          \
	{                                                                                          \
		static const char *const names[] = {__VA_ARGS__};                                  \
                                                                                                   \
		return i < ARRAY_SIZE(names) ? names[i] : NULL;                                    \
	}

NAMES(yes_no, "no", "yes")
NAMES(random_names, "yes", "no") /* of `fixed` */
NAMES(cells, "off", "hard", "prefer")
NAMES(trace_units, "cpus", "percent", "recorded")
NAMES(trace_ends, "repeat", "stretch", "idle")
NAMES(devices, "own", "host")

/* States in which a guest that isn't busy may be. */
static const char *blocks(size_t i)
{
	return LEDGER_SWAPWAIT + i < LEDGER_STATES
		       ? ledger_state_name((uint32_t)(LEDGER_SWAPWAIT + i))
		       : NULL;
}

#define HOST(field)  offsetof(struct host_spec, field)
#define RUN(field)   offsetof(struct run_spec, field)
#define CLUSTER(f)   offsetof(struct cluster_spec, f)
#define GROUP(field) offsetof(struct group_spec, field)
#define VM(field)    offsetof(struct vm_spec, field)

static const struct row host_rows[] = {
	{"hosts", &row_count32, HOST(hosts), 1, 1e6, "1", "hosts alike, each with all VMs", NULL,
	 0},
	{"cpus", &row_count32, HOST(cpus), 1, 1e6, "1", "CPUs of a host, threads included", NULL,
	 0},
	{"nodes", &row_count32, HOST(nodes), 1, 1024, "1", "NUMA nodes; divides cpus", NULL, 0},
	{"cell", &row_count32, HOST(cell), 0, 1e6, "0", "CPUs of a cell or cache; 0: a node", NULL,
	 0},
	{"cells", &row_name, HOST(cells), 0, 0, "off", "what a cell is to VMs", cells, 0},
	{"smt", &row_count32, HOST(smt), 1, 2, "1", "threads of a core; neighbours are siblings",
	 NULL, 0},
	{"smt_speed", &row_fraction, HOST(core.smt_speed), 0.1, 1, "0.5",
	 "speed of each thread while both run", NULL, 0},
	{"cosched", &row_name, HOST(cosched), 0, 0, "relaxed", "co-scheduling of VMs", cosched_name,
	 0},
	{"offline", &key_text, HOST(offline), 0, 0, "none", "CPUs that are not there, as 1,4-6",
	 NULL, SCENARIO_TEXT},
	{"rebalance", &row_name, HOST(rebalance), 0, 0, "yes", "move VMs between nodes or cells",
	 yes_no, 0},
	{"slice", &row_time, HOST(core.slice), 10 * NS_PER_US, NS_PER_SEC, "5ms",
	 "longest run before others are considered", NULL, 0},
	{"wake_credit", &row_time, HOST(core.wake_credit), 0, NS_PER_SEC, "5ms",
	 "service that a waking vCPU may be behind", NULL, 0},
	{"granularity", &row_time, HOST(core.granularity), 0, NS_PER_SEC, "0.5ms",
	 "a smaller lead preempts nobody", NULL, 0},
	{"pull", &row_time, HOST(core.pull), 0, NS_PER_SEC, "1ms",
	 "a smaller lag moves nobody to another CPU", NULL, 0},
	{"lag_bound", &row_time, HOST(core.lag_bound), 0, 10 * NS_PER_SEC, "100ms",
	 "what a vCPU can be owed", NULL, 0},
	{"debt_bound", &row_time, HOST(core.debt_bound), 0, 10 * NS_PER_SEC, "40ms",
	 "what a vCPU can owe, and waits for later", NULL, 0},
	{"skew_stop", &row_time, HOST(core.skew_stop), 10 * NS_PER_US, NS_PER_SEC, "3ms",
	 "skew that co-stops", NULL, 0},
	{"skew_start", &row_time, HOST(core.skew_start), 0, NS_PER_SEC, "2ms",
	 "skew that lets go on", NULL, 0},
	{"skew_poll", &row_time, HOST(core.skew_poll), 10 * NS_PER_US, NS_PER_SEC, "1ms",
	 "least time between looks at skew", NULL, 0},
	{"limit_period", &row_time, HOST(core.limit_period), NS_PER_MS, 10 * NS_PER_SEC, "100ms",
	 "period of a limit's budget", NULL, 0},
	{"balance_period", &row_time, HOST(core.balance_period), 10 * NS_PER_MS, 10000 * NS_PER_SEC,
	 "2s", "time between balancings", NULL, 0},
	{"balance_threshold", &row_fraction, HOST(core.balance_threshold), 0, 1, "0.1",
	 "imbalance that is left alone", NULL, 0},
	{"memory_move", &row_time, HOST(core.memory_move), NS_PER_US, 10000 * NS_PER_SEC, "1s",
	 "time a VM's memory takes to follow it", NULL, 0},
	{"switch_cost", &row_time, HOST(switch_cost), 0, 100 * NS_PER_MS, "0s",
	 "CPU time of a context switch", NULL, 0},
	{"exit_cost", &row_time, HOST(exit_cost), 0, 100 * NS_PER_MS, "0s",
	 "CPU time of a wake-up or an I/O", NULL, 0},
	{"calibration", &key_text, HOST(calibration), 0, 0, "",
	 "what 'desched calibrate --json' wrote, relative to the scenario: sets costs that are 0s",
	 NULL, SCENARIO_TEXT},
	{"refill_cost", &row_time, HOST(refill_cost), 0, 100 * NS_PER_MS, "0s",
	 "CPU time lost by changing the CPU", NULL, 0},
	{"refill_far", &row_time, HOST(refill_far), 0, 100 * NS_PER_MS, "0s",
	 "... to one with another cache", NULL, 0},
	{"standby", &row_name, HOST(standby), 0, 0, "no",
	 "no VM is placed there or moves there: it has failed, or is to spare", yes_no, 0},
	{"memory", &row_bytes, HOST(memory), 0, 1e15, "0B", "for VMs; 0B: as much as they want",
	 NULL, 0},
	{"disk_time", &row_time, HOST(disk_time), 10, 10 * NS_PER_SEC, "60us",
	 "mean time of a disk's request", NULL, 0},
	{"disk_rate", &row_bytes, HOST(disk_rate), 0, 1e15, "0B",
	 "bytes a second, in addition to that time; 0B: no bound", NULL, 0},
	{"disk_width", &row_count32, HOST(disk_width), 1, DISK_WIDTH, "1",
	 "requests that the disk serves at once", NULL, 0},
};

static const struct row run_rows[] = {
	{"duration", &row_time, RUN(duration), NS_PER_MS, 1000000 * NS_PER_SEC, "10s",
	 "virtual time that is counted", NULL, 0},
	{"warmup", &row_time, RUN(warmup), 0, 1000000 * NS_PER_SEC, "0s",
	 "virtual time before that", NULL, 0},
	{"seeds", &row_count32, RUN(seeds), 1, 1000, "1", "runs with different random numbers",
	 NULL, 0},
	{"compress", &row_number, RUN(compress), 1e-3, 1e6, "1",
	 "seconds of days, traces and moves in one of the run; 1440: a day in a minute", NULL, 0},
	{"hour", &row_number, RUN(hour), 0, 24, "0",
	 "time of day when the run begins, warm-up first", NULL, 0},
};

static const struct row cluster_rows[] = {
	{"place", &row_name, CLUSTER(place), 0, 0, "no",
	 "a VM without a host is placed on one, not on each", yes_no, 0},
	{"rebalance", &row_time, CLUSTER(rebalance), 0, 1000000 * NS_PER_SEC, "0s",
	 "time between looks for VMs to move between hosts; 0s: never", NULL, 0},
	{"threshold", &row_fraction, CLUSTER(threshold), 0, 1, "0.1",
	 "imbalance of hosts that is left alone", NULL, 0},
	{"busy", &row_fraction, CLUSTER(busy), 0, 1, "0.6",
	 "load of a host, of its CPUs, below which no VM leaves it", NULL, 0},
	{"link", &row_bytes, CLUSTER(link), 1e3, 1e15, "1250MB",
	 "bytes a second that a VM's memory moves with", NULL, 0},
	{"move_cost", &row_time, CLUSTER(move_cost), 0, 1000 * NS_PER_SEC, "0.8s",
	 "CPU time to move a GiB, on each of the two hosts", NULL, 0},
	{"downtime", &row_time, CLUSTER(downtime), NS_PER_US, 100 * NS_PER_SEC, "300ms",
	 "a VM stands still when the rest takes no longer", NULL, 0},
};

static const struct row group_rows[] = {
	{"parent", &row_word, GROUP(parent), 0, 0, "", "a group further up in the file", NULL,
	 SCENARIO_NAME},
	AMOUNT_GROUP_SHARES(GROUP(shares)),
	AMOUNT_RESERVATION(GROUP(reservation)),
	AMOUNT_LIMIT(GROUP(limit)),
};

static const struct row vm_rows[] = {
	{"count", &row_count32, VM(count), 0, 1e6, "1", "VMs like this on each host", NULL, 0},
	{"vcpus", &row_count32, VM(vcpus), 1, 1024, "1", "virtual CPUs of each", NULL, 0},
	{"host", &row_word, VM(host), 0, 0, "",
	 "the [host NAME] that has them; every host by default", NULL, SCENARIO_NAME},
	{"group", &row_word, VM(group), 0, 0, "", "the group they belong to", NULL, SCENARIO_NAME},
	AMOUNT_SHARES(VM(shares)),
	AMOUNT_RESERVATION(VM(reservation)),
	AMOUNT_LIMIT(VM(limit)),
	{"budget", &key_budget, VM(quota), NS_PER_US, 10000 * NS_PER_SEC, "",
	 "real time: CPU time in each period, before all", NULL, 0},
	{"cosched", &row_name, VM(cosched), 0, 0, "", "co-scheduling; the host's by default",
	 cosched_name, 0},
	{"workload", &row_name, VM(workload), 0, 0, "busy", "what the guest does", workload_name,
	 0},
	{"active", &row_count32, VM(active), 0, 1024, "0", "vCPUs that have work; 0: all", NULL, 0},
	{"start", &row_time, VM(start), 0, 1000000 * NS_PER_SEC, "0s", "when the guest begins",
	 NULL, 0},
	{"burst", &row_time, VM(burst), 10, 10000 * NS_PER_SEC, "10ms", "mean work at a stretch",
	 NULL, 0},
	{"load", &row_fraction, VM(load), 1e-4, 0.9999, "0.5", "duty: burst / (burst + idle time)",
	 NULL, 0},
	{"demand", &row_number, VM(demand), 0, 1024, "0",
	 "duty: CPUs that its vCPUs want together, instead of load; 0: by load", NULL, 0},
	{"arrival", &row_time, VM(arrival), 10, 10000 * NS_PER_SEC, "20ms",
	 "requests: mean time between arrivals at the VM", NULL, 0},
	{"random", &row_name, VM(fixed), 0, 0, "yes", "durations are exponential, not all the same",
	 random_names, 0},
	{"correlation", &row_fraction, VM(correlation), 0, 1, "0",
	 "duty: of the two threads of a pair", NULL, 0},
	{"block", &row_name, VM(block), LEDGER_SWAPWAIT, 0, "halt", "duty: state while not busy",
	 blocks, 0},
	{"service", &row_time, VM(service), 10, 10000 * NS_PER_SEC, "4ms",
	 "io: mean time in the device", NULL, 0},
	{"streams", &row_count32, VM(streams), 1, 1024, "1", "io: requests under way", NULL, 0},
	{"hold", &row_time, VM(hold), 10, NS_PER_SEC, "50us",
	 "spinlock: mean time the lock is held", NULL, 0},
	{"spin", &row_time, VM(spin), 0, 10000 * NS_PER_SEC, "0s",
	 "barrier: spins before it sleeps", NULL, 0},
	{"calibrated", &key_text, VM(calibrated), 0, 0, "",
	 "a VM in the host's calibration, whose cost while idle becomes ticks", NULL,
	 SCENARIO_TEXT},
	{"tick_hz", &row_count32, VM(tick_hz), 0, 10000, "0", "timer interrupts a second and vCPU",
	 NULL, 0},
	{"tick_cost", &row_time, VM(tick_cost), 0, 100 * NS_PER_MS, "0s", "CPU time of one", NULL,
	 0},
	{"tick_broadcast", &row_name, VM(tick_broadcast), 0, 0, "no",
	 "each tick interrupts every vCPU", yes_no, 0},
	{"tick_policy", &row_name, VM(tick_policy), 0, 0, "catchup",
	 "ticks: what becomes of a backlog", tick_policy_name, 0},
	{"tick_ack", &row_time, VM(tick_ack), 100, NS_PER_SEC, "20us",
	 "ticks: VMDesched's time for one", NULL, 0},
	{"tick_by_run", &row_name, VM(tick_by_run), 0, 0, "no",
	 "ticks: due by run and away time as in 'desched vm', not by place", yes_no, 0},
	{"day", &key_day, VM(day), 0, 100, "",
	 "duty, requests: factors of the demand by the hour, or a wave", NULL, 0},
	{"trace", &key_text, VM(trace), 0, 0, "",
	 "duty, requests: file with the demand, relative to the scenario", NULL, SCENARIO_TEXT},
	{"trace_column", &key_text, VM(trace_column), 0, 0, "1",
	 "its column, or the VM recorded, by name or number from 1 on; {n}: the VM's number", NULL,
	 SCENARIO_TEXT},
	{"trace_unit", &row_name, VM(trace_unit), 0, 0, "",
	 "of its values: 1 is one CPU, or 100 is all vCPUs; recorded: the file has units",
	 trace_units, 0},
	{"trace_step", &row_time, VM(trace_step), NS_PER_MS, 1000000 * NS_PER_SEC, "300s",
	 "time from row to row", NULL, 0},
	{"trace_scale", &row_number, VM(trace_scale), 0, 1e6, "1", "factor of its values", NULL, 0},
	{"trace_end", &row_name, VM(trace_end), 0, 0, "repeat",
	 "behind the last row; stretch: the rows fill the run", trace_ends, 0},
	{"memory", &row_bytes, VM(memory), 0, 1e15, "0B", "its size", NULL, 0},
	{"working_set", &row_bytes, VM(working_set), 0, 1e15, "0B",
	 "memory that it uses; 0B: all of it", NULL, 0},
	{"memory_reserved", &row_bytes, VM(memory_reserved), 0, 1e15, "0B",
	 "memory that the host never takes from it", NULL, 0},
	{"touches", &row_number, VM(touches), 0, 1e9, "10000",
	 "pages it turns to in a CPU second; those not in memory are faults", NULL, 0},
	{"dirty", &row_bytes, VM(dirty), 0, 1e15, "0B",
	 "bytes it writes in a CPU second, to be sent again while it moves", NULL, 0},
	{"device", &row_name, VM(device), 0, 0, "own",
	 "io: a device with its own service time, or the host's disk", devices, 0},
	{"io_size", &row_bytes, VM(io_size), 0, 1e12, "4KiB", "io: bytes of a request", NULL, 0},
	{"processes", &key_processes, VM(processes), 0, 0, "", "ticks: NAME:LOAD ...", NULL, 0},
};

_Static_assert(ARRAY_SIZE(host_rows) <= SCENARIO_KEYS && ARRAY_SIZE(run_rows) <= SCENARIO_KEYS &&
		       ARRAY_SIZE(cluster_rows) <= SCENARIO_KEYS &&
		       ARRAY_SIZE(group_rows) <= SCENARIO_KEYS &&
		       ARRAY_SIZE(vm_rows) <= SCENARIO_KEYS,
	       "SCENARIO_KEYS");

const struct row_section scenario_key_tables[SECTIONS] = {
	[SECTION_HOST] = {"host", host_rows, ARRAY_SIZE(host_rows), 0, false},
	[SECTION_RUN] = {"run", run_rows, ARRAY_SIZE(run_rows), 0, false},
	[SECTION_CLUSTER] = {"cluster", cluster_rows, ARRAY_SIZE(cluster_rows), 0, false},
	[SECTION_GROUP] = {"group NAME", group_rows, ARRAY_SIZE(group_rows), 0, false},
	[SECTION_VM] = {"vm NAME", vm_rows, ARRAY_SIZE(vm_rows), 0, false},
};

int scenario_key_find(enum key_section section, const char *key)
{
	const struct row_section *t = &scenario_key_tables[section];
	const struct row *row = rows_find(t->rows, t->n, key);

	return row ? (int)(row - t->rows) : -ENOENT;
}

int scenario_key_set(enum key_section section, void *base, const char *key, const char *value,
		     struct failure *f)
{
	const struct row_section *t = &scenario_key_tables[section];
	const struct row *row = rows_find(t->rows, t->n, key);

	if (!row)
		return failure_set(
			f, -ENOENT,
			"unknown key '%.60s' in [%s]; `desched sim --keys` lists what there is",
			key, t->name);
	return row_read(row, key, value, (char *)base + row->offset, f);
}

void scenario_key_defaults(enum key_section section, void *base)
{
	const struct row_section *t = &scenario_key_tables[section];

	rows_default(t->rows, t->n, base);
	if (section == SECTION_VM) {
		((struct vm_spec *)base)->cosched = COSCHED_ROWS;
		((struct vm_spec *)base)->trace_unit = TRACE_UNITS;
	}
}

void scenario_list_keys(void)
{
	char want[256];

	for (int s = 0; s < SECTIONS; s++) {
		const struct row_section *t = &scenario_key_tables[s];

		printf("[%s]\n", t->name);
		for (size_t i = 0; i < t->n; i++) {
			const struct row *row = &t->rows[i];

			row->type->expected(row, want, sizeof(want));
			printf("  %-18s %s (default: %s)\n  %-18s %s\n", row->name, row->help,
			       row->standard[0] ? row->standard : "-", "", want);
		}
	}
}
