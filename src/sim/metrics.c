/* SPDX-License-Identifier: MIT */
#include "sim/metrics.h"

#include "base/units.h"
#include "sim/memory.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const struct metric_row vm_metric_rows[VM_METRICS] = {
	[METRIC_CPU] = {"cpu", "CPUs: run"},
	[METRIC_READY] = {"ready", "CPUs: runnable, waiting for a CPU"},
	[METRIC_COSTOP] = {"costop", "CPUs: held back for siblings"},
	[METRIC_LIMITED] = {"limited", "CPUs: held back by the limit"},
	[METRIC_SWAPWAIT] = {"swapwait", "CPUs: waiting for guest memory"},
	[METRIC_HALT] = {"halt", "CPUs: idle"},
	[METRIC_WAIT] = {"wait", "CPUs: waiting for other host work"},
	[METRIC_WORK] = {"work", "CPUs: useful work, without overhead and spinning"},
	[METRIC_WASTED] = {"wasted", "CPUs: spinning"},
	[METRIC_OVERHEAD] = {"overhead", "CPUs: switches, exits, refills"},
	[METRIC_OPS] = {"ops", "operations a second: bursts, I/Os, rounds, locks"},
	[METRIC_DELAY] = {"delay", "s: the longest time it wanted to run and did not"},
	[METRIC_SKEW] = {"skew", "s: largest lead over a busy sibling seen (relaxed)"},
	[METRIC_COSTOPS] = {"costops", "co-stops a second"},
	[METRIC_LOCAL] = {"local", "share of run time with memory on the own node"},
	[METRIC_MOVES] = {"moves", "dispatches on another CPU, a second"},
	[METRIC_HOMES] = {"homes", "moves to another node or cell"},
	[METRIC_DOMAIN] = {"domain", "number of the node or cell it is in at the end"},
	[METRIC_LAG] = {"lag", "s: what the guest's clock has fallen behind"},
	[METRIC_BEHIND] = {"behind", "s: the most that the guest's clock has been behind"},
	[METRIC_CATCHUP] = {"catchup", "s: the longest time from a resume until even"},
	[METRIC_BACKLOG] = {"backlog", "ticks: largest backlog"},
	[METRIC_LOST] = {"lost", "ticks dropped"},
	[METRIC_RESYNCS] = {"resyncs", "resynchronizations of the guest's clock"},
	[METRIC_READY_P50] = {"ready_p50", "s: half of the waits for a CPU were at most this long"},
	[METRIC_READY_P95] = {"ready_p95", "s: likewise 95 % of them"},
	[METRIC_READY_P99] = {"ready_p99", "s: likewise 99 % of them"},
	[METRIC_READY_MAX] = {"ready_max", "s: the longest"},
	[METRIC_RESPONSE] = {"response", "s: mean time from a request's arrival to its end"},
	[METRIC_RESPONSE_P50] = {"response_p50", "s: half of the requests took at most this long"},
	[METRIC_RESPONSE_P95] = {"response_p95", "s: likewise 95 % of them"},
	[METRIC_RESPONSE_P99] = {"response_p99", "s: likewise 99 % of them"},
	[METRIC_RESPONSE_MAX] = {"response_max", "s: the longest"},
	[METRIC_QUEUE] = {"queue", "requests that have arrived and are not done at the end"},
	[METRIC_FAULTS] = {"faults", "a second: pages that were not in memory"},
	[METRIC_PRESENT] = {"present", "share of the working set that is in memory at the end"},
	[METRIC_MOVED] = {"moved", "moves to another host"},
	[METRIC_DOWNTIME] = {"downtime", "s of the day: time that it stood still for them"},
	[METRIC_HOST] = {"host", "number of the host it is on at the end, from 0 on"},
};

const struct metric_row process_metric_rows[PROCESS_METRICS] = {
	[PROCESS_TRUE] = {"true", "CPUs: executed (vmdesched: descheduled)"},
	[PROCESS_CHARGED] = {"charged", "CPUs: as the guest's ticks have it"},
	[PROCESS_ERROR] = {"error", "charged / true - 1"},
	[PROCESS_CORRECTED] = {"corrected", "the same after correction by w"},
};

