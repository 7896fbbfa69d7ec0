/* SPDX-License-Identifier: MIT */
/* The table of coefficients, and how their figures come from what windows have shown. */
#include "base/units.h"
#include "host/calibrate.h"

#include <math.h>
#include <string.h>

static struct figure missing(const char *why)
{
	return (struct figure){.mean = NAN, .low = NAN, .high = NAN, .missing = why};
}

/* `half` is the interval's half width; what is measured here is never negative. */
static struct figure figure_of(uint64_t n, double mean, double half)
{
	return (struct figure){.n = n,
			       .mean = mean,
			       .low = isnan(half) ? NAN : fmax(mean - half, 0),
			       .high = mean + half};
}

static struct figure from_mean(const struct mean *m, const char *why)
{
	return m->n ? figure_of(m->n, m->mean, mean_half(m)) : missing(why);
}

/* The cost of one of `n`, which windows have told with so much spread. */
static struct figure cost_of(uint64_t n, uint64_t ns, const struct mean *windows, const char *why)
{
	return n ? figure_of(n, ns_to_s(ns) / (double)n, mean_half(windows)) : missing(why);
}

static void sum_table(const struct exits_count *table, struct exits_count *ret)
{
	*ret = (struct exits_count){0};
	for (int i = 0; i < EXIT_CLASSES; i++) {
		ret->n += table[i].n;
		ret->ns += table[i].ns;
	}
}

struct figure calibrate_exit(const struct calibrated *vm, enum exit_class c)
{
	return cost_of(vm->exits.kernel[c].n, vm->exits.kernel[c].ns, &vm->kernel[c], "none");
}

struct figure calibrate_trip(const struct calibrated *vm, enum exit_class c)
{
	return cost_of(vm->exits.user[c].n, vm->exits.user[c].ns, &vm->user[c], "none");
}

/* ---- of a VM ---- */

static const char never_idle[] = "no vCPU was idle for a whole window";

static void idle_vcpu(const struct calibration *c, const struct calibrated *vm, struct figure *ret)
{
	(void)c;
	*ret = from_mean(&vm->idle_vcpu, never_idle);
}

static void idle_wakeups(const struct calibration *c, const struct calibrated *vm,
			 struct figure *ret)
{
	(void)c;
	*ret = from_mean(&vm->idle_wakeups, never_idle);
}

static void wakeup(const struct calibration *c, const struct calibrated *vm, struct figure *ret)
{
	(void)c;
	*ret = cost_of(vm->wakeups, vm->idle_ns, &vm->wakeup,
		       vm->idle_vcpu.n ? "an idle vCPU never woke up" : never_idle);
}

static void overhead(const struct calibration *c, const struct calibrated *vm, struct figure *ret)
{
	(void)c;
	*ret = from_mean(&vm->overhead, "it was not there for a whole window");
}

static void idle_overhead(const struct calibration *c, const struct calibrated *vm,
			  struct figure *ret)
{
	(void)c;
	*ret = from_mean(&vm->idle_overhead, "its vCPUs were never idle together for a window");
}

/* Why there is none of a table, whose sum is `all`. */
static const char *why_no_exits(const struct calibration *c, const struct calibrated *vm)
{
	struct exits_count trips;

	sum_table(vm->exits.user, &trips);
	if (c->no_exits[0])
		return c->no_exits;
	return trips.n ? "this host's KVM doesn't report exits of this guest"
		       : "no KVM: none of its vCPUs was seen in KVM_RUN";
}

static void exit_cost(const struct calibration *c, const struct calibrated *vm, struct figure *ret)
{
	struct exits_count all;

	sum_table(vm->exits.kernel, &all);
	*ret = cost_of(all.n, all.ns, &vm->any_kernel, why_no_exits(c, vm));
}

static void trip_cost(const struct calibration *c, const struct calibrated *vm, struct figure *ret)
{
	struct exits_count all;

	sum_table(vm->exits.user, &all);
	*ret = cost_of(all.n, all.ns, &vm->any_user, why_no_exits(c, vm));
}

/* A count by vCPU and second has no interval. */
static struct figure rate_of(const struct calibration *c, const struct calibrated *vm,
			     const struct exits_count *table)
{
	struct exits_count all;

	sum_table(table, &all);
	if (!all.n || !vm->measured)
		return missing(why_no_exits(c, vm));
	return figure_of(all.n, (double)all.n / ns_to_s(vm->measured), NAN);
}

static void exits(const struct calibration *c, const struct calibrated *vm, struct figure *ret)
{
	*ret = rate_of(c, vm, vm->exits.kernel);
}

