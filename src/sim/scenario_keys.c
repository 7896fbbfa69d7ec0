/* SPDX-License-Identifier: MIT */
#include "sim/scenario_keys.h"

#include "base/options.h"
#include "base/units.h"
#include "sim/guest.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int find_in(const char *name, const char *const *names, int n)
{
	for (int i = 0; i < n; i++) {
		if (!strcmp(name, names[i]))
			return i;
	}
	return -EINVAL;
}

static int find_yes_no(const char *name)
{
	static const char *const names[] = {"no", "yes"};

	return find_in(name, names, 2);
}

static int find_cells(const char *name)
{
	static const char *const names[] = {"off", "hard", "prefer"};

	return find_in(name, names, 3);
}

static int find_block(const char *name)
{
	for (uint32_t i = LEDGER_SWAPWAIT; i < LEDGER_STATES; i++) {
		if (!strcmp(name, ledger_state_name(i)))
			return (int)i;
	}
	return -EINVAL;
}

#define COSCHEDS  "none, strict, relaxed, balance"
#define WORKLOADS "busy, duty, io, barrier, spinlock, ticks, idle, requests"
#define POLICIES  "delay, catchup, merge, discard, desched"

#define HOST(field)  offsetof(struct host_spec, field)
#define RUN(field)   offsetof(struct run_spec, field)
#define GROUP(field) offsetof(struct group_spec, field)
#define VM(field)    offsetof(struct vm_spec, field)

/* Bounds of times are in seconds. */
static const struct key_row host_rows[] = {
	{"hosts", KEY_COUNT, HOST(hosts), 1, 1e6, "1", "hosts alike, each with all VMs", NULL,
	 NULL},
	{"cpus", KEY_COUNT, HOST(cpus), 1, 1e6, "1", "CPUs of a host, threads included", NULL,
	 NULL},
	{"nodes", KEY_COUNT, HOST(nodes), 1, 1024, "1", "NUMA nodes; divides cpus", NULL, NULL},
	{"cell", KEY_COUNT, HOST(cell), 0, 1e6, "0", "CPUs of a cell or cache; 0: a node", NULL,
	 NULL},
	{"cells", KEY_ONE_OF, HOST(cells), 0, 0, "off", "what a cell is to VMs", find_cells,
	 "off, hard, prefer"},
	{"smt", KEY_COUNT, HOST(smt), 1, 2, "1", "threads of a core; neighbours are siblings", NULL,
	 NULL},
	{"smt_speed", KEY_REAL, HOST(core.smt_speed), 0.1, 1, "0.5",
	 "speed of each thread while both run", NULL, NULL},
	{"cosched", KEY_ONE_OF, HOST(cosched), 0, 0, "relaxed", "co-scheduling of VMs",
	 cosched_find, COSCHEDS},
	{"rebalance", KEY_ONE_OF, HOST(rebalance), 0, 0, "yes", "move VMs between nodes or cells",
	 find_yes_no, "no, yes"},
	{"slice", KEY_TIME, HOST(core.slice), 1e-5, 1, "5ms",
	 "longest run before others are considered", NULL, NULL},
	{"wake_credit", KEY_TIME, HOST(core.wake_credit), 0, 1, "5ms",
	 "service that a waking vCPU may be behind", NULL, NULL},
	{"granularity", KEY_TIME, HOST(core.granularity), 0, 1, "0.5ms",
	 "a smaller lead preempts nobody", NULL, NULL},
	{"pull", KEY_TIME, HOST(core.pull), 0, 1, "1ms",
	 "a smaller lag moves nobody to another CPU", NULL, NULL},
	{"lag_bound", KEY_TIME, HOST(core.lag_bound), 0, 10, "100ms",
	 "what a co-stopped vCPU can be owed", NULL, NULL},
	{"skew_stop", KEY_TIME, HOST(core.skew_stop), 1e-5, 1, "3ms", "skew that co-stops", NULL,
	 NULL},
	{"skew_start", KEY_TIME, HOST(core.skew_start), 0, 1, "2ms", "skew that lets go on", NULL,
	 NULL},
	{"skew_poll", KEY_TIME, HOST(core.skew_poll), 1e-5, 1, "1ms",
	 "least time between looks at skew", NULL, NULL},
	{"limit_period", KEY_TIME, HOST(core.limit_period), 1e-3, 10, "100ms",
	 "period of a limit's budget", NULL, NULL},
	{"balance_period", KEY_TIME, HOST(core.balance_period), 1e-2, 1e4, "2s",
	 "time between balancings", NULL, NULL},
	{"balance_threshold", KEY_REAL, HOST(core.balance_threshold), 0, 1, "0.1",
	 "imbalance that is left alone", NULL, NULL},
	{"memory_move", KEY_TIME, HOST(core.memory_move), 1e-6, 1e4, "1s",
	 "time a VM's memory takes to follow it", NULL, NULL},
	{"switch_cost", KEY_TIME, HOST(switch_cost), 0, 0.1, "0s", "CPU time of a context switch",
	 NULL, NULL},
	{"exit_cost", KEY_TIME, HOST(exit_cost), 0, 0.1, "0s", "CPU time of a wake-up or an I/O",
	 NULL, NULL},
	{"refill_cost", KEY_TIME, HOST(refill_cost), 0, 0.1, "0s",
	 "CPU time lost by changing the CPU", NULL, NULL},
	{"refill_far", KEY_TIME, HOST(refill_far), 0, 0.1, "0s", "... to one with another cache",
	 NULL, NULL},
};