const struct metric_row host_metric_rows[HOST_METRICS] = {
	[HOST_CPUS] = {"cpus", "CPUs of a host"},
	[HOST_BUSY] = {"busy", "share of CPU time that ran guests"},
	[HOST_HELD] = {"held", "... that was held by a gang, busy or not"},
	[HOST_IDLE] = {"idle", "... that nobody held"},
	[HOST_WASTE] = {"waste", "share of time with a CPU idle while a queue was not empty"},
	[HOST_IMBALANCE] = {"imbalance", "1 - least / most loaded domain, by run and ready time"},
	[HOST_SWITCHES] = {"switches", "context switches a second"},
	[HOST_OVERHEAD] = {"overhead", "CPUs: switches, exits, refills"},
	[HOST_FAULTS] = {"faults", "a second: pages of VMs that were not in memory"},
	[HOST_DISK] = {"disk", "share of time that the disk served requests"},
	[HOST_DISK_WAIT] = {"disk_wait", "s: mean time of a request, in queue and service"},
	[HOST_MEMORY] = {"memory", "working sets over memory, at the end"},
	[HOST_MOVING] = {"moving", "CPUs: moving VMs' memory"},
	[HOST_REFUSED] = {"refused", "1 if the host was not admitted"},
	[HOST_REFUSALS] = {"refusals", "changes that were not admitted"},
	[HOST_VALID] = {"valid", "1 if every ledger's identity holds"},
};

static void take_ticks(const struct sim *s, const struct sim_vm *vm, struct vm_result *r)
{
	const struct tick_guest *t = vm->ticks;
	double wall = ns_to_s(s->now - s->start), tick = ns_to_s(t->tick.period), charged = 0, w;
	uint32_t idle = vm->spec->n_processes, vmd = idle + 1;

	for (uint32_t i = 0; i <= vmd; i++)
		charged += i == idle ? 0 : (double)t->charged[i] * tick;
	w = r->values[METRIC_CPU] * wall / charged;
	for (uint32_t i = 0; i <= vmd; i++) {
		double *p = r->processes[i], truth = ns_to_s(t->truth[i]);

		if (i == idle)
			truth = ns_to_s(r->ledger.ns[LEDGER_HALT]);
		if (i == vmd)
			truth = ns_to_s(ledger_descheduled(&r->ledger));
		p[PROCESS_TRUE] = truth / wall;
		p[PROCESS_CHARGED] = (double)t->charged[i] * tick / wall;
		p[PROCESS_ERROR] = (double)t->charged[i] * tick / truth - 1;
		p[PROCESS_CORRECTED] = (double)t->charged[i] * tick * w / truth - 1;
	}
	if (vm->n) /* a VM that is gone has no clock */
		r->values[METRIC_LAG] = ((double)s->now - (double)tick_guest_time(&t->tick) -
					 (double)t->lag_base) /
					1e9;
	r->values[METRIC_BEHIND] = ns_to_s(t->behind);
	r->values[METRIC_CATCHUP] = ns_to_s(t->late_worst);
	r->values[METRIC_BACKLOG] = (double)t->tick.worst;
	r->values[METRIC_LOST] = (double)t->tick.lost;
	r->values[METRIC_RESYNCS] = (double)t->tick.resyncs;
}

static void take_vcpus(const struct sim *s, uint32_t id, struct vm_result *r)
{
	const struct sim_vm *vm = &s->vms[id];
	double wall = ns_to_s(s->now - s->start), ops = 0, work = 0, delay = 0, moves = 0,
	       wasted = ns_to_s(s->vms[id].wasted);

	ledger_start(&r->ledger, s->now, LEDGER_HALT);
	for (uint32_t i = vm->first; i < vm->first + vm->room; i++) {
		const struct guest *g = &s->guests[i];
		struct core_vcpu_figures v;

		core_read_vcpu(s->core, i, &v);
		ledger_merge(&r->ledger, v.ledger);
		ops += (double)g->ops;
		work += ns_to_s(g->work);
		delay = fmax(delay, ns_to_s(v.delay));
		moves += v.moves;
	}
	for (uint32_t st = 0; st < LEDGER_STATES; st++)
		r->values[METRIC_CPU + st] = ns_to_s(r->ledger.ns[st]) / wall;
	r->values[METRIC_OPS] = ops / wall;
	r->values[METRIC_WORK] = (work - wasted) / wall;
	r->values[METRIC_WASTED] = wasted / wall;
	r->values[METRIC_DELAY] = delay;
	r->values[METRIC_MOVES] = moves / wall;
}

