/* SPDX-License-Identifier: MIT */
/*
 * Turns of threads in one queue that all CPUs of a host share, by the rules of dispatch.h and
 * budget.h, as sched_ext applies them in the kernel: there is no list of vCPUs to look at, only the
 * thread that something happens to, the VM it belongs to, and the domain's clock. The caller has
 * the queues and holds the lock.
 *
 * A VM has a rate, which its threads that run or wait share. A reservation is a rate as well: as
 * much as it takes to have so many CPUs against all that are there at the time. The host's own work
 * is a VM whose threads have a rate each, by their nice values.
 *
 * A limit is a budget that all threads of a VM use, and for which vCPUs are held, but not as many
 * of them as it has whole CPUs: these use what the limit gives at most, so a debt doesn't grow, and
 * the VM doesn't stand still as a whole. In a VM whose limit was used up lately no more vCPUs run
 * at a time than it takes to use it, so that it lasts for longer. They take turns: one that has had
 * its slice is held, and the one that has been held for longest goes on.
 *
 * A thread that wakes goes before others by a credit, until it stops: it changes the order, not the
 * account.
 *
 * The kernel throws a scheduler out that lets a thread wait for longer than its `patience`. So no
 * virtual time is further ahead of the clock than what that advances in 3/10 of it, one that has
 * waited for 4/10 is next, and no hold is longer than that.
 */
#ifndef POLICY_TURNS_H
#define POLICY_TURNS_H

#include "policy/budget.h"
#include "policy/dispatch.h"

#define TURNS_MS	 UINT64_C(1000000)
#define TURNS_ROUND	 (24 * TURNS_MS) /* in which everybody should have had a turn */
#define TURNS_SLICE_MOST (4 * TURNS_MS)
#define TURNS_SLICE_MIN	 (TURNS_MS / 2)
#define TURNS_LAG	 (100 * TURNS_MS) /* own service that may be owed to a thread */
#define TURNS_DEBT                                                                                 \
	(100 * TURNS_MS)       /* own service that it may have had too much of when it comes back */
#define TURNS_MARGIN  TURNS_MS /* own service by which a waking thread must be behind to preempt */
#define TURNS_PRESSED 4	       /* periods for which a limit that was used up counts so */
#define TURNS_WEIGHT  100      /* of a thread with nice 0 */

struct turns {
	struct dispatch_clock clock;
	uint64_t patience; /* ns */
	uint32_t cpus;	   /* at least 1 */
	uint32_t active;   /* threads in the clock */
};

struct turns_vm {
	uint64_t rate;	   /* of 1/2^32 CPU; `each`: of every thread with nice 0 */
	uint64_t reserved; /* of 1/2^32 CPU */
	bool each;
	uint32_t active;  /* threads that run or want to */
	uint32_t through; /* vCPUs that run or are queued */
	uint32_t held;	  /* vCPUs that are held */
	uint32_t whole;	  /* of the limit: vCPUs that may run though it is used up */
	uint64_t pressed; /* until when its limit counts as used up lately */
	struct budget limit;
};

struct turns_thread {
	uint64_t vtime;
	uint64_t since;	 /* it runs, and is charged up to then; 0: it doesn't */
	uint32_t weight; /* in the clock; 0: not in it */
	uint32_t nice;	 /* its weight of TURNS_WEIGHT */
	bool is_vcpu;	 /* may be held by the limit */
	bool through, held;
	bool woken; /* it has a credit */
};