static const struct key_row run_rows[] = {
	{"duration", KEY_TIME, RUN(duration), 1e-3, 1e6, "10s", "virtual time that is counted",
	 NULL, NULL},
	{"warmup", KEY_TIME, RUN(warmup), 0, 1e6, "0s", "virtual time before that", NULL, NULL},
	{"seeds", KEY_COUNT, RUN(seeds), 1, 1000, "1", "runs with different random numbers", NULL,
	 NULL},
};

static const struct key_row group_rows[] = {
	{"parent", KEY_WORD, GROUP(parent), 0, 0, "", "a group further up in the file", NULL, NULL},
	{"shares", KEY_REAL, GROUP(shares), 1e-3, 1e9, "1000", "against its siblings", NULL, NULL},
	{"reservation", KEY_REAL, GROUP(reservation), 0, 1e6, "0", "CPUs, at least", NULL, NULL},
	{"limit", KEY_CPUS, GROUP(limit), 1e-3, 1e6, "none", "CPUs, at most", NULL, NULL},
};

static const struct key_row vm_rows[] = {
	{"count", KEY_COUNT, VM(count), 1, 1e6, "1", "VMs like this on each host", NULL, NULL},
	{"vcpus", KEY_COUNT, VM(vcpus), 1, 1024, "1", "virtual CPUs of each", NULL, NULL},
	{"host", KEY_WORD, VM(host), 0, 0, "",
	 "the [host NAME] that has them; every host by default", NULL, NULL},
	{"group", KEY_WORD, VM(group), 0, 0, "", "the group they belong to", NULL, NULL},
	{"shares", KEY_SHARES, VM(shares), 1e-3, 1e9, "normal",
	 "of the VM; low, normal, high: 500, 1000, 2000 a vCPU", NULL, NULL},
	{"reservation", KEY_REAL, VM(reservation), 0, 1e6, "0", "CPUs, at least", NULL, NULL},
	{"limit", KEY_CPUS, VM(limit), 1e-3, 1e6, "none", "CPUs, at most", NULL, NULL},
	{"budget", KEY_BUDGET, VM(quota), 1e-6, 1e4, "",
	 "real time: CPU time in each period, before all", NULL, NULL},
	{"cosched", KEY_ONE_OF, VM(cosched), 0, 0, "", "co-scheduling; the host's by default",
	 cosched_find, COSCHEDS},
	{"workload", KEY_ONE_OF, VM(workload), 0, 0, "busy", "what the guest does", workload_find,
	 WORKLOADS},
	{"active", KEY_COUNT, VM(active), 0, 1024, "0", "vCPUs that have work; 0: all", NULL, NULL},
	{"start", KEY_TIME, VM(start), 0, 1e6, "0s", "when the guest begins", NULL, NULL},
	{"burst", KEY_TIME, VM(burst), 1e-8, 1e4, "10ms", "mean work at a stretch", NULL, NULL},
	{"load", KEY_REAL, VM(load), 1e-4, 0.9999, "0.5", "duty: burst / (burst + idle time)", NULL,
	 NULL},
	{"demand", KEY_REAL, VM(demand), 0, 1024, "0",
	 "duty: CPUs that its vCPUs want together, instead of load; 0: by load", NULL, NULL},
	{"arrival", KEY_TIME, VM(arrival), 1e-8, 1e4, "20ms",
	 "requests: mean time between arrivals at the VM", NULL, NULL},
	{"random", KEY_ONE_OF, VM(fixed), 0, 0, "yes",
	 "durations are exponential, not all the same", find_yes_no, "no, yes"},
	{"correlation", KEY_REAL, VM(correlation), 0, 1, "0", "duty: of the two threads of a pair",
	 NULL, NULL},
	{"block", KEY_ONE_OF, VM(block), 0, 0, "halt", "duty: state while not busy", find_block,
	 "swapwait, halt, wait"},
	{"service", KEY_TIME, VM(service), 1e-8, 1e4, "4ms", "io: mean time in the device", NULL,
	 NULL},
	{"streams", KEY_COUNT, VM(streams), 1, 1024, "1", "io: requests under way", NULL, NULL},
	{"hold", KEY_TIME, VM(hold), 1e-8, 1, "50us", "spinlock: mean time the lock is held", NULL,
	 NULL},
	{"spin", KEY_TIME, VM(spin), 0, 1e4, "0s", "barrier: spins before it sleeps", NULL, NULL},
	{"tick_hz", KEY_COUNT, VM(tick_hz), 0, 10000, "0", "timer interrupts a second and vCPU",
	 NULL, NULL},
	{"tick_cost", KEY_TIME, VM(tick_cost), 0, 0.1, "0s", "CPU time of one", NULL, NULL},
	{"tick_broadcast", KEY_ONE_OF, VM(tick_broadcast), 0, 0, "no",
	 "each tick interrupts every vCPU", find_yes_no, "no, yes"},
	{"tick_policy", KEY_ONE_OF, VM(tick_policy), 0, 0, "catchup",
	 "ticks: what becomes of a backlog", tick_find, POLICIES},
	{"tick_ack", KEY_TIME, VM(tick_ack), 1e-7, 1, "20us", "ticks: VMDesched's time for one",
	 NULL, NULL},
	{"tick_by_run", KEY_ONE_OF, VM(tick_by_run), 0, 0, "no",
	 "ticks: due by run and away time as in 'desched vm', not by place", find_yes_no,
	 "no, yes"},
	{"processes", KEY_PROCESSES, VM(processes), 0, 0, "", "ticks: NAME:LOAD ...", NULL, NULL},
};