/* p50, p95, p99 and the longest, from a metric on. */
static void take_quantiles(const struct quantiles *q, struct vm_result *r, enum vm_metric from)
{
	static const double parts[] = {0.5, 0.95, 0.99};

	for (int i = 0; i < 3; i++)
		r->values[from + i] = quantiles_at(q, parts[i]) / 1e9;
	r->values[from + 3] = ns_to_s(q->max);
}

static void take_requests(const struct sim *s, uint32_t id, struct vm_result *r)
{
	const struct quantiles *q = &s->vms[id].requests->response;

	take_quantiles(q, r, METRIC_RESPONSE_P50);
	r->values[METRIC_RESPONSE] = q->n ? ns_to_s(q->sum) / (double)q->n : 0;
	r->values[METRIC_QUEUE] = (double)workload_requests_queued(s, id);
	r->served = q->n;
}

static int take_vm(const struct sim *s, uint32_t id, struct vm_result *r)
{
	double wall = ns_to_s(s->now - s->start);
	struct core_vm_figures vm;

	core_read_vm(s->core, id, &vm);

	r->section = s->vms[id].section;
	take_vcpus(s, id, r);
	r->values[METRIC_OVERHEAD] = ns_to_s(s->vms[id].overhead) / wall;
	r->values[METRIC_SKEW] = ns_to_s(vm.skew_worst);
	r->values[METRIC_COSTOPS] = (double)vm.costops / wall;
	r->values[METRIC_LOCAL] = (double)vm.local_ns /
				  fmax(1, (double)(vm.local_ns + vm.remote_ns));
	r->values[METRIC_HOMES] = vm.migrations;
	r->values[METRIC_DOMAIN] = vm.domain;
	if (s->waits) {
		take_quantiles(waits_of(s->waits, id), r, METRIC_READY_P50);
		r->waited = waits_of(s->waits, id)->n;
	}
	if (s->vms[id].requests)
		take_requests(s, id, r);
	r->values[METRIC_FAULTS] = s->memory ? (double)s->memory->faults[id] / wall : 0;
	r->values[METRIC_PRESENT] = s->memory ? s->memory->present[id] : 1;
	if (!s->vms[id].ticks)
		return 0;
	r->processes = calloc(SCENARIO_PROCESSES + 2, sizeof(*r->processes));
	if (!r->processes)
		return -ENOMEM;
	take_ticks(s, &s->vms[id], r);
	return 0;
}

/* By what its VMs ran and waited: 1 - least / most. */
static double imbalance(const struct sim *s, const struct result *r)
{
	double least = INFINITY, most = 0;

	for (uint32_t d = 0; d < core_shape(s->core)->domains; d++) {
		struct core_domain_figures domain;
		double load = 0;

		for (uint32_t i = 0; i < r->n_vms; i++) {
			const struct vm_result *vm = &r->vms[i];

			if ((uint32_t)vm->values[METRIC_DOMAIN] == d)
				load += vm->values[METRIC_CPU] + vm->values[METRIC_READY] +
					vm->values[METRIC_COSTOP];
		}
		core_read_domain(s->core, d, &domain);
		load /= domain.cpus;
		least = fmin(least, load);
		most = fmax(most, load);
	}
	return most > 0 ? 1 - least / most : 0;
}

static void take_memory(const struct sim *s, double wall, struct result *r)
{
	const struct memory *m = s->memory;
	const struct host_spec *h = &s->scenario->host;

	if (!m)
		return;
	r->host[HOST_FAULTS] = (double)m->all_faults / wall;
	r->host[HOST_DISK] = ns_to_s(memory_disk_busy(s)) / wall / h->disk_width;
	if (m->disk.requests)
		r->host[HOST_DISK_WAIT] = ns_to_s(m->disk.waits) / (double)m->disk.requests;
	if (h->memory)
		r->host[HOST_MEMORY] = (double)m->want / (double)h->memory;
}

/* Every nanosecond of every vCPU is in one state. */
static bool ledgers_valid(const struct sim *s)
{
	bool valid = true;

	for (uint32_t i = 0; i < s->n_vcpus; i++) {
		struct core_vcpu_figures v;

		core_read_vcpu(s->core, i, &v);
		valid &= ledger_valid(v.ledger) && ledger_wall(v.ledger) == s->now - s->start &&
			 !v.ledger->backwards;
	}
	return valid;
}

