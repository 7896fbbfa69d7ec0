/* SPDX-License-Identifier: MIT */
/*
 * Guests whose threads depend on each other, one thread a vCPU.
 *
 * barrier: each thread works for `burst`, then waits until all have; a waiting thread spins for
 * `spin` before it sleeps. An operation is one round of all threads.
 *
 * spinlock: each thread works for `burst`, then takes a lock, holds it for `hold`, and starts over.
 * A thread that finds the lock taken spins, and burns its vCPU's time if the holder does not run. A
 * free lock goes to a spinning thread that runs; without one, to whoever comes first. An operation
 * is one time that the lock was held.
 */
#include "sim/workload_internal.h"

enum { WORKS, SPINS, HOLDS, SLEEPS };

static void smp_begin(struct sim *s, uint32_t vcpu)
{
	workload_first(s, vcpu, workload_start(s, vcpu));
}

static uint64_t stretch_of_work(struct sim *s, uint32_t vcpu)
{
	s->guests[vcpu].phase = WORKS;
	return workload_draw(s, vcpu, guest_spec(s, vcpu)->burst);
}

static void smp_timer(struct sim *s, uint32_t vcpu)
{
	guest_wake(s, vcpu, stretch_of_work(s, vcpu));
}

static uint32_t threads_of(const struct sim *s, uint32_t vcpu)
{
	uint32_t active = guest_spec(s, vcpu)->active;

	return active ? active : guest_spec(s, vcpu)->vcpus;
}

/* Stops a thread's spinning, and counts it. */
static void end_spin(struct sim *s, uint32_t vcpu, uint64_t allowed)
{
	guest_settle(s, vcpu);
	guest_vm(s, vcpu)->wasted += allowed - s->guests[vcpu].need;
}

/* The last thread has come: all go on. */
static void release_all(struct sim *s, uint32_t last)
{
	uint32_t first = guest_vm(s, last)->first;

	guest_vm(s, last)->arrived = 0;
	s->guests[last].ops++;
	for (uint32_t v = first; v < first + threads_of(s, last); v++) {
		bool sleeps = s->guests[v].phase == SLEEPS;

		if (s->guests[v].phase == SPINS)
			end_spin(s, v, guest_spec(s, v)->spin);
		if (sleeps)
			guest_wake(s, v, stretch_of_work(s, v));
		else
			guest_work(s, v, stretch_of_work(s, v));
	}
}

static void barrier_done(struct sim *s, uint32_t vcpu)
{
	struct guest *g = &s->guests[vcpu];
	uint64_t spin = guest_spec(s, vcpu)->spin;

	if (g->phase == SPINS) {
		guest_vm(s, vcpu)->wasted += spin;
		g->phase = SLEEPS;
		guest_sleep(s, vcpu, TIMER_NEVER, LEDGER_HALT);
	} else if (++guest_vm(s, vcpu)->arrived == threads_of(s, vcpu)) {
		release_all(s, vcpu);
	} else if (spin) {
		g->phase = SPINS;
		guest_work(s, vcpu, spin);
	} else {
		g->phase = SLEEPS;
		guest_sleep(s, vcpu, TIMER_NEVER, LEDGER_HALT);
	}
}

const struct workload_row workload_barrier = {
	.name = "barrier",
	.summary = "threads that work and wait for each other",
	.begin = smp_begin,
	.done = barrier_done,
	.timer = smp_timer,
};

/* Gives the free lock to a thread, which works on it. */
static void acquire(struct sim *s, uint32_t vcpu)
{
	guest_vm(s, vcpu)->owner = vcpu;
	s->guests[vcpu].phase = HOLDS;
	guest_work(s, vcpu, workload_draw(s, vcpu, guest_spec(s, vcpu)->hold));
}

/* Hands the lock on to the next spinning thread that runs. */
static void release(struct sim *s, uint32_t vcpu)
{
	uint32_t first = guest_vm(s, vcpu)->first, n = threads_of(s, vcpu);

	s->guests[vcpu].ops++;
	guest_vm(s, vcpu)->owner = CORE_NONE;
	for (uint32_t i = 1; i < n; i++) {
		uint32_t v = first + (vcpu - first + i) % n;

		if (s->guests[v].phase != SPINS || !guest_runs(s, v))
			continue;
		end_spin(s, v, GUEST_BUSY);
		acquire(s, v);
		return;
	}
}

static void spinlock_done(struct sim *s, uint32_t vcpu)
{
	struct guest *g = &s->guests[vcpu];

	if (g->phase == HOLDS) {
		release(s, vcpu);
		guest_work(s, vcpu, stretch_of_work(s, vcpu));
	} else if (guest_vm(s, vcpu)->owner == CORE_NONE) {
		acquire(s, vcpu);
	} else {
		g->phase = SPINS;
		guest_work(s, vcpu, GUEST_BUSY);
	}
}

/* A thread that comes back spinning finds the lock free. */
static void spinlock_started(struct sim *s, uint32_t vcpu)
{
	if (s->guests[vcpu].phase != SPINS || guest_vm(s, vcpu)->owner != CORE_NONE)
		return;
	end_spin(s, vcpu, GUEST_BUSY);
	acquire(s, vcpu);
}

const struct workload_row workload_spinlock = {
	.name = "spinlock",
	.summary = "threads that share a lock and spin for it",
	.begin = smp_begin,
	.done = spinlock_done,
	.timer = smp_timer,
	.started = spinlock_started,
};