_Static_assert(ARRAY_SIZE(host_rows) <= SCENARIO_KEYS && ARRAY_SIZE(run_rows) <= SCENARIO_KEYS &&
		       ARRAY_SIZE(group_rows) <= SCENARIO_KEYS &&
		       ARRAY_SIZE(vm_rows) <= SCENARIO_KEYS,
	       "SCENARIO_KEYS");

const struct key_table key_tables[SECTIONS] = {
	[SECTION_HOST] = {"host", host_rows, ARRAY_SIZE(host_rows)},
	[SECTION_RUN] = {"run", run_rows, ARRAY_SIZE(run_rows)},
	[SECTION_GROUP] = {"group NAME", group_rows, ARRAY_SIZE(group_rows)},
	[SECTION_VM] = {"vm NAME", vm_rows, ARRAY_SIZE(vm_rows)},
};

static int real(const char *text, char **end, double *ret)
{
	if (!isdigit((unsigned char)text[0]) && text[0] != '.')
		return -EINVAL;
	if (strpbrk(text, "xXpP") && text[0] == '0' && (text[1] == 'x' || text[1] == 'X'))
		return -EINVAL;
	*ret = strtod(text, end);
	return isfinite(*ret) && *end != text ? 0 : -EINVAL;
}

static int set_real(const struct key_row *row, double *to, const char *value)
{
	char *end;
	double v;

	if (real(value, &end, &v) || *end || v < row->min || v > row->max)
		return -EINVAL;
	*to = v;
	return 0;
}

