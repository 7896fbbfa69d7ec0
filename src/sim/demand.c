/* SPDX-License-Identifier: MIT */
#include "sim/demand.h"

#include "base/units.h"
#include "sim/beside.h"
#include "sim/timers.h"
#include "sim/workload.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DAY_STEPS    288 /* five minutes each */
#define DAY_NS	     (24 * 3600e9)
#define STEP_LEAST   1000.0 /* ns of the run: what follows a demand steps through it */
#define LATEST	     0x1p62 /* ns: no run lasts so long */
#define BUSY	     0.9999 /* of a vCPU: as busy as one gets that idles between bursts */
#define DEMAND_LEAST 1e-4   /* of a vCPU: below it does nothing */

static bool is_open(const struct vm_spec *vm)
{
	return workload_rows[vm->workload] == &workload_requests;
}

/* CPUs, without trace and day. */
static double steady(const struct vm_spec *vm)
{
	const struct workload_row *row = workload_rows[vm->workload];

	if (is_open(vm))
		return (double)vm->burst / (double)vm->arrival;
	if (row == &workload_duty)
		return vm_spec_load(vm) * vm_spec_active(vm);
	if (row == &workload_idle)
		return 0;
	if (row == &workload_io)
		return fmin(1, vm->streams * (double)vm->burst / (double)(vm->burst + vm->service));
	return vm_spec_active(vm);
}

static double factor_at(const struct day_spec *day, double hour)
{
	double factor = day->factors[day->n - 1]; /* before the first hour the last one holds */

	if (day->wave)
		return day->low +
		       (day->high - day->low) * (1 + cos((hour - day->hours[0]) * M_PI / 12)) / 2;
	for (uint32_t i = 0; i < day->n && day->hours[i] <= hour; i++)
		factor = day->factors[i];
	return factor;
}

/* CPUs that a value of 1 means, of the VM as it is now. */
static double unit(const struct vm_spec *vm, const struct demand *d)
{
	switch (d->of) {
	case DEMAND_OF_CPU:
		return 1;
	case DEMAND_OF_VCPUS:
		return vm->vcpus;
	case DEMAND_OF_STEADY:
		return steady(vm);
	}
	return 0;
}

static int load_day(const struct scenario *s, const struct vm_spec *vm, struct failure *f,
		    struct demand *d)
{
	d->values = calloc(DAY_STEPS, sizeof(*d->values));
	if (!d->values)
		return failure_errno(f, -ENOMEM, "%s", s->path);
	d->n = DAY_STEPS;
	d->of = DEMAND_OF_STEADY;
	d->step = DAY_NS / DAY_STEPS / s->run.compress;
	d->repeats = true;
	for (uint32_t i = 0; i < DAY_STEPS; i++) {
		double hour = fmod(s->run.hour + (i + 0.5) * 24 / DAY_STEPS, 24);

		d->values[i] = (float)factor_at(&vm->day, hour);
	}
	return 0;
}

static bool has_numbers(const struct vm_spec *vm)
{
	return vm->trace[0] && strstr(vm->trace_column, DEMAND_NUMBER);
}

/* The column of VM `number`, from 0 on. */
static void column_of(const struct vm_spec *vm, uint32_t number, char *ret, size_t size)
{
	const char *at = strstr(vm->trace_column, DEMAND_NUMBER);

	if (at)
		snprintf(ret, size, "%.*s%u%s", (int)(at - vm->trace_column), vm->trace_column,
			 number + 1, at + strlen(DEMAND_NUMBER));
	else
		snprintf(ret, size, "%s", vm->trace_column);
}

static int load_trace(const struct scenario *s, const struct vm_spec *vm, uint32_t number,
		      uint32_t max_rows, struct failure *f, struct demand *d)
{
	bool percent = vm->trace_unit == TRACE_PERCENT;
	double most = vm_spec_active(vm) / (percent ? (double)vm->vcpus : 1);
	char path[sizeof(s->path) + SCENARIO_TEXT], column[SCENARIO_TEXT + 16];
	struct failure why;
	int err = beside_path(s, vm->trace, path, sizeof(path));

	column_of(vm, number, column, sizeof(column));
	if (err)
		failure_errno(&why, err, "%s", vm->trace);
	else if (vm->trace_unit == TRACE_RECORDED)
		err = demand_read_recorded(path, column, ns_to_s(vm->trace_step), vm->trace_scale,
					   most, max_rows, &why, &d->values, &d->n);
	else
		err = demand_read_csv(path, column, vm->trace_scale / (percent ? 100 : 1), most,
				      max_rows, &why, &d->values, &d->n);
	if (err)
		return failure_set(f, err, "%s (trace of vm %s, %s:%d)", why.text, vm->name,
				   s->path, vm->line);
	d->of = percent ? DEMAND_OF_VCPUS : DEMAND_OF_CPU;
	d->step = (double)vm->trace_step / s->run.compress;
	if (vm->trace_end == TRACE_STRETCH)
		d->step = (double)(s->run.warmup + s->run.duration) / d->n;
	d->repeats = vm->trace_end == TRACE_REPEAT;
	if (d->step < STEP_LEAST)
		return failure_set(
			f, -EINVAL,
			"%s:%d: vm %s: a row of its trace is %.3g ns of the run; expected "
			"at least %g, by a longer trace_step or less compress",
			s->path, vm->line, vm->name, d->step, STEP_LEAST);
	return 0;
}