static void take_host(const struct sim *s, struct result *r)
{
	double wall = ns_to_s(s->now - s->start), run = 0;
	struct core_host_figures h;

	core_read_host(s->core, &h);
	for (uint32_t i = 0; i < r->n_vms; i++) {
		run += r->vms[i].values[METRIC_CPU];
		r->host[HOST_OVERHEAD] += r->vms[i].values[METRIC_OVERHEAD];
	}
	r->host[HOST_CPUS] = s->n_cpus;
	r->host[HOST_BUSY] = run / s->n_cpus;
	r->host[HOST_HELD] = r->host[HOST_BUSY] + ns_to_s(h.held_ns) / wall / s->n_cpus;
	r->host[HOST_IDLE] = 1 - r->host[HOST_HELD];
	r->host[HOST_WASTE] = ns_to_s(h.waste_ns) / wall;
	r->host[HOST_IMBALANCE] = imbalance(s, r);
	r->host[HOST_SWITCHES] = (double)h.switches / wall;
	r->host[HOST_REFUSALS] = (double)sim_refusals(s);
	r->host[HOST_VALID] = ledgers_valid(s);
	take_memory(s, wall, r);
}

int result_take(struct sim *s, struct result *ret)
{
	struct result r = {.n_vms = s->n_vms, .events = s->events};
	int err = 0;

	sim_settle(s);
	if (s->waits)
		waits_end(s->waits, s->now);
	r.vms = calloc(r.n_vms, sizeof(*r.vms));
	if (!r.vms)
		return -ENOMEM;
	for (uint32_t i = 0; !err && i < r.n_vms; i++)
		err = take_vm(s, i, &r.vms[i]);
	if (err) {
		result_free(&r);
		return err;
	}
	take_host(s, &r);
	*ret = r;
	return 0;
}

void result_free(struct result *r)
{
	for (uint32_t i = 0; r->vms && i < r->n_vms; i++)
		free(r->vms[i].processes);
	free(r->vms);
	r->vms = NULL;
}

static int find_row(const struct metric_row *rows, int n, const char *name)
{
	for (int i = 0; i < n; i++) {
		if (!strcmp(rows[i].name, name))
			return i;
	}
	return -ENOENT;
}

enum aggregate { MEAN, MIN, MAX, SUM, RMS, SPREAD, DISTINCT, AGGREGATES };
static const char *const aggregates[AGGREGATES] = {"mean", "min",    "max",	"sum",
						   "rms",  "spread", "distinct"};