static int set_count(const struct key_row *row, uint32_t *to, const char *value)
{
	uint64_t v;

	if (parse_uint(value, &v) || (double)v < row->min || (double)v > row->max)
		return -EINVAL;
	*to = (uint32_t)v;
	return 0;
}

/* Seconds of a number with a unit; ends where the unit does. */
static int seconds(const char *value, const char **ret_end, double *ret)
{
	static const struct {
		const char *unit;
		double seconds;
	} units[] = {{"ns", 1e-9}, {"us", 1e-6}, {"ms", 1e-3}, {"s", 1}};
	char *end;
	double v;

	if (real(value, &end, &v))
		return -EINVAL;
	for (size_t i = 0; i < ARRAY_SIZE(units); i++) {
		size_t len = strlen(units[i].unit);

		if (strncmp(end, units[i].unit, len))
			continue;
		*ret = v * units[i].seconds;
		*ret_end = end + len;
		return 0;
	}
	return -EINVAL;
}

static int set_time(const struct key_row *row, uint64_t *to, const char *value)
{
	const char *end;
	double v;

	if (seconds(value, &end, &v) || *end || v < row->min * (1 - 1e-9) ||
	    v > row->max * (1 + 1e-9))
		return -EINVAL;
	*to = (uint64_t)llround(v * 1e9);
	return 0;
}

static int set_budget(const struct key_row *row, struct vm_spec *vm, const char *value)
{
	const char *end;
	double quota, period;

	if (seconds(value, &end, &quota) || *end != '/' || seconds(end + 1, &end, &period) || *end)
		return -EINVAL;
	if (quota < row->min || quota > period || period > row->max)
		return -EINVAL;
	vm->quota = (uint64_t)llround(quota * 1e9);
	vm->period = (uint64_t)llround(period * 1e9);
	return 0;
}

static int set_shares(const struct key_row *row, double *to, const char *value)
{
	static const char *const names[] = {"low", "normal", "high"};
	static const double per_vcpu[] = {ENTITLE_SHARES_LOW, ENTITLE_SHARES_NORMAL,
					  ENTITLE_SHARES_HIGH};
	int named = find_in(value, names, 3);

	if (named < 0)
		return set_real(row, to, value);
	*to = -per_vcpu[named];
	return 0;
}

static bool is_name(const char *text)
{
	size_t len = strlen(text);

	if (!len || len >= SCENARIO_NAME)
		return false;
	for (; *text; text++) {
		if (!isalnum((unsigned char)*text) && *text != '_' && *text != '-')
			return false;
	}
	return true;
}

/* One "A:0.4" at *at, which moves behind it and the blanks that follow. */
static int set_process(struct process_spec *p, const char **at)
{
	size_t len = strcspn(*at, ":");
	char *end;

	if (!(*at)[len] || len >= SCENARIO_NAME)
		return -EINVAL;
	memset(p, 0, sizeof(*p));
	memcpy(p->name, *at, len);
	if (!is_name(p->name) || real(*at + len + 1, &end, &p->load))
		return -EINVAL;
	*at = end + strspn(end, " ");
	return *at == end && *end ? -EINVAL : 0;
}

