/* SPDX-License-Identifier: MIT */
#include "sim/scenario_keys.h"

#include "base/units.h"
#include "sim/guest.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

int key_find_in(const char *name, const char *const *names, int n)
{
	for (int i = 0; i < n; i++) {
		if (!strcmp(name, names[i]))
			return i;
	}
	return -EINVAL;
}

/* The i-th name of a list that ends with NULL. */
#define NAMES(list, ...)                                                                           \
	static const char *list(size_t i)                                                          \
	{                                                                                          \
		static const char *const names[] = {__VA_ARGS__};                                  \
                                                                                                   \
		return i < ARRAY_SIZE(names) ? names[i] : NULL;                                    \
	}

NAMES(yes_no, "no", "yes")
NAMES(cells, "off", "hard", "prefer")
NAMES(trace_units, "cpus", "percent")
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

/* Bounds of times are in seconds. */
static const struct key_row host_rows[] = {
	{"hosts", KEY_COUNT, HOST(hosts), 1, 1e6, "1", "hosts alike, each with all VMs", NULL},
	{"cpus", KEY_COUNT, HOST(cpus), 1, 1e6, "1", "CPUs of a host, threads included", NULL},
	{"nodes", KEY_COUNT, HOST(nodes), 1, 1024, "1", "NUMA nodes; divides cpus", NULL},
	{"cell", KEY_COUNT, HOST(cell), 0, 1e6, "0", "CPUs of a cell or cache; 0: a node", NULL},
	{"cells", KEY_ONE_OF, HOST(cells), 0, 0, "off", "what a cell is to VMs", cells},
	{"smt", KEY_COUNT, HOST(smt), 1, 2, "1", "threads of a core; neighbours are siblings",
	 NULL},
	{"smt_speed", KEY_REAL, HOST(core.smt_speed), 0.1, 1, "0.5",
	 "speed of each thread while both run", NULL},
	{"cosched", KEY_ONE_OF, HOST(cosched), 0, 0, "relaxed", "co-scheduling of VMs",
	 cosched_name},
	{"offline", KEY_TEXT, HOST(offline), 0, 0, "none", "CPUs that are not there, as 1,4-6",
	 NULL},
	{"rebalance", KEY_ONE_OF, HOST(rebalance), 0, 0, "yes", "move VMs between nodes or cells",
	 yes_no},
	{"slice", KEY_TIME, HOST(core.slice), 1e-5, 1, "5ms",
	 "longest run before others are considered", NULL},
	{"wake_credit", KEY_TIME, HOST(core.wake_credit), 0, 1, "5ms",
	 "service that a waking vCPU may be behind", NULL},
	{"granularity", KEY_TIME, HOST(core.granularity), 0, 1, "0.5ms",
	 "a smaller lead preempts nobody", NULL},
	{"pull", KEY_TIME, HOST(core.pull), 0, 1, "1ms",
	 "a smaller lag moves nobody to another CPU", NULL},
	{"lag_bound", KEY_TIME, HOST(core.lag_bound), 0, 10, "100ms", "what a vCPU can be owed",
	 NULL},
	{"debt_bound", KEY_TIME, HOST(core.debt_bound), 0, 10, "40ms",
	 "what a vCPU can owe, and waits for later", NULL},
	{"skew_stop", KEY_TIME, HOST(core.skew_stop), 1e-5, 1, "3ms", "skew that co-stops", NULL},
	{"skew_start", KEY_TIME, HOST(core.skew_start), 0, 1, "2ms", "skew that lets go on", NULL},
	{"skew_poll", KEY_TIME, HOST(core.skew_poll), 1e-5, 1, "1ms",
	 "least time between looks at skew", NULL},
	{"limit_period", KEY_TIME, HOST(core.limit_period), 1e-3, 10, "100ms",
	 "period of a limit's budget", NULL},
	{"balance_period", KEY_TIME, HOST(core.balance_period), 1e-2, 1e4, "2s",
	 "time between balancings", NULL},
	{"balance_threshold", KEY_REAL, HOST(core.balance_threshold), 0, 1, "0.1",
	 "imbalance that is left alone", NULL},
	{"memory_move", KEY_TIME, HOST(core.memory_move), 1e-6, 1e4, "1s",
	 "time a VM's memory takes to follow it", NULL},
	{"switch_cost", KEY_TIME, HOST(switch_cost), 0, 0.1, "0s", "CPU time of a context switch",
	 NULL},
	{"exit_cost", KEY_TIME, HOST(exit_cost), 0, 0.1, "0s", "CPU time of a wake-up or an I/O",
	 NULL},
	{"refill_cost", KEY_TIME, HOST(refill_cost), 0, 0.1, "0s",
	 "CPU time lost by changing the CPU", NULL},
	{"refill_far", KEY_TIME, HOST(refill_far), 0, 0.1, "0s", "... to one with another cache",
	 NULL},
	{"standby", KEY_ONE_OF, HOST(standby), 0, 0, "no",
	 "no VM is placed there or moves there: it has failed, or is to spare", yes_no},
	{"memory", KEY_BYTES, HOST(memory), 0, 1e15, "0B", "for VMs; 0B: as much as they want",
	 NULL},
	{"disk_time", KEY_TIME, HOST(disk_time), 1e-8, 10, "60us", "mean time of a disk's request",
	 NULL},
	{"disk_rate", KEY_BYTES, HOST(disk_rate), 0, 1e15, "0B",
	 "bytes a second, in addition to that time; 0B: no bound", NULL},
	{"disk_width", KEY_COUNT, HOST(disk_width), 1, DISK_WIDTH, "1",
	 "requests that the disk serves at once", NULL},
};

