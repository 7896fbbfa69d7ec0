/* SPDX-License-Identifier: MIT */
#include "lab/measure.h"

#include "base/clock.h"
#include "base/proc.h"
#include "base/units.h"
#include "lab/truth.h"
#include "wire/snapshot.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* The sum over the vCPUs. */
static bool read_ledger(const struct session *s, const struct machine *m, struct ledger *ret)
{
	struct ledger one, sum = {0};

	if (!s->pages || !pages_have_gaps(s->pages) || m->page_id < 0)
		return false;
	for (uint32_t i = 0; i < m->vm.n_vcpus; i++) {
		if (pages_ledger(s->pages, m->page_id, i, &one))
			return false;
		ledger_merge(&sum, &one);
	}
	*ret = sum;
	return true;
}

int measure_take(const struct session *s, const struct machine *m, struct failure *f,
		 struct reading *ret)
{
	struct reading r = {.at = clock_mono()};
	int err = machine_schedstat(m, &r.run, &r.wait);

	if (!err)
		err = machine_cpu_time(m, &r.cpu);
	if (err)
		return failure_errno(f, err, "%s: CPU time of its threads", m->name);
	r.has_ledger = read_ledger(s, m, &r.ledger);
	*ret = r;
	return 0;
}

void measure_window(const struct reading *a, const struct reading *b, struct lab_host *ret)
{
	struct lab_host h = {0};

	h.window = b->at - a->at;
	h.run = u64_sub_floor(b->run, a->run);
	h.ready = u64_sub_floor(b->wait, a->wait);
	h.overhead = u64_sub_floor(u64_sub_floor(b->cpu, a->cpu), h.run);
	h.has_ledger = a->has_ledger && b->has_ledger &&
		       ledger_delta(&a->ledger, &b->ledger, &h.ledger) == 0;
	*ret = h;
}

uint64_t measure_host_steal(const struct session *s)
{
	uint64_t steal = 0;

	for (int i = 0; i < CPU_SETSIZE; i++) {
		struct proc_cpu c;

		if (CPU_ISSET(i, &s->shared) && !proc_read_cpu(i, &c))
			steal += c.steal_ns;
	}
	return steal;
}

/* The cost of a unit of this kind, 0 where it is not calibrated. */
static double cost_of(const struct lab_result *r, const char *kind)
{
	for (int i = 0; i < r->n_costs; i++) {
		if (!strcmp(r->costs[i].kind, kind))
			return r->costs[i].unit_ns;
	}
	return 0;
}

static void fill_process(const struct control_worker *w, struct lab_process *p)
{
	memcpy(p->kind, w->kind, sizeof(p->kind));
	p->pid = w->pid;
	p->steady = w->steady;
	p->alive = w->alive;
	p->units = w->units;
	p->reported = w->reported;
	p->has_top = w->has_top;
	p->top = w->top;
}

static int split_truth(const struct lab_result *r, struct lab_vm *vm, struct failure *f)
{
	struct truth_share shares[CONTROL_WORKERS_MAX];
	int err;

	for (int i = 0; i < vm->n_processes; i++) {
		const struct lab_process *p = &vm->processes[i];

		shares[i] = (struct truth_share){.units = p->units, .unit_ns = cost_of(r, p->kind)};
	}
	err = truth_split(vm->truth, shares, vm->n_processes, &vm->scale);
	if (err)
		return failure_set(f, err, "%s: its processes did no work that can be weighed",
				   vm->name);
	for (int i = 0; i < vm->n_processes; i++)
		vm->processes[i].truth = shares[i].truth;
	return 0;
}

/* What the process had by then, with its exited children; false for one that is not there. */
static bool find_process(const struct snapshot *s, int pid, struct figures *ret)
{
	for (size_t i = 0; i < s->n_processes; i++) {
		struct figures f = s->processes[i].own;

		if (s->processes[i].pid != pid)
			continue;
		figures_add(&f, &s->processes[i].children);
		*ret = f;
		return true;
	}
	return false;
}

static int64_t delta(uint64_t from, uint64_t to)
{
	return (int64_t)to - (int64_t)from;
}

