/* SPDX-License-Identifier: MIT */
/*
 * Judging a result. An error is measured / truth - 1. Processes are judged where there is at least
 * a second of truth: below that the 10 ms clock tick of /proc alone is a percent; and, where the
 * truth is that of work units, only those whose unit costs the same whoever else runs.
 */
#include "base/units.h"
#include "lab/result.h"
#include "lab/truth.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static double figure_true(const struct lab_summary *s)
{
	return s->max_error_true;
}

static double figure_sum(const struct lab_summary *s)
{
	return s->max_error_sum;
}

static double figure_descheduled(const struct lab_summary *s)
{
	return s->max_error_descheduled;
}

const struct lab_limit lab_limits[] = {
	{"page", "error of a process", figure_true, 0.03},
	{"page", "sum over a VM", figure_sum, 0.005},
	{"page", "descheduled time", figure_descheduled, 0.005},
	{"stream", "error of a process", figure_true, 0.03},
	{"stream", "sum over a VM", figure_sum, 0.005},
	{"stream", "descheduled time", figure_descheduled, 0.005},
	{"self", "descheduled time", figure_descheduled, 0.10},
};
const int n_lab_limits = ARRAY_SIZE(lab_limits);

/* A run may have ended early. */
static bool long_enough(const struct lab_result *r)
{
	for (int i = 0; i < r->n_vms; i++) {
		if (r->vms[i].measured && r->vms[i].host.window < LAB_LIMITS_MIN_NS)
			return false;
	}
	return true;
}

bool lab_limit_applies(const struct lab_limit *l, const struct lab_result *r)
{
	if (!long_enough(r))
		return false;
	return !strcmp(l->source, r->source) && (r->host_gaps || !strcmp(l->source, "self"));
}

bool lab_limit_kept(const struct lab_limit *l, const struct lab_result *r)
{
	return l->figure(&r->summary) <= l->limit; /* NAN is not */
}

uint64_t lab_host_run(const struct lab_host *h)
{
	return h->has_ledger ? h->ledger.ns[LEDGER_RUN] : h->run;
}

uint64_t lab_host_ready(const struct lab_host *h)
{
	return h->has_ledger ? ledger_descheduled(&h->ledger) : h->ready;
}

uint64_t lab_vm_run(const struct lab_vm *vm)
{
	return vm->trace.has ? vm->trace.run : lab_host_run(&vm->host);
}

uint64_t lab_vm_ready(const struct lab_vm *vm)
{
	return vm->trace.has ? vm->trace.ready : lab_host_ready(&vm->host);
}

/* The larger of a maximum and a new absolute value; a NAN maximum is none yet. */
static double max_abs(double max, double value)
{
	if (isnan(value))
		return max;
	return isnan(max) ? fabs(value) : fmax(max, fabs(value));
}

static void judge_process(const struct lab_vm *vm, struct lab_process *p, struct lab_summary *s)
{
	p->error_reported = p->alive ? truth_error((double)p->reported, p->truth) : NAN;
	p->error_true = p->has_agent ? truth_error((double)p->true_ns, p->truth) : NAN;
	p->judged = (vm->trace.has || p->steady) && p->truth >= LAB_JUDGED_MIN_NS;
	if (!p->judged)
		return;
	s->judged++;
	s->max_error_reported = max_abs(s->max_error_reported, p->error_reported);
	s->max_error_true = max_abs(s->max_error_true, p->error_true);
}

static void judge_vm(struct lab_vm *vm, struct lab_summary *s)
{
	vm->error_descheduled = NAN;
	vm->error_sum = NAN;
	if (!vm->measured)
		return;
	for (int i = 0; i < vm->n_processes; i++)
		judge_process(vm, &vm->processes[i], s);
	if (!vm->guest.has_agent)
		return;
	vm->error_descheduled = truth_error((double)vm->guest.descheduled, lab_vm_ready(vm));
	vm->error_sum = truth_error((double)vm->guest.true_ns, lab_vm_run(vm));
	s->max_error_descheduled = max_abs(s->max_error_descheduled, vm->error_descheduled);
	s->max_error_sum = max_abs(s->max_error_sum, vm->error_sum);
}

void lab_summarize(struct lab_result *r)
{
	struct lab_summary *s = &r->summary;

	s->judged = 0;
	s->max_error_reported = NAN;
	s->max_error_true = NAN;
	s->max_error_descheduled = NAN;
	s->max_error_sum = NAN;
	for (int i = 0; i < r->n_vms; i++)
		judge_vm(&r->vms[i], s);
	s->limits = 0;
	s->met = true;
	for (int i = 0; i < n_lab_limits; i++) {
		if (!lab_limit_applies(&lab_limits[i], r))
			continue;
		s->limits++;
		s->met = s->met && lab_limit_kept(&lab_limits[i], r);
	}
}

void lab_result_done(struct lab_result *r)
{
	if (!r)
		return;
	for (int i = 0; i < r->n_vms; i++) {
		struct lab_vm *vm = &r->vms[i];

		json_decref(vm->guest.counters);
		json_decref(vm->before);
		json_decref(vm->after);
		free(vm->processes);
	}
	free(r->vms);
	memset(r, 0, sizeof(*r));
}