static const struct key_row run_rows[] = {
	{"duration", KEY_TIME, RUN(duration), 1e-3, 1e6, "10s", "virtual time that is counted",
	 NULL},
	{"warmup", KEY_TIME, RUN(warmup), 0, 1e6, "0s", "virtual time before that", NULL},
	{"seeds", KEY_COUNT, RUN(seeds), 1, 1000, "1", "runs with different random numbers", NULL},
	{"compress", KEY_REAL, RUN(compress), 1e-3, 1e6, "1",
	 "seconds of days, traces and moves in one of the run; 1440: a day in a minute", NULL},
	{"hour", KEY_REAL, RUN(hour), 0, 24, "0", "time of day when the run begins, warm-up first",
	 NULL},
};

static const struct key_row cluster_rows[] = {
	{"place", KEY_ONE_OF, CLUSTER(place), 0, 0, "no",
	 "a VM without a host is placed on one, not on each", yes_no},
	{"rebalance", KEY_TIME, CLUSTER(rebalance), 0, 1e6, "0s",
	 "time between looks for VMs to move between hosts; 0s: never", NULL},
	{"threshold", KEY_REAL, CLUSTER(threshold), 0, 1, "0.1",
	 "imbalance of hosts that is left alone", NULL},
	{"busy", KEY_REAL, CLUSTER(busy), 0, 1, "0.6",
	 "load of a host, of its CPUs, below which no VM leaves it", NULL},
	{"link", KEY_BYTES, CLUSTER(link), 1e3, 1e15, "1250MB",
	 "bytes a second that a VM's memory moves with", NULL},
	{"move_cost", KEY_TIME, CLUSTER(move_cost), 0, 1000, "0.8s",
	 "CPU time to move a GiB, on each of the two hosts", NULL},
	{"downtime", KEY_TIME, CLUSTER(downtime), 1e-6, 100, "300ms",
	 "a VM stands still when the rest takes no longer", NULL},
};

static const struct key_row group_rows[] = {
	{"parent", KEY_WORD, GROUP(parent), 0, 0, "", "a group further up in the file", NULL},
	{"shares", KEY_REAL, GROUP(shares), 1e-3, 1e9, "1000", "against its siblings", NULL},
	{"reservation", KEY_REAL, GROUP(reservation), 0, 1e6, "0", "CPUs, at least", NULL},
	{"limit", KEY_CPUS, GROUP(limit), 1e-3, 1e6, "none", "CPUs, at most", NULL},
};