static void fill_agent_process(const struct snapshot *from, const struct snapshot *to,
			       struct lab_process *p)
{
	struct figures a = {.truth = 0}, b;

	if (!find_process(to, p->pid, &b))
		return;
	find_process(from, p->pid, &a);
	p->has_agent = true;
	p->true_ns = delta(a.truth, b.truth);
	p->descheduled = delta(a.descheduled, b.descheduled);
	p->wait = delta(a.wait, b.wait);
}

static void fill_agent(const struct snapshot *a, const struct snapshot *b, const json_t *counters,
		       struct lab_vm *vm)
{
	struct lab_guest *g = &vm->guest;

	g->has_agent = true;
	control_text(b->source, g->source, sizeof(g->source));
	g->kernel_subtracts = b->kernel_subtracts;
	g->true_ns = delta(a->busy.truth, b->busy.truth);
	g->vmdesched = delta(a->vmdesched, b->vmdesched);
	g->idle_descheduled = delta(a->idle.descheduled, b->idle.descheduled);
	g->descheduled = delta(a->busy.descheduled, b->busy.descheduled) + g->idle_descheduled;
	g->unaccounted = delta(a->busy.unaccounted + a->idle.unaccounted,
			       b->busy.unaccounted + b->idle.unaccounted);
	g->has_interval = a->estimated && b->estimated;
	g->low = delta(a->low, b->low);
	g->high = delta(a->high, b->high);
	g->clock_error_s = b->clock.stale ? (double)NAN : ns_to_s(b->clock.error);
	g->counters = json_deep_copy(counters);
	for (int i = 0; i < vm->n_processes; i++)
		fill_agent_process(a, b, &vm->processes[i]);
}

static int decode_both(const struct control_report *report, struct failure *f, struct snapshot *a,
		       struct snapshot *b)
{
	int err;

	if (!report->before || !report->after)
		return failure_set(f, -ENODATA, "its agent gave no snapshot");
	err = snapshot_decode(report->before, f, a);
	if (err)
		return err;
	err = snapshot_decode(report->after, f, b);
	if (err)
		snapshot_done(a);
	return err;
}

/* The agent's side. What is wrong with it is the VM's failure unless it has a better one. */
static void take_agent(const struct control_report *report, struct lab_vm *vm)
{
	struct snapshot a = {.n_cpus = 0}, b = a;
	struct failure why;

	vm->before = json_deep_copy(report->before);
	vm->after = json_deep_copy(report->after);
	if (decode_both(report, &why, &a, &b)) {
		if (!vm->failure[0])
			snprintf(vm->failure, sizeof(vm->failure), "%.200s", why.text);
		return;
	}
	fill_agent(&a, &b, json_object_get(report->after, "counters"), vm);
	snapshot_done(&a);
	snapshot_done(&b);
}

static struct truth_window window_of(const struct lab_host *host)
{
	return (struct truth_window){host->window, host->run};
}

static int truth_by_units(const struct control_report *report, const struct lab_result *r,
			  struct lab_vm *vm, struct failure *f)
{
	int err;

	vm->others = truth_others(report->others, window_of(&vm->host), r->calibration_others,
				  window_of(&r->calibration), &vm->others_spread);
	vm->truth = truth_work(vm->host.run, vm->others);
	err = split_truth(r, vm, f);
	return err;
}

int measure_fill(const struct session *s, const struct machine *m, struct lab_vm *vm,
		 struct failure *f)
{
	struct control_report report;
	int err = control_parse_report(m->line, f, &report);

	if (err)
		return err;
	vm->processes = calloc((size_t)report.n, sizeof(*vm->processes));
	if (!vm->processes)
		return failure_errno(f, -ENOMEM, "%s", vm->name);
	vm->n_processes = report.n;
	for (int i = 0; i < report.n; i++)
		fill_process(&report.workers[i], &vm->processes[i]);
	err = s->offcpu ? measure_trace(s, m, &report, vm, f)
			: truth_by_units(&report, s->result, vm, f);
	if (err)
		return err;
	vm->guest.busy = report.busy;
	take_agent(&report, vm);
	vm->measured = true;
	return 0;
}