static bool changes(const struct vm_spec *vm)
{
	return vm->trace[0] || vm->day.n;
}

static int check_demand(const struct scenario *s, const struct vm_spec *vm, const struct demand *d,
			struct failure *f)
{
	double most = 0;

	for (uint32_t i = 0; i < d->n; i++)
		most = fmax(most, d->values[i] * unit(vm, d));
	if (most <= vm_spec_active(vm) * (1 + 1e-6) || is_open(vm))
		return 0;
	return failure_set(f, -EINVAL,
			   "%s:%d: vm %s: day makes its demand up to %.4g CPUs; its vCPUs can use "
			   "%u",
			   s->path, vm->line, vm->name, most, vm_spec_active(vm));
}

/* All VMs of a section have one demand, or each has its own. */
static int load_vm(struct scenario *s, struct vm_spec *vm, uint32_t *left, struct failure *f)
{
	int err = 0;

	vm->wants = &s->demands[s->n_demands];
	vm->n_wants = has_numbers(vm) ? vm->most : 1;
	for (uint32_t k = 0; k < vm->n_wants && !err; k++) {
		struct demand *d = &s->demands[s->n_demands++];

		err = vm->trace[0] ? load_trace(s, vm, k, *left, f, d) : load_day(s, vm, f, d);
		if (!err)
			err = check_demand(s, vm, d, f);
		*left -= d->n;
	}
	return err;
}

int demand_load(struct scenario *s, struct failure *f)
{
	uint32_t left = DEMAND_STEPS;
	size_t n = 0;
	int err = 0;

	demand_unload(s);
	for (uint32_t i = 0; i < s->n_vms; i++)
		n += has_numbers(&s->vms[i]) ? s->vms[i].most : 1;
	s->demands = calloc(n + 1, sizeof(*s->demands));
	if (!s->demands)
		return failure_errno(f, -ENOMEM, "%s", s->path);
	for (uint32_t i = 0; i < s->n_vms && !err; i++) {
		if (changes(&s->vms[i]))
			err = load_vm(s, &s->vms[i], &left, f);
	}
	return err;
}

void demand_unload(struct scenario *s)
{
	for (uint32_t i = 0; i < s->n_demands; i++)
		free(s->demands[i].values);
	free(s->demands);
	s->demands = NULL;
	s->n_demands = 0;
}

static const struct demand *demand_of(const struct vm_spec *vm, uint32_t number)
{
	return vm->wants && vm->n_wants > 1 ? &vm->wants[number] : vm->wants;
}

/* CPUs in the step that has `t`, and when that ends; behind the last of a demand that doesn't
 * repeat none, for ever. */
static double step_at(const struct vm_spec *vm, const struct demand *d, double t, double *ret_end)
{
	double i = floor(t / d->step);

	if (t >= (i + 1) * d->step) /* rounding: the step before has ended */
		i++;
	*ret_end = (i + 1) * d->step;
	if (i < d->n || (d->n && d->repeats))
		return d->values[(uint64_t)i % d->n] * unit(vm, d);
	*ret_end = INFINITY;
	return 0;
}

double demand_mean(const struct vm_spec *vm, uint32_t number, uint64_t from, uint64_t to)
{
	double sum = 0, first = 0, at = (double)u64_max(from, vm->start), end;
	const struct demand *d = demand_of(vm, number);

	if (to <= from || at >= (double)to)
		return to <= from ? steady(vm) : 0;
	if (!d)
		return steady(vm) * ((double)to - at) / (double)(to - from);
	for (uint32_t i = 0; at < (double)to; i++) {
		double cpus, rounds = 0;

		if (i == 1)
			first = sum;
		if (i == d->n + 1) /* a whole round has been seen: all others are like it */
			rounds = floor(((double)to - at) / (d->n * d->step));
		sum += rounds * (sum - first);
		at += rounds * d->n * d->step;
		cpus = step_at(vm, d, at, &end);
		end = fmin(end, (double)to);
		sum += cpus * (end - at);
		at = end;
	}
	return sum / (double)(to - from);
}

/* Arrivals in a ns. A vCPU that idles for a mean of `i` and then has a burst of mean `b` has a load
 * of b / (b + i). */
static double rate(const struct vm_spec *vm, double cpus)
{
	double load = cpus / vm_spec_active(vm);

	if (is_open(vm))
		return cpus / (double)vm->burst;
	if (load < DEMAND_LEAST)
		return 0;
	load = fmin(load, BUSY);
	return load / (1 - load) / (double)vm->burst;
}

uint64_t demand_pass(const struct vm_spec *vm, uint32_t number, uint64_t from, double amount)
{
	const struct demand *d = demand_of(vm, number);
	double at = (double)from, first = amount, end, r;

	for (uint64_t i = 0; at < LATEST; i++) {
		if (i == 1)
			first = amount;
		if (i == d->n + UINT64_C(1)) { /* a whole round has been seen */
			double round = first - amount, rounds = floor(amount / round);

			if (!(round > 0))
				break;
			amount = fmax(0, amount - rounds * round);
			at += rounds * d->n * d->step;
		}
		r = rate(vm, step_at(vm, d, at, &end));
		if (r > 0 && r * (end - at) >= amount && at + amount / r < LATEST)
			return (uint64_t)(at + amount / r);
		amount -= r * (end - at);
		at = end;
	}
	return TIMER_NEVER;
}
