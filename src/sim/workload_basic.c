/* SPDX-License-Identifier: MIT */
/*
 * Guests that keep to themselves: always busy, always idle, or busy and idle in turns.
 *
 * The two threads of a pair (vCPUs 2k and 2k + 1 of a VM) of a `duty` guest can be correlated: with
 * theta = 2 rho / (1 + rho), a thread that ends its burst while the other has one ends both with
 * probability theta / 2, ends none with theta / 2, ends alone otherwise; likewise when an idle time
 * ends. Durations being exponential, each thread alone still is busy and idle as given, and the
 * correlation of the two being busy is rho: P(busy, idle) = m (1 - m) (1 - rho) for a load of m.
 */
#include "sim/workload_internal.h"

#include "sim/demand.h"

enum { IDLE, BUSY };

static void begin_now(struct sim *s, uint32_t vcpu)
{
	workload_first(s, vcpu, workload_start(s, vcpu));
}

static void busy_run(struct sim *s, uint32_t vcpu)
{
	guest_wake(s, vcpu, GUEST_BUSY);
}

static void busy_done(struct sim *s, uint32_t vcpu)
{
	guest_work(s, vcpu, GUEST_BUSY);
}

const struct workload_row workload_busy = {
	.name = "busy",
	.summary = "runs whenever it can: CPU-bound, or a runaway loop",
	.begin = begin_now,
	.done = busy_done,
	.timer = busy_run,
};

static void idle_begin(struct sim *s, uint32_t vcpu)
{
	guest_rest(s, vcpu, TIMER_NEVER);
}

static void idle_never(struct sim *s, uint32_t vcpu)
{
	guest_rest(s, vcpu, TIMER_NEVER);
}

const struct workload_row workload_idle = {
	.name = "idle",
	.summary = "does nothing but serve its ticks",
	.begin = idle_begin,
	.done = idle_never,
	.timer = idle_never,
};

/* When an idle time ends that begins at `from`. */
static uint64_t idle_until(struct sim *s, uint32_t vcpu, uint64_t from)
{
	const struct vm_spec *spec = guest_spec(s, vcpu);

	if (!spec->wants)
		return from + workload_draw(s, vcpu, guest_vm(s, vcpu)->idle);
	return demand_pass(spec, guest_vm(s, vcpu)->number, from,
			   workload_arrivals(spec, &s->guests[vcpu].random));
}

static void duty_begin(struct sim *s, uint32_t vcpu)
{
	const struct vm_spec *spec = guest_spec(s, vcpu);
	uint64_t start = workload_start(s, vcpu);
	bool at_once = spec->fixed && !spec->wants;

	workload_first(s, vcpu, at_once ? start : idle_until(s, vcpu, start));
}

/* The other thread of the pair, or CORE_NONE. */
static uint32_t partner(const struct sim *s, uint32_t vcpu)
{
	const struct sim_vm *vm = guest_vm(s, vcpu);
	uint32_t other = vm->first + ((vcpu - vm->first) ^ 1);

	return other < vm->first + vm->n ? other : CORE_NONE;
}

enum joint { ALONE, BOTH, NEITHER };

/* Who changes when this thread is about to leave `phase`. */
static enum joint who(struct sim *s, uint32_t vcpu, uint32_t phase)
{
	double rho = guest_spec(s, vcpu)->correlation, theta, u;
	uint32_t other;

	if (rho <= 0)
		return ALONE;
	other = partner(s, vcpu);
	if (other == CORE_NONE || s->guests[other].phase != phase)
		return ALONE;
	theta = 2 * rho / (1 + rho);
	u = random_unit(&s->guests[vcpu].random);
	if (u >= theta)
		return ALONE;
	return u < theta / 2 ? BOTH : NEITHER;
}

static void rest(struct sim *s, uint32_t vcpu)
{
	s->guests[vcpu].phase = IDLE;
	s->guests[vcpu].ops++;
	guest_sleep(s, vcpu, idle_until(s, vcpu, s->now), guest_spec(s, vcpu)->block);
}

static void burst(struct sim *s, uint32_t vcpu)
{
	s->guests[vcpu].phase = BUSY;
	guest_wake(s, vcpu, workload_draw(s, vcpu, guest_spec(s, vcpu)->burst));
}

static void duty_done(struct sim *s, uint32_t vcpu)
{
	enum joint j = who(s, vcpu, BUSY);

	if (j == NEITHER) {
		guest_work(s, vcpu, workload_draw(s, vcpu, guest_spec(s, vcpu)->burst));
		return;
	}
	rest(s, vcpu);
	if (j == BOTH)
		rest(s, partner(s, vcpu));
}

static void duty_timer(struct sim *s, uint32_t vcpu)
{
	enum joint j = who(s, vcpu, IDLE);

	if (j == NEITHER) {
		guest_rest(s, vcpu, idle_until(s, vcpu, s->now));
		return;
	}
	burst(s, vcpu);
	if (j == BOTH)
		burst(s, partner(s, vcpu));
}

const struct workload_row workload_duty = {
	.name = "duty",
	.summary = "bursts of work and idle times in turns",
	.begin = duty_begin,
	.done = duty_done,
	.timer = duty_timer,
};