static const struct key_row vm_rows[] = {
	{"count", KEY_COUNT, VM(count), 0, 1e6, "1", "VMs like this on each host", NULL},
	{"vcpus", KEY_COUNT, VM(vcpus), 1, 1024, "1", "virtual CPUs of each", NULL},
	{"host", KEY_WORD, VM(host), 0, 0, "",
	 "the [host NAME] that has them; every host by default", NULL},
	{"group", KEY_WORD, VM(group), 0, 0, "", "the group they belong to", NULL},
	{"shares", KEY_SHARES, VM(shares), 1e-3, 1e9, "normal",
	 "of the VM; low, normal, high: 500, 1000, 2000 a vCPU", NULL},
	{"reservation", KEY_REAL, VM(reservation), 0, 1e6, "0", "CPUs, at least", NULL},
	{"limit", KEY_CPUS, VM(limit), 1e-3, 1e6, "none", "CPUs, at most", NULL},
	{"budget", KEY_BUDGET, VM(quota), 1e-6, 1e4, "",
	 "real time: CPU time in each period, before all", NULL},
	{"cosched", KEY_ONE_OF, VM(cosched), 0, 0, "", "co-scheduling; the host's by default",
	 cosched_name},
	{"workload", KEY_ONE_OF, VM(workload), 0, 0, "busy", "what the guest does", workload_name},
	{"active", KEY_COUNT, VM(active), 0, 1024, "0", "vCPUs that have work; 0: all", NULL},
	{"start", KEY_TIME, VM(start), 0, 1e6, "0s", "when the guest begins", NULL},
	{"burst", KEY_TIME, VM(burst), 1e-8, 1e4, "10ms", "mean work at a stretch", NULL},
	{"load", KEY_REAL, VM(load), 1e-4, 0.9999, "0.5", "duty: burst / (burst + idle time)",
	 NULL},
	{"demand", KEY_REAL, VM(demand), 0, 1024, "0",
	 "duty: CPUs that its vCPUs want together, instead of load; 0: by load", NULL},
	{"arrival", KEY_TIME, VM(arrival), 1e-8, 1e4, "20ms",
	 "requests: mean time between arrivals at the VM", NULL},
	{"random", KEY_ONE_OF, VM(fixed), 0, 0, "yes",
	 "durations are exponential, not all the same", yes_no},
	{"correlation", KEY_REAL, VM(correlation), 0, 1, "0", "duty: of the two threads of a pair",
	 NULL},
	{"block", KEY_ONE_OF, VM(block), LEDGER_SWAPWAIT, 0, "halt", "duty: state while not busy",
	 blocks},
	{"service", KEY_TIME, VM(service), 1e-8, 1e4, "4ms", "io: mean time in the device", NULL},
	{"streams", KEY_COUNT, VM(streams), 1, 1024, "1", "io: requests under way", NULL},
	{"hold", KEY_TIME, VM(hold), 1e-8, 1, "50us", "spinlock: mean time the lock is held", NULL},
	{"spin", KEY_TIME, VM(spin), 0, 1e4, "0s", "barrier: spins before it sleeps", NULL},
	{"tick_hz", KEY_COUNT, VM(tick_hz), 0, 10000, "0", "timer interrupts a second and vCPU",
	 NULL},
	{"tick_cost", KEY_TIME, VM(tick_cost), 0, 0.1, "0s", "CPU time of one", NULL},
	{"tick_broadcast", KEY_ONE_OF, VM(tick_broadcast), 0, 0, "no",
	 "each tick interrupts every vCPU", yes_no},
	{"tick_policy", KEY_ONE_OF, VM(tick_policy), 0, 0, "catchup",
	 "ticks: what becomes of a backlog", tick_policy_name},
	{"tick_ack", KEY_TIME, VM(tick_ack), 1e-7, 1, "20us", "ticks: VMDesched's time for one",
	 NULL},
	{"tick_by_run", KEY_ONE_OF, VM(tick_by_run), 0, 0, "no",
	 "ticks: due by run and away time as in 'desched vm', not by place", yes_no},
	{"day", KEY_DAY, VM(day), 0, 100, "",
	 "duty, requests: factors of the demand by the hour, or a wave", NULL},
	{"trace", KEY_TEXT, VM(trace), 0, 0, "",
	 "duty, requests: CSV file with the demand, relative to the scenario", NULL},
	{"trace_column", KEY_TEXT, VM(trace_column), 0, 0, "1",
	 "its column, by name or by number from 1 on", NULL},
	{"trace_unit", KEY_ONE_OF, VM(trace_unit), 0, 0, "",
	 "of its values: 1 is one CPU, or 100 is all vCPUs", trace_units},
	{"trace_step", KEY_TIME, VM(trace_step), 1e-3, 1e6, "300s", "time from row to row", NULL},
	{"trace_scale", KEY_REAL, VM(trace_scale), 0, 1e6, "1", "factor of its values", NULL},
	{"trace_end", KEY_ONE_OF, VM(trace_end), 0, 0, "repeat",
	 "behind the last row; stretch: the rows fill the run", trace_ends},
	{"memory", KEY_BYTES, VM(memory), 0, 1e15, "0B", "its size", NULL},
	{"working_set", KEY_BYTES, VM(working_set), 0, 1e15, "0B",
	 "memory that it uses; 0B: all of it", NULL},
	{"memory_reserved", KEY_BYTES, VM(memory_reserved), 0, 1e15, "0B",
	 "memory that the host never takes from it", NULL},
	{"touches", KEY_REAL, VM(touches), 0, 1e9, "10000",
	 "pages it turns to in a CPU second; those not in memory are faults", NULL},
	{"dirty", KEY_BYTES, VM(dirty), 0, 1e15, "0B",
	 "bytes it writes in a CPU second, to be sent again while it moves", NULL},
	{"device", KEY_ONE_OF, VM(device), 0, 0, "own",
	 "io: a device with its own service time, or the host's disk", devices},
	{"io_size", KEY_BYTES, VM(io_size), 0, 1e12, "4KiB", "io: bytes of a request", NULL},
	{"processes", KEY_PROCESSES, VM(processes), 0, 0, "", "ticks: NAME:LOAD ...", NULL},
};