static int find_aggregate(const char *name)
{
	if (!name)
		return MEAN;
	for (int i = 0; i < AGGREGATES; i++) {
		if (!strcmp(aggregates[i], name))
			return i;
	}
	return -ENOENT;
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* Sorts the values. */
static double aggregate(enum aggregate how, double *v, size_t n)
{
	double sum = 0, squares = 0;
	size_t different = n ? 1 : 0;

	if (!n)
		return 0;
	qsort(v, n, sizeof(*v), by_value);
	for (size_t i = 0; i < n; i++) {
		sum += v[i];
		squares += v[i] * v[i];
		different += i && v[i] > v[i - 1];
	}
	switch (how) {
	case MIN:
		return v[0];
	case MAX:
		return v[n - 1];
	case SUM:
		return sum;
	case RMS:
		return sqrt(squares / (double)n);
	case SPREAD:
		return (v[n - 1] - v[0]) / (sum / (double)n);
	case DISTINCT:
		return (double)different;
	default:
		return sum / (double)n;
	}
}

/* Which number of each VM is meant: metric, or process and metric. */
struct selector {
	uint32_t section;
	int process; /* -1: the VM's own */
	int metric;
	enum aggregate how;
};

static int select_process(const struct vm_spec *vm, const char *name)
{
	for (uint32_t i = 0; i < vm->n_processes; i++) {
		if (!strcmp(vm->processes[i].name, name))
			return (int)i;
	}
	if (vm->n_processes && !strcmp(name, "idle"))
		return (int)vm->n_processes;
	return vm->n_processes && !strcmp(name, "vmdesched") ? (int)vm->n_processes + 1 : -ENOENT;
}

static int select_metric(const struct vm_spec *vm, char **part, struct selector *sel)
{
	int how;

	sel->process = -1;
	sel->metric = find_row(vm_metric_rows, VM_METRICS, part[1]);
	if (sel->metric < 0 && part[2]) {
		sel->process = select_process(vm, part[1]);
		sel->metric = find_row(process_metric_rows, PROCESS_METRICS, part[2]);
		if (sel->process < 0)
			return -ENOENT;
		part++;
	}
	how = find_aggregate(part[2]);
	if (sel->metric < 0 || how < 0 || (part[2] && part[3]))
		return -ENOENT;
	sel->how = (enum aggregate)how;
	return 0;
}

/* Whether the VM has something to say about a metric. */
static bool measured(const struct vm_result *vm, int metric)
{
	if (metric == METRIC_DELAY || metric == METRIC_LOCAL)
		return vm->ledger.ns[LEDGER_RUN] || ledger_descheduled(&vm->ledger);
	if (metric >= METRIC_READY_P50 && metric <= METRIC_READY_MAX)
		return vm->waited;
	return !(metric >= METRIC_RESPONSE && metric <= METRIC_RESPONSE_MAX) || vm->served;
}

static int over_vms(const struct result *results, uint32_t n, const struct selector *sel,
		    double *ret)
{
	bool any = false;
	size_t total = 0, found = 0;
	double *values;

	for (uint32_t i = 0; i < n; i++)
		total += results[i].n_vms;
	values = calloc(total + 1, sizeof(*values));
	if (!values)
		return -ENOMEM;
	for (uint32_t i = 0; i < n; i++) {
		for (uint32_t k = 0; k < results[i].n_vms; k++) {
			const struct vm_result *vm = &results[i].vms[k];

			if (vm->section != sel->section)
				continue;
			any |= sel->process >= 0 || measured(vm, sel->metric);
			values[found++] = sel->process < 0
						  ? vm->values[sel->metric]
						  : vm->processes[sel->process][sel->metric];
		}
	}
	*ret = aggregate(sel->how, values, found);
	free(values);
	return n && (!found || !any) ? METRIC_NO_DATA : 0;
}

static int host_value(const struct result *results, uint32_t n, const char *name, double *ret)
{
	int metric = find_row(host_metric_rows, HOST_METRICS, name);
	double sum = 0;

	if (metric < 0)
		return metric;
	for (uint32_t i = 0; i < n; i++)
		sum += results[i].host[metric];
	*ret = n ? sum / n : 0;
	for (uint32_t i = 0; i < n; i++) {
		if (results[i].refused && metric != HOST_REFUSED)
			return METRIC_NO_DATA;
	}
	return 0;
}

int metric_value(const struct scenario *sc, const struct result *results, uint32_t n,
		 const char *name, double *ret)
{
	char copy[192], *part[6] = {0}, *save = NULL;
	struct selector sel = {0};
	int parts = 0;

	snprintf(copy, sizeof(copy), "%s", name);
	for (char *p = strtok_r(copy, ".", &save); p && parts < 5; p = strtok_r(NULL, ".", &save))
		part[parts++] = p;
	if (parts < 2)
		return -ENOENT;
	if (!strcmp(part[0], "host"))
		return parts == 2 ? host_value(results, n, part[1], ret) : -ENOENT;
	for (uint32_t i = 0; i < sc->n_hosts && parts == 2; i++) {
		if (!strcmp(part[0], sc->hosts[i].name))
			return host_value(results ? results + i : NULL, results ? 1 : 0, part[1],
					  ret);
	}
	while (sel.section < sc->n_vms && strcmp(sc->vms[sel.section].name, part[0]))
		sel.section++;
	if (sel.section == sc->n_vms)
		return -ENOENT;
	if (parts == 2 && !strcmp(part[1], "count")) {
		*ret = sc->vms[sel.section].count;
		return 0;
	}
	if (parts == 2 && !strcmp(part[1], "vcpus")) {
		*ret = sc->vms[sel.section].vcpus;
		return 0;
	}
	if (select_metric(&sc->vms[sel.section], part, &sel))
		return -ENOENT;
	return over_vms(results, n, &sel, ret);
}

static void list(const char *title, const struct metric_row *rows, int n)
{
	printf("%s\n", title);
	for (int i = 0; i < n; i++)
		printf("  %-11s %s\n", rows[i].name, rows[i].help);
}

void metrics_list(void)
{
	list("host.METRIC", host_metric_rows, HOST_METRICS);
	list("VM.METRIC[.AGGREGATE]", vm_metric_rows, VM_METRICS);
	list("VM.PROCESS.METRIC[.AGGREGATE], PROCESS also idle and vmdesched", process_metric_rows,
	     PROCESS_METRICS);
	printf("AGGREGATE of the VMs of one section: mean (default), min, max, sum, rms,\n"
	       "spread ((max - min) / mean), distinct; also VM.count and VM.vcpus\n");
}