/* "A:0.4 B:0.2": at most SCENARIO_PROCESSES, loads up to 1 in sum. */
static int set_processes(struct vm_spec *vm, const char *value)
{
	struct process_spec list[SCENARIO_PROCESSES];
	double sum = 0;
	uint32_t n = 0;

	while (*value && n < SCENARIO_PROCESSES) {
		if (set_process(&list[n], &value))
			return -EINVAL;
		sum += list[n++].load;
	}
	if (*value || !n || sum > 1 + 1e-9)
		return -EINVAL;
	memcpy(vm->processes, list, sizeof(list[0]) * n);
	vm->n_processes = n;
	return 0;
}

static int set_one_of(const struct key_row *row, uint32_t *to, const char *value)
{
	int found = row->find(value);

	if (found < 0)
		return -EINVAL;
	*to = (uint32_t)found;
	return 0;
}

static int set_word(char *to, const char *value)
{
	if (!is_name(value))
		return -EINVAL;
	snprintf(to, SCENARIO_NAME, "%s", value);
	return 0;
}

static int store(const struct key_row *row, void *base, const char *value)
{
	void *to = (char *)base + row->offset;

	switch (row->type) {
	case KEY_TIME:
		return set_time(row, to, value);
	case KEY_COUNT:
		return set_count(row, to, value);
	case KEY_REAL:
		return set_real(row, to, value);
	case KEY_CPUS:
		if (strcmp(value, "none"))
			return set_real(row, to, value);
		*(double *)to = ENTITLE_UNLIMITED;
		return 0;
	case KEY_SHARES:
		return set_shares(row, to, value);
	case KEY_WORD:
		return set_word(to, value);
	case KEY_ONE_OF:
		return set_one_of(row, to, value);
	case KEY_BUDGET:
		return set_budget(row, base, value);
	case KEY_PROCESSES:
		return set_processes(base, value);
	}
	return -EINVAL;
}

/* What a row accepts, for people. */
static void expected(const struct key_row *row, char *buf, size_t size)
{
	switch (row->type) {
	case KEY_TIME:
		snprintf(buf, size, "a time such as 5ms, from %gs to %gs", row->min, row->max);
		break;
	case KEY_COUNT:
		snprintf(buf, size, "a whole number from %g to %g", row->min, row->max);
		break;
	case KEY_REAL:
		snprintf(buf, size, "a number from %g to %g", row->min, row->max);
		break;
	case KEY_CPUS:
		snprintf(buf, size, "CPUs from %g to %g, or none", row->min, row->max);
		break;
	case KEY_SHARES:
		snprintf(buf, size, "low, normal, high or a number from %g to %g", row->min,
			 row->max);
		break;
	case KEY_WORD:
		snprintf(buf, size, "a name of letters, digits, - and _ (at most %d)",
			 SCENARIO_NAME - 1);
		break;
	case KEY_ONE_OF:
		snprintf(buf, size, "one of %s", row->choices);
		break;
	case KEY_BUDGET:
		snprintf(buf, size, "CPU time / period, such as 4ms/10ms, the first no longer");
		break;
	case KEY_PROCESSES:
		snprintf(buf, size, "NAME:LOAD ..., at most %d, loads up to 1 in sum",
			 SCENARIO_PROCESSES);
		break;
	}
}

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
	if (store(row, base, value)) {
		expected(row, want, sizeof(want));
		return failure_set(f, -EINVAL, "%s = %.60s: expected %s", key, value, want);
	}
	if (row->find == find_yes_no && !strcmp(key, "random"))
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
	if (section == SECTION_VM)
		((struct vm_spec *)base)->cosched = COSCHED_ROWS;
}

void scenario_list_keys(void)
{
	char want[160];

	for (int s = 0; s < SECTIONS; s++) {
		const struct key_table *t = &key_tables[s];

		printf("[%s]\n", t->section);
		for (uint32_t i = 0; i < t->n; i++) {
			expected(&t->rows[i], want, sizeof(want));
			printf("  %-18s %s (default: %s)\n  %-18s %s\n", t->rows[i].key,
			       t->rows[i].help, t->rows[i].standard[0] ? t->rows[i].standard : "-",
			       "", want);
		}
	}
}
