/* SPDX-License-Identifier: MIT */
#include "sim/moves.h"

#include "base/units.h"
#include "sim/engine_internal.h"
#include "sim/memory.h"
#include "sim/workload.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

#define ROUNDS_MAX 30
#define GIB	   (1024.0 * MIB)

static void mover_begin(struct sim *s, uint32_t vcpu)
{
	guest_rest(s, vcpu, TIMER_NEVER);
}

static void mover_done(struct sim *s, uint32_t vcpu)
{
	guest_sleep(s, vcpu, TIMER_NEVER, LEDGER_HALT);
}

static void mover_timer(struct sim *s, uint32_t vcpu)
{
	guest_rest(s, vcpu, TIMER_NEVER);
}

const struct workload_row workload_mover = {
	.name = "mover",
	.summary = "sends and receives the memory of VMs",
	.begin = mover_begin,
	.done = mover_done,
	.timer = mover_timer,
};

bool move_possible(const struct vm_spec *vm)
{
	return !vm->host[0] && workload_rows[vm->workload] != &workload_ticks;
}

static const struct cluster_spec *cluster(const struct move *m)
{
	return &m->from.sim->scenario->cluster;
}

static double compress(const struct move *m)
{
	return m->from.sim->scenario->run.compress;
}

/* ns: how often a copy is looked after. */
static uint64_t step_ns(const struct move *m)
{
	return u64_max(1, (uint64_t)((double)MOVE_STEP / compress(m)));
}

static const struct vm_spec *spec(const struct move *m)
{
	return m->from.sim->vms[m->from.vm].spec;
}

static uint64_t ran(const struct end *e)
{
	uint64_t ns = 0;

	sim_settle(e->sim);
	for (uint32_t v = engine_first(e->sim, e->vm); v < engine_end(e->sim, e->vm); v++)
		ns += engine_ledger(e->sim, v)->ns[LEDGER_RUN];
	return ns;
}

/* More work for a mover. */
static void give(const struct end *e, uint64_t ns)
{
	const struct guest *g = &e->sim->guests[e->mover];

	if (!ns)
		return;
	if (!engine_wants(e->sim, e->mover))
		guest_wake(e->sim, e->mover, ns);
	else {
		guest_settle(e->sim, e->mover);
		guest_work(e->sim, e->mover, g->need + ns);
	}
	engine_sync(e->sim);
}

static uint64_t need(const struct end *e)
{
	guest_settle(e->sim, e->mover);
	return e->sim->guests[e->mover].need;
}

static uint64_t cost(const struct move *m, double bytes)
{
	return (uint64_t)((double)cluster(m)->move_cost * bytes / GIB);
}

/* Sends what the link takes in a step, unless a mover lags by more than that. */
static void send(struct move *m)
{
	double step = (double)cluster(m)->link * ns_to_s(step_ns(m));
	double bytes = fmin(step, m->left);

	m->next += step_ns(m);
	if (need(&m->from) > cost(m, step) || need(&m->to) > cost(m, step))
		return;
	give(&m->from, cost(m, bytes));
	give(&m->to, cost(m, bytes));
	m->left -= bytes;
}

/* Takes the VM from its CPUs, and notes which vCPUs have work. */
static void stop(struct move *m)
{
	struct sim *s = m->from.sim;
	uint32_t first = engine_first(s, m->from.vm);

	for (uint32_t v = first; v < engine_end(s, m->from.vm); v++) {
		guest_settle(s, v);
		m->works[v - first] = engine_wants(s, v) || memory_waits(s, v);
		if (s->memory)
			s->memory->vcpus[v].waits = false;
		timer_set(&s->timers, v, TIMER_NEVER);
		core_block(s->core, s->now, v, LEDGER_WAIT);
	}
	engine_sync(s);
	m->phase = MOVE_RESTS;
	m->stopped = s->now;
	m->next = s->now + u64_max(1, (uint64_t)(m->left * 1e9 / (double)cluster(m)->link));
	give(&m->from, cost(m, m->left));
	give(&m->to, cost(m, m->left));
}

