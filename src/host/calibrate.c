/* SPDX-License-Identifier: MIT */
/* Taking windows. What is made of them is calibrate_figures.c. */
#include "host/calibrate.h"

#include "base/proc.h"
#include "base/units.h"
#include "host/switch_cost.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void calibrate_begin(struct calibration *c, struct measurement *m)
{
	struct failure f = {""};

	*c = (struct calibration){.vms = NULL};
	if (host_ledger_count_exits(m->ledger, &f))
		snprintf(c->no_exits, sizeof(c->no_exits), "%s", f.text);
	c->interrupts = m->interrupts;
	c->switch_err = switch_cost(&c->switches);
}

void calibrate_done(struct calibration *c)
{
	for (size_t i = 0; i < c->n; i++)
		free(c->vms[i].vcpus);
	free(c->vms);
	*c = (struct calibration){.vms = NULL};
}

static struct calibrated *find(const struct calibration *c, const struct measured *x)
{
	for (size_t i = 0; i < c->n; i++) {
		if (c->vms[i].pid == x->vm.pid && c->vms[i].since == x->since)
			return &c->vms[i];
	}
	return NULL;
}

static struct calibrated *add(struct calibration *c, const struct measured *x)
{
	struct calibrated *vms = realloc(c->vms, (c->n + 1) * sizeof(*vms)), *vm;

	if (!vms)
		return NULL;
	c->vms = vms;
	vm = &vms[c->n];
	*vm = (struct calibrated){.pid = x->vm.pid,
				  .since = x->since,
				  .n_vcpus = x->vm.n_vcpus,
				  .vcpus = calloc(x->vm.n_vcpus, sizeof(*vm->vcpus))};
	if (!vm->vcpus)
		return NULL;
	memcpy(vm->name, x->vm.name, sizeof(vm->name));
	memcpy(vm->uuid, x->vm.uuid, sizeof(vm->uuid));
	c->n++;
	return vm;
}

/* ---- exits ---- */

struct pair { /* of one table */
	uint64_t n, ns;
};

static void add_cost(struct mean *m, struct pair p)
{
	if (p.n)
		mean_add(m, ns_to_s(p.ns) / (double)p.n);
}

/* What one table of all vCPUs has got in the window. */
static void take_table(const struct exits_count *got, struct exits_count *sum, struct mean *costs,
		       struct mean *any)
{
	struct pair all = {0};

	for (int i = 0; i < EXIT_CLASSES; i++) {
		sum[i].n += got[i].n;
		sum[i].ns += got[i].ns;
		add_cost(&costs[i], (struct pair){got[i].n, got[i].ns});
		all.n += got[i].n;
		all.ns += got[i].ns;
	}
	add_cost(any, all);
}

static void add_difference(const struct exits_count *now, const struct exits_count *before,
			   struct exits_count *sum)
{
	for (int i = 0; i < EXIT_CLASSES; i++) {
		sum[i].n += u64_sub_floor(now[i].n, before[i].n);
		sum[i].ns += u64_sub_floor(now[i].ns, before[i].ns);
	}
}

static void take_exits(struct calibrated *vm, const struct measurement *m, const struct measured *x)
{
	struct vcpu_exits got = {0};

	for (uint32_t v = 0; v < vm->n_vcpus; v++) {
		struct vcpu_exits *last = &vm->vcpus[v].exits, now;

		if (host_ledger_exits(m->ledger, x->id, v, &now))
			continue;
		add_difference(now.kernel, last->kernel, got.kernel);
		add_difference(now.user, last->user, got.user);
		*last = now;
	}
	if (!vm->had_window)
		return;
	take_table(got.kernel, vm->exits.kernel, vm->kernel, &vm->any_kernel);
	take_table(got.user, vm->exits.user, vm->user, &vm->any_user);
}

/* Recording began with the measurement, or the VM. */
static void take_delays(struct calibrated *vm, const struct measured *x)
{
	struct interrupt_delays now = {0};

	for (uint32_t v = 0; v < vm->n_vcpus; v++)
		interrupt_delays_add(&now, &x->vcpus[v].interrupts);
	add_cost(&vm->delay, (struct pair){now.n - vm->delays.n, now.ns - vm->delays.ns});
	vm->delays = now;
}

/* ---- idle vCPUs ---- */

static void take_idle(struct calibrated *vm, const struct ledger *d, uint64_t slept)
{
	double seconds = ns_to_s(ledger_wall(d));
	uint64_t run = d->ns[LEDGER_RUN];

	mean_add(&vm->idle_vcpu, ns_to_s(run) / seconds);
	mean_add(&vm->idle_wakeups, (double)slept / seconds);
	if (slept)
		mean_add(&vm->wakeup, ns_to_s(run) / (double)slept);
	vm->idle_ns += run;
	vm->wakeups += slept;
}

/* Whether the vCPU was idle. The first window only says how often it had slept before. */
static bool take_vcpu(struct calibrated *vm, const struct measured *x, uint32_t v)
{
	struct ledger d = measured_span(&x->vcpus[v], MEASURE_LAST);
	uint64_t *last = &vm->vcpus[v].slept, slept, preempted, wall = ledger_wall(&d);
	bool idle = (double)d.ns[LEDGER_HALT] >= CALIBRATE_IDLE * (double)wall;

	vm->vcpus[v].index = x->vm.vcpus[v].index;
	vm->vcpus[v].busy = x->vcpus[v].busy;
	if (proc_read_switches(x->vm.pid, x->vm.vcpus[v].tid, &slept, &preempted))
		return false;
	if (vm->had_window && wall >= CALIBRATE_WINDOW_NS / 2) {
		vm->measured += wall;
		if (idle)
			take_idle(vm, &d, slept - *last);
	} else {
		idle = false;
	}
	*last = slept;
	return idle;
}

static void take_vm(struct calibrated *vm, const struct measurement *m, const struct measured *x)
{
	uint64_t overhead = x->overhead[MEASURE_NOW] - x->overhead[MEASURE_LAST];
	double cpus = ns_to_s(overhead) / ns_to_s(m->at[MEASURE_NOW] - m->at[MEASURE_LAST]);
	uint32_t idle = 0;

	for (uint32_t v = 0; v < vm->n_vcpus; v++)
		idle += take_vcpu(vm, x, v);
	take_exits(vm, m, x);
	take_delays(vm, x);
	if (vm->had_window)
		mean_add(&vm->overhead, cpus);
	if (idle == vm->n_vcpus)
		mean_add(&vm->idle_overhead, cpus);
	vm->had_window = true;
}

int calibrate_window(struct calibration *c, struct measurement *m)
{
	measure_read(m);
	for (size_t i = 0; i < m->n; i++) {
		const struct measured *x = m->vms[i];
		struct calibrated *vm = find(c, x);

		if (x->id < 0)
			continue; /* the window in which it ended is not whole */
		if (!vm)
			vm = add(c, x);
		if (!vm)
			return -ENOMEM;
		take_vm(vm, m, x);
	}
	c->windows++;
	measure_reported(m);
	return 0;
}