static void trips(const struct calibration *c, const struct calibrated *vm, struct figure *ret)
{
	*ret = rate_of(c, vm, vm->exits.user);
}

static void interrupt(const struct calibration *c, const struct calibrated *vm, struct figure *ret)
{
	*ret = cost_of(vm->delays.n, vm->delays.ns, &vm->delay,
		       c->interrupts ? "no device's interrupt was seen"
				     : "this source doesn't record interrupts");
}

/* ---- of the host ---- */

static void host_switch(const struct calibration *c, struct figure *ret)
{
	if (c->switch_err)
		*ret = missing("two threads on one CPU could not be had");
	else
		*ret = figure_of(c->switches.n, c->switches.mean / 1e9,
				 mean_half(&c->switches) / 1e9);
}

/* An exit that ends with a wake-up or asks a device: what the simulator charges each of these. Both
 * sides of the exit count, and each VM's mean is one value. */
static void host_exit(const struct calibration *c, struct figure *ret)
{
	static const enum exit_class wakes[] = {EXIT_HALT, EXIT_PORT, EXIT_MMIO};
	uint64_t n = 0, ns = 0;
	struct mean vms = {0};

	for (size_t i = 0; i < c->n; i++) {
		struct exits_count one = {0};

		for (size_t k = 0; k < ARRAY_SIZE(wakes); k++) {
			one.n += c->vms[i].exits.kernel[wakes[k]].n;
			one.ns += c->vms[i].exits.kernel[wakes[k]].ns +
				  c->vms[i].exits.user[wakes[k]].ns;
		}
		if (one.n)
			mean_add(&vms, ns_to_s(one.ns) / (double)one.n);
		n += one.n;
		ns += one.ns;
	}
	*ret = cost_of(n, ns, &vms,
		       c->no_exits[0] ? c->no_exits : "no VM's KVM reported such an exit");
}

static void host_idle_vcpu(const struct calibration *c, struct figure *ret)
{
	struct mean vms = {0};

	for (size_t i = 0; i < c->n; i++) {
		if (c->vms[i].idle_vcpu.n)
			mean_add(&vms, c->vms[i].idle_vcpu.mean);
	}
	*ret = from_mean(&vms, never_idle);
}

static const struct coefficient coefficients[] = {
	{"switch", "s", "a context switch, with the wake-up that makes it",
	 "CPU time of two threads on one CPU that pass a byte to and fro", NULL, host_switch},
	{"device_exit", "s", "an exit for a halt or a device, kernel and monitor",
	 "mean over the host's exits for halt, port and mmio; the interval is of the VMs' means",
	 NULL, host_exit},
	{"idle_vcpu", "CPUs", "CPU time a second of a vCPU whose guest is idle",
	 "run time in windows of 0.5 s in which the vCPU halted for 90 %", idle_vcpu,
	 host_idle_vcpu},
	{"idle_wakeups", "1/s", "wake-ups a second of such a vCPU: timer ticks and the rest",
	 "voluntary context switches in these windows", idle_wakeups, NULL},
	{"wakeup", "s", "CPU time of one of these wake-ups",
	 "run time of these windows over their wake-ups", wakeup, NULL},
	{"overhead", "CPUs", "CPU time a second of the VM's other threads",
	 "by the ledger, in each window", overhead, NULL},
	{"idle_overhead", "CPUs", "the same while all its vCPUs are idle",
	 "by the ledger, in windows in which all vCPUs halted for 90 %", idle_overhead, NULL},
	{"exits", "1/s", "exits a second and vCPU", "KVM's tracepoint kvm_exit", exits, NULL},
	{"exit", "s", "CPU time in the host's kernel of one exit",
	 "from kvm_exit to kvm_entry, without the trip to the monitor", exit_cost, NULL},
	{"trips", "1/s", "trips to the monitor a second and vCPU",
	 "KVM's tracepoint kvm_userspace_exit", trips, NULL},
	{"trip", "s", "CPU time in the monitor of one trip",
	 "from kvm_userspace_exit to the next KVM_RUN", trip_cost, NULL},
	{"interrupt", "s", "from a device's interrupt on the host until its vCPU ran",
	 "from kvm_set_irq, kvm_msi_set_irq or, without KVM, an eventfd until the vCPU is on a "
	 "CPU; 0 "
	 "where it is",
	 interrupt, NULL},
};

const struct coefficient *calibrate_coefficient(size_t i)
{
	return i < ARRAY_SIZE(coefficients) ? &coefficients[i] : NULL;
}
