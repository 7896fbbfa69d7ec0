/* SPDX-License-Identifier: MIT */
#include "lab/measure.h"

#include "base/clock.h"
#include "base/proc.h"
#include "base/units.h"
#include "lab/snapshot.h"
#include "lab/truth.h"

#include <errno.h>
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

int reading_take(const struct session *s, const struct machine *m, struct failure *f,
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

void reading_window(const struct reading *a, const struct reading *b, struct lab_host *ret)
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

static void fill_agent_process(const struct lab_snapshot *from, const struct lab_snapshot *to,
			       struct lab_process *p)
{
	const struct lab_snapshot_process *b = lab_snapshot_find(to, p->pid);
	const struct lab_snapshot_process none = {0}, *a = lab_snapshot_find(from, p->pid);

	if (!b)
		return;
	if (!a)
		a = &none;
	p->has_agent = true;
	p->true_ns = b->true_ns - a->true_ns;
	p->descheduled = b->descheduled - a->descheduled;
	p->wait = b->wait - a->wait;
}

static void fill_agent(const struct lab_snapshot *a, const struct lab_snapshot *b,
		       const json_t *counters, struct lab_vm *vm)
{
	struct lab_guest *g = &vm->guest;

	g->has_agent = true;
	memcpy(g->source, b->source, sizeof(g->source));
	g->kernel_subtracts = b->kernel_subtracts;
	g->true_ns = b->true_ns - a->true_ns;
	g->vmdesched = b->vmdesched - a->vmdesched;
	g->idle_descheduled = b->idle_descheduled - a->idle_descheduled;
	g->descheduled = b->descheduled - a->descheduled + g->idle_descheduled;
	g->unaccounted = b->unaccounted - a->unaccounted;
	g->has_interval = a->has_interval && b->has_interval;
	g->low = b->low - a->low;
	g->high = b->high - a->high;
	g->clock_error_s = b->clock_error_s;
	g->counters = json_deep_copy(counters);
	for (int i = 0; i < vm->n_processes; i++)
		fill_agent_process(a, b, &vm->processes[i]);
}

static int parse_both(const struct control_report *report, struct failure *f,
		      struct lab_snapshot *a, struct lab_snapshot *b)
{
	int err;

	if (!report->before || !report->after)
		return failure_set(f, -ENODATA, "its agent gave no snapshot");
	err = lab_snapshot_parse(report->before, f, a);
	if (err)
		return err;
	err = lab_snapshot_parse(report->after, f, b);
	if (err)
		lab_snapshot_done(a);
	return err;
}

/* The agent's side. What is wrong with it is the VM's failure unless it has a better one. */
static void take_agent(const struct control_report *report, struct lab_vm *vm)
{
	struct lab_snapshot a = {0}, b = {0};
	struct failure why;

	vm->before = json_deep_copy(report->before);
	vm->after = json_deep_copy(report->after);
	if (parse_both(report, &why, &a, &b)) {
		if (!vm->failure[0])
			snprintf(vm->failure, sizeof(vm->failure), "%.200s", why.text);
		return;
	}
	fill_agent(&a, &b, json_object_get(report->after, "counters"), vm);
	lab_snapshot_done(&a);
	lab_snapshot_done(&b);
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