_Static_assert(ARRAY_SIZE(host_rows) <= SCENARIO_KEYS && ARRAY_SIZE(run_rows) <= SCENARIO_KEYS &&
		       ARRAY_SIZE(cluster_rows) <= SCENARIO_KEYS &&
		       ARRAY_SIZE(group_rows) <= SCENARIO_KEYS &&
		       ARRAY_SIZE(vm_rows) <= SCENARIO_KEYS,
	       "SCENARIO_KEYS");

const struct key_table key_tables[SECTIONS] = {
	[SECTION_HOST] = {"host", host_rows, ARRAY_SIZE(host_rows)},
	[SECTION_RUN] = {"run", run_rows, ARRAY_SIZE(run_rows)},
	[SECTION_CLUSTER] = {"cluster", cluster_rows, ARRAY_SIZE(cluster_rows)},
	[SECTION_GROUP] = {"group NAME", group_rows, ARRAY_SIZE(group_rows)},
	[SECTION_VM] = {"vm NAME", vm_rows, ARRAY_SIZE(vm_rows)},
};

int key_find(enum key_section section, const char *key)
{
	const struct key_table *t = &key_tables[section];

	for (uint32_t i = 0; i < t->n; i++) {
		if (!strcmp(t->rows[i].key, key))
			return (int)i;
	}
	return -ENOENT;
}

int key_set(enum key_section section, void *base, const char *key, const char *value,
	    struct failure *f)
{
	const struct key_table *t = &key_tables[section];
	int i = key_find(section, key);
	const struct key_row *row;
	char want[160];

	if (i < 0)
		return failure_set(
			f, -ENOENT,
			"unknown key '%.60s' in [%s]; `desched sim --keys` lists what there is",
			key, t->section);
	row = &t->rows[i];
	if (key_store(row, base, value)) {
		key_expected(row, want, sizeof(want));
		return failure_set(f, -EINVAL, "%s = %.60s: expected %s", key, value, want);
	}
	if (row->offset == VM(fixed) && section == SECTION_VM)
		((struct vm_spec *)base)->fixed ^= 1;
	return 0;
}

void key_defaults(enum key_section section, void *base)
{
	const struct key_table *t = &key_tables[section];

	for (uint32_t i = 0; i < t->n; i++) {
		if (t->rows[i].standard[0])
			key_set(section, base, t->rows[i].key, t->rows[i].standard, NULL);
	}
	if (section == SECTION_VM) {
		((struct vm_spec *)base)->cosched = COSCHED_ROWS;
		((struct vm_spec *)base)->trace_unit = TRACE_UNITS;
	}
}

void scenario_list_keys(void)
{
	char want[160];

	for (int s = 0; s < SECTIONS; s++) {
		const struct key_table *t = &key_tables[s];

		printf("[%s]\n", t->section);
		for (uint32_t i = 0; i < t->n; i++) {
			key_expected(&t->rows[i], want, sizeof(want));
			printf("  %-18s %s (default: %s)\n  %-18s %s\n", t->rows[i].key,
			       t->rows[i].help, t->rows[i].standard[0] ? t->rows[i].standard : "-",
			       "", want);
		}
	}
}
