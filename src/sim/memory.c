/* SPDX-License-Identifier: MIT */
#include "sim/memory.h"

#include "base/units.h"
#include "sim/random.h"
#include "sim/scenario.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

#define PAGE_BYTES     4096
#define FAULT_NEVER    UINT64_MAX
#define DISK_STREAM    (UINT64_C(1) << 31) /* of random numbers, beside those of vCPUs */
#define PRESENT_ROUNDS 64

static uint64_t working_set(const struct vm_spec *vm)
{
	return vm->working_set ? vm->working_set : vm->memory;
}

static bool speaks_of_memory(const struct scenario *sc)
{
	bool any = sc->host.memory != 0;

	for (uint32_t i = 0; i < sc->n_vms; i++)
		any |= sc->vms[i].device == DEVICE_HOST;
	return any;
}

size_t memory_bytes(const struct scenario *sc)
{
	if (!speaks_of_memory(sc))
		return 0;
	return sizeof(struct memory) + scenario_vcpus_per_host(sc) * sizeof(struct fault_state) +
	       scenario_vms_per_host(sc) * (sizeof(double) + sizeof(uint64_t));
}

/* Draws when the vCPU has its next fault. */
static void plan_fault(struct sim *s, uint32_t vcpu)
{
	const struct vm_spec *spec = guest_spec(s, vcpu);
	double missing = 1 - s->memory->present[engine_vm_of(s, vcpu)];
	double every = 1e9 / (spec->touches * missing);
	struct fault_state *f = &s->memory->vcpus[vcpu];

	f->at = FAULT_NEVER;
	if (!(spec->touches * missing > 1e-6)) /* one in 11 days */
		return;
	if (!spec->fixed)
		every *= -log(random_unit(&s->memory->disk.random));
	f->at = s->guests[vcpu].work + (uint64_t)every;
}

/* What a VM has in memory where each may have the part `part` of its working set. */
static double given(const struct vm_spec *vm, double part)
{
	double want = (double)working_set(vm);

	return fmin(want, fmax(part * want, (double)vm->memory_reserved));
}

static double given_all(const struct sim *s, double part)
{
	double sum = 0;

	for (uint32_t i = 0; i < engine_vms(s); i++) {
		const struct sim_vm *vm = &s->vms[i];

		sum += vm->n && !vm->absent ? given(vm->spec, part) : 0;
	}
	return sum;
}

/* The largest part that fits. */
static double largest_part(const struct sim *s)
{
	double low = 0, high = 1, have = (double)s->scenario->host.memory;

	if (!s->scenario->host.memory || given_all(s, 1) <= have)
		return 1;
	for (int i = 0; i < PRESENT_ROUNDS; i++) {
		double middle = (low + high) / 2;

		if (given_all(s, middle) <= have)
			low = middle;
		else
			high = middle;
	}
	return low;
}

void memory_divide(struct sim *s)
{
	struct memory *m = s->memory;
	double part;

	if (!m)
		return;
	part = largest_part(s);
	m->want = (uint64_t)given_all(s, 1);
	m->given = (uint64_t)given_all(s, part);
	for (uint32_t i = 0; i < engine_vms(s); i++) {
		const struct vm_spec *spec = s->vms[i].spec;

		m->present[i] = working_set(spec) ? given(spec, part) / (double)working_set(spec)
						  : 1;
		for (uint32_t v = engine_first(s, i); v < engine_end(s, i); v++) {
			guest_settle(s, v);
			plan_fault(s, v);
			guest_changed(s, v);
		}
	}
}

int memory_start(struct sim *s, uint64_t seed, uint32_t host)
{
	struct memory *m;

	if (!speaks_of_memory(s->scenario))
		return 0;
	m = s->memory = calloc(1, sizeof(*m));
	if (!m)
		return -ENOMEM;
	m->vcpus = calloc(engine_vcpus(s), sizeof(*m->vcpus));
	m->present = calloc(engine_vms(s), sizeof(*m->present));
	m->faults = calloc(engine_vms(s), sizeof(*m->faults));
	if (!m->vcpus || !m->present || !m->faults)
		return -ENOMEM;
	m->disk.random = random_stream(seed, ((uint64_t)host << 32) + DISK_STREAM);
	memory_divide(s);
	return 0;
}

void memory_free(struct sim *s)
{
	if (!s->memory)
		return;
	free(s->memory->vcpus);
	free(s->memory->present);
	free(s->memory->faults);
	free(s->memory);
	s->memory = NULL;
}

/* ns of service that the disk has been given and not done. */
static uint64_t to_come(const struct sim *s)
{
	uint64_t sum = 0;

	for (uint32_t i = 0; i < s->scenario->host.disk_width; i++)
		sum += u64_sub_floor(s->memory->disk.free[i], s->now);
	return sum;
}

uint64_t memory_disk_busy(const struct sim *s)
{
	return s->memory->disk.busy - to_come(s);
}

void memory_forget(struct sim *s, uint32_t vcpu)
{
	if (s->memory)
		s->memory->vcpus[vcpu].waits = false;
}

void memory_restart(struct sim *s)
{
	struct memory *m = s->memory;

	if (!m)
		return;
	for (uint32_t i = 0; i < engine_vcpus(s); i++) {
		if (m->vcpus[i].at != FAULT_NEVER)
			m->vcpus[i].at = memory_left(s, i);
	}
	for (uint32_t i = 0; i < engine_vms(s); i++)
		m->faults[i] = 0;
	m->disk.busy = to_come(s);
	m->disk.waits = m->disk.requests = m->all_faults = 0;
}

uint64_t memory_disk_submit(struct sim *s, uint64_t bytes, bool fixed)
{
	const struct host_spec *h = &s->scenario->host;
	struct disk *d = &s->memory->disk;
	uint64_t *first = &d->free[0];
	double service = (double)h->disk_time;

	if (h->disk_rate)
		service += (double)bytes * 1e9 / (double)h->disk_rate;
	if (!fixed)
		service *= -log(random_unit(&d->random));
	for (uint32_t i = 1; i < h->disk_width; i++)
		first = d->free[i] < *first ? &d->free[i] : first;
	*first = u64_max(*first, s->now) + (uint64_t)service;
	d->busy += (uint64_t)service;
	d->waits += *first - s->now;
	d->requests++;
	return *first;
}

void memory_fault(struct sim *s, uint32_t vcpu)
{
	uint64_t there = memory_disk_submit(s, PAGE_BYTES, guest_spec(s, vcpu)->fixed);

	s->memory->faults[engine_vm_of(s, vcpu)]++;
	s->memory->all_faults++;
	s->memory->vcpus[vcpu].waits = true;
	core_block(s->core, s->now, vcpu, LEDGER_SWAPWAIT);
	timer_set(&s->timers, vcpu, there);
}

void memory_resume(struct sim *s, uint32_t vcpu)
{
	s->memory->vcpus[vcpu].waits = false;
	plan_fault(s, vcpu);
	s->guests[vcpu].debt += s->scenario->host.exit_cost;
	timer_set(&s->timers, vcpu, TIMER_NEVER);
	core_wake(s->core, s->now, vcpu);
}