static inline uint64_t turns_least(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/* What gives a VM its reservation against all others, in the unit of rates. */
static inline uint64_t turns_floor(const struct turns *d, const struct turns_vm *vm)
{
	return vm->reserved * (d->clock.weight >> 8) / ((uint64_t)d->cpus << 8);
}

static inline uint64_t turns_stretch(const struct turns *d, const struct turns_vm *vm,
				     const struct turns_thread *t)
{
	uint64_t floor = vm->reserved ? turns_floor(d, vm) : 0, rate = vm->rate;

	if (!vm->each)
		return dispatch_stretch_of(rate > floor ? rate : floor, vm->active);
	rate = rate / TURNS_WEIGHT * t->nice;
	floor /= vm->active ? vm->active : 1;
	return dispatch_stretch_of(rate > floor ? rate : floor, 1);
}

static inline uint64_t turns_clock(const struct turns *d, uint64_t now)
{
	return dispatch_now(&d->clock, now, false);
}

static inline void turns_begin(struct turns *d, uint32_t cpus, uint64_t patience)
{
	d->patience = patience;
	d->clock.base = DISPATCH_START;
	d->cpus = cpus ? cpus : 1;
}

/* What the clock advances in so many ns. */
static inline uint64_t turns_advance(const struct turns *d, uint64_t ns)
{
	uint64_t weight = d->clock.weight >> 8; /* of 1/256 CPU */

	return ns * d->cpus * 256 / (weight ? weight : 1);
}

/* By how much a virtual time may be ahead of the clock. */
static inline uint64_t turns_ahead(const struct turns *d)
{
	return turns_advance(d, d->patience / 10 * 3);
}

/* Its virtual time for the order of turns. */
static inline uint64_t turns_place(const struct turns *d, const struct turns_thread *t)
{
	return t->vtime - (t->woken ? turns_advance(d, TURNS_ROUND) : 0);
}

/* It wants to run. */
static inline void turns_wake(struct turns *d, struct turns_vm *vm, struct turns_thread *t,
			      uint64_t now)
{
	uint64_t clock = turns_clock(d, now), stretch;

	if (t->weight)
		return;
	vm->active++;
	d->active++;
	stretch = turns_stretch(d, vm, t);
	t->vtime = turns_least(
		dispatch_enter(t->vtime, clock),
		clock + turns_least(dispatch_stretch(TURNS_DEBT, stretch), turns_ahead(d)));
	t->weight = dispatch_weight(stretch);
	t->woken = true;
	dispatch_join(&d->clock, t->vtime, t->weight);
}

/* It isn't in a queue, and doesn't run. */
static inline void turns_take(struct turns_vm *vm, struct turns_thread *t)
{
	vm->through -= t->through && vm->through;
	vm->held -= t->held && vm->held;
	t->through = t->held = false;
}

/* It doesn't want to run any more. */
static inline void turns_sleep(struct turns *d, struct turns_vm *vm, struct turns_thread *t)
{
	turns_take(vm, t);
	if (!t->weight)
		return;
	dispatch_leave(&d->clock, t->vtime, t->weight);
	t->weight = 0;
	vm->active -= vm->active > 0;
	d->active -= d->active > 0;
}

/* It begins to run. */
static inline void turns_start(struct turns *d, struct turns_vm *vm, struct turns_thread *t,
			       uint64_t now)
{
	t->since = now;
	if (t->is_vcpu && !t->through) {
		turns_take(vm, t);
		t->through = true;
		vm->through++;
	}
	if (!t->weight)
		return;
	d->clock.running++;
	d->clock.since += now;
}

/* Neither is a thread owed what its VM couldn't use for TURNS_LAG, nor does it owe so much that
 * it would wait for longer than anybody may. */
static inline void turns_forgive(struct turns *d, struct turns_thread *t, uint64_t stretch,
				 uint64_t now)
{
	uint64_t clock = turns_clock(d, now), lag = dispatch_stretch(TURNS_LAG, stretch);
	uint64_t fair = t->vtime;

	if (fair + lag < clock)
		fair = clock - lag;
	fair = turns_least(fair, clock + turns_ahead(d));
	d->clock.sum += (int64_t)t->weight * (int64_t)(fair - t->vtime);
	t->vtime = fair;
}

static inline void turns_pay(struct budget *b, uint64_t now, uint64_t service)
{
	if (!b->period)
		return;
	budget_refresh(b, now);
	b->left -= (int64_t)service;
}

/* It stops running, and has used `service` ns of CPU time. */
static inline void turns_stop(struct turns *d, struct turns_vm *vm, struct turns_thread *t,
			      uint64_t now, uint64_t service)
{
	uint64_t stretch, vtime;
	uint32_t weight;

	turns_take(vm, t);
	t->woken = false;
	if (!t->since)
		return;
	turns_pay(&vm->limit, now, service);
	if (t->weight) {
		stretch = turns_stretch(d, vm, t);
		weight = dispatch_weight(stretch);
		dispatch_reweigh(&d->clock, t->vtime, t->weight, weight);
		t->weight = weight;
		d->clock.running--;
		d->clock.since -= t->since;
		vtime = dispatch_stretch(service, stretch);
		t->vtime += vtime;
		dispatch_serve(&d->clock, vtime, weight);
		turns_forgive(d, t, stretch, now);
	}
	t->since = 0;
}

static inline uint64_t turns_slice(const struct turns *d)
{
	uint64_t slice = TURNS_ROUND * d->cpus / (d->active ? d->active : 1);

	if (slice < TURNS_SLICE_MIN)
		return TURNS_SLICE_MIN;
	return turns_least(slice, TURNS_SLICE_MOST);
}

/* For how long it may run now, beginning with its limit's rest. */
static inline uint64_t turns_grant(const struct turns *d, const struct turns_vm *vm,
				   const struct turns_thread *t)
{
	uint64_t slice = turns_slice(d), grant;

	if (!t->is_vcpu || !vm->limit.period || vm->through <= vm->whole)
		return slice;
	grant = budget_grant(&vm->limit, vm->through);
	return turns_least(slice, grant < TURNS_SLICE_MIN ? TURNS_SLICE_MIN : grant);
}

/* Its place in the queue: where its next slice would end. */
static inline uint64_t turns_key(const struct turns *d, const struct turns_vm *vm,
				 const struct turns_thread *t, uint64_t slice, uint64_t now)
{
	uint64_t key = turns_place(d, t) + dispatch_stretch(slice, turns_stretch(d, vm, t));

	return turns_least(key, turns_clock(d, now) + turns_ahead(d));
}

/* How many vCPUs may be queued or run. */
static inline uint32_t turns_allowed(const struct turns_vm *vm, uint64_t now)
{
	if (budget_exhausted(&vm->limit))
		return vm->whole;
	return now < vm->pressed ? vm->whole + (vm->limit.quota % vm->limit.period != 0)
				 : UINT32_MAX;
}

/* True: its limit holds it, but not while it has `leave`. One that comes from its slice lets
 * those go on that were held before it. */
static inline bool turns_holds(struct turns_vm *vm, struct turns_thread *t, uint64_t now,
			       bool leave)
{
	bool was_held = t->held, hold;
	uint32_t allowed;

	turns_take(vm, t);
	if (!t->is_vcpu)
		return false;
	budget_refresh(&vm->limit, now);
	if (budget_exhausted(&vm->limit))
		vm->pressed = now + TURNS_PRESSED * vm->limit.period;
	allowed = turns_allowed(vm, now);
	hold = (vm->through >= allowed || (allowed != UINT32_MAX && vm->held && !was_held)) &&
	       !leave;
	t->held = hold;
	t->through = !hold;
	vm->held += hold;
	vm->through += !hold;
	return hold;
}

/* True: a vCPU whose slice is over hands its place on to one that is held. */
static inline bool turns_hands_on(const struct turns_vm *vm, const struct turns_thread *t,
				  uint64_t now)
{
	return t->through && vm->held && vm->limit.period && vm->through <= turns_allowed(vm, now);
}

/* When those that are held are to be looked at again, within `patience`. */
static inline uint64_t turns_look_at(const struct turns_vm *vm, uint64_t now, uint64_t patience)
{
	uint64_t at = budget_ready_at(&vm->limit);

	if (vm->through < turns_allowed(vm, now) || at <= now)
		return now + TURNS_MS / 50;
	return turns_least(at, now + patience);
}

/* True: it has waited or been held since `since` for as long as may be. */
static inline bool turns_overdue(const struct turns *d, uint64_t since, uint64_t now)
{
	return now > since && now - since > d->patience / 10 * 4;
}

/* True: a thread that wakes takes the CPU from one that has run there for `ran` ns. */
static inline bool turns_preempts(uint64_t vtime, uint64_t stretch, uint64_t other,
				  uint64_t other_stretch, uint64_t ran)
{
	return dispatch_behind(vtime, other + dispatch_stretch(ran, other_stretch), TURNS_MARGIN,
			       stretch);
}

#endif