/* What the VM has written while the round was sent is the next round. */
static void end_round(struct move *m)
{
	const struct vm_spec *vm = spec(m);
	double most = (double)(vm->working_set ? vm->working_set : vm->memory);
	uint64_t now = ran(&m->from);

	m->left = fmin(most, (double)vm->dirty * compress(m) * ns_to_s(now - m->run));
	m->run = now;
	m->rounds++;
	if (m->left <= (double)cluster(m)->link * ns_to_s(cluster(m)->downtime) ||
	    m->rounds == ROUNDS_MAX)
		stop(m);
}

#define SWAP(a, b)                                                                                 \
	do {                                                                                       \
		__typeof__(a) kept_ = (a);                                                         \
		(a) = (b);                                                                         \
		(b) = kept_;                                                                       \
	} while (0)

/* What the VM as a whole remembers; the empty slot's own memory goes the other way. */
static void carry_vm(struct sim_vm *from, struct sim_vm *to)
{
	to->arrived = from->arrived;
	to->owner =
		from->owner; /* as for the listener of requests, only whether there is one counts */
	to->overhead += from->overhead;
	to->wasted += from->wasted;
	from->overhead = from->wasted = 0;
	SWAP(from->requests, to->requests);
	SWAP(from->pending, to->pending);
	from->absent = true;
	to->absent = false;
}

static void carry_vcpus(const struct end *from, const struct end *to)
{
	struct sim *a = from->sim, *b = to->sim;
	struct guest *gone = &a->guests[engine_first(a, from->vm)];
	uint32_t first = engine_first(b, to->vm);

	for (uint32_t i = 0; i < a->vms[from->vm].room; i++) {
		b->guests[first + i] = gone[i];
		b->guests[first + i].vm = to->vm;
		gone[i] = (struct guest){.vm = from->vm,
					 .alarm = TIMER_NEVER,
					 .until = TIMER_NEVER,
					 .pace = gone[i].pace};
		b->last_cpu[first + i] = CORE_NONE;
	}
}

void move_identity(struct end from, struct end to)
{
	struct sim *a = from.sim, *b = to.sim;

	carry_vm(&a->vms[from.vm], &b->vms[to.vm]);
	carry_vcpus(&from, &to);
	if (!a->memory || !b->memory)
		return;
	b->memory->faults[to.vm] += a->memory->faults[from.vm];
	a->memory->faults[from.vm] = 0;
}

/* The VM goes on at the other host. */
static void arrive(struct move *m)
{
	struct sim *a = m->from.sim, *b = m->to.sim;
	uint32_t to = engine_first(b, m->to.vm), n = a->vms[m->from.vm].n;

	move_identity(m->from, m->to);
	core_vm_remove(a->core, a->now, m->from.vm);
	engine_sync(a);
	for (uint32_t i = 0; i < n; i++) {
		if (m->works[i])
			core_wake(b->core, b->now, to + i);
		else
			guest_rest(b, to + i, b->guests[to + i].until);
	}
	engine_sync(b);
	memory_divide(a);
	memory_divide(b);
	m->phase = MOVE_DONE;
	m->next = TIMER_NEVER;
}

int move_begin(struct move *m, struct end from, struct end to)
{
	struct sim_vm *vm = &to.sim->vms[to.vm];
	int err;

	/* A change may have been refused where it is. */
	vm->n = from.sim->vms[from.vm].n;
	engine_set_guest(to.sim, vm, from.sim->vms[from.vm].spec);
	err = sim_vm_come(to.sim, to.vm);
	if (err)
		return err;
	engine_sync(to.sim);
	*m = (struct move){.from = from, .to = to, .next = from.sim->now};
	m->works = calloc(spec(m)->vcpus, sizeof(*m->works));
	if (!m->works)
		return -ENOMEM;
	m->left = (double)spec(m)->memory;
	m->run = ran(&from);
	return 0;
}

void move_step(struct move *m)
{
	if (m->phase == MOVE_RESTS)
		arrive(m);
	else if (m->left > 0)
		send(m);
	else if (need(&m->from) || need(&m->to))
		m->next += step_ns(m);
	else
		end_round(m);
}

void move_cut_short(struct move *m)
{
	if (m->phase == MOVE_RESTS) {
		arrive(m);
		return;
	}
	core_vm_remove(m->to.sim->core, m->to.sim->now, m->to.vm);
	engine_sync(m->to.sim);
	m->phase = MOVE_DONE;
	m->next = TIMER_NEVER;
}

void move_end(struct move *m)
{
	free(m->works);
	m->works = NULL;
}
