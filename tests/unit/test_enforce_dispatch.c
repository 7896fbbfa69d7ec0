/* SPDX-License-Identifier: MIT */
/*
 * The decisions of the enforcer `dispatch` without a kernel: fake threads on fake CPUs, which do
 * what is wished, as late as a kernel would. What VMs ought to get is arithmetic by hand. What real
 * threads get is bench/bench_enforce.c's, what becomes of them system/test_enforce_dispatch.c's.
 */
#include "enforce/dispatch_plan.h"

#include "base/units.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define CPUS	2
#define VMS_MAX 40
#define STEP	(NS_PER_MS / 4)
#define NOBODY	UINT32_MAX

struct fake_vm {
	struct enforce_order order;
	uint32_t busy;	    /* vCPUs that always want to run */
	bool wakes;	    /* they do for 20 ms in each 40 */
	double others_want; /* CPUs */
	uint64_t run, others_run, off, off_since, off_worst;
};

/* Switching takes the kernel `lag`; a CPU that is free is taken by whoever is wished to wait. */
struct fake_host {
	struct plan *plan;
	uint64_t now, lag;
	bool foreign; /* tasks of the host's have the last CPU for 6 ms in each 20 */
	struct fake_vm vms[VMS_MAX];
	size_t n;
	struct host_vcpu vcpus[VMS_MAX * 2];
	struct enforce_group groups[2];
	size_t n_groups;
	uint32_t on[CPUS];
	uint64_t since[CPUS]; /* it is wished that somebody else runs there */
	uint64_t ran[PLAN_VCPUS];
	uint32_t next_waiting;
};

static int set_up(void **state)
{
	struct fake_host *h = calloc(1, sizeof(*h));

	h->now = NS_PER_SEC;
	h->lag = 0;
	for (size_t i = 0; i < CPUS; i++)
		h->on[i] = NOBODY;
	*state = h;
	return plan_new(CPUS, 10 * NS_PER_MS, h->now, &h->plan);
}

static int tear_down(void **state)
{
	struct fake_host *h = *state;

	plan_free(h->plan);
	free(h);
	return 0;
}

static struct fake_vm *add(struct fake_host *h, uint32_t vcpus, uint32_t busy)
{
	struct fake_vm *vm = &h->vms[h->n];

	vm->order = (struct enforce_order){.pid = 1000 + (pid_t)h->n * 10,
					   .start_ns = h->n + 1,
					   .shares = 1000.0 * vcpus,
					   .n_vcpus = vcpus};
	vm->busy = busy;
	h->n++;
	return vm;
}

static void order(struct fake_host *h)
{
	struct enforce_order orders[VMS_MAX];
	struct enforce_orders o = {orders, h->vcpus, h->groups, h->n, 0, h->n_groups};

	for (size_t i = 0; i < h->n; i++) {
		orders[i] = h->vms[i].order;
		orders[i].first_vcpu = (uint32_t)o.n_vcpus;
		for (uint32_t v = 0; v < orders[i].n_vcpus; v++)
			h->vcpus[o.n_vcpus++] = (struct host_vcpu){orders[i].pid + 1 + (pid_t)v, v};
	}
	plan_orders(h->plan, h->now, &o);
}

static struct fake_vm *vm_of(struct fake_host *h, const struct plan_thread *t)
{
	for (size_t i = 0; i < h->n; i++)
		if (h->vms[i].order.pid == t->pid)
			return &h->vms[i];
	return NULL;
}

static bool wants(struct fake_host *h, uint32_t vcpu)
{
	const struct plan_thread *t = plan_thread(h->plan, vcpu);
	const struct fake_vm *vm = vm_of(h, t);

	if (!t->there || !vm || (uint32_t)(t->tid - t->pid - 1) >= vm->busy)
		return false;
	return !vm->wakes || h->now % (40 * NS_PER_MS) < 20 * NS_PER_MS;
}

static bool is_taken(const struct fake_host *h, size_t cpu)
{
	return h->foreign && cpu == CPUS - 1 && h->now % (20 * NS_PER_MS) < 6 * NS_PER_MS;
}

static bool is_on(const struct fake_host *h, uint32_t vcpu)
{
	for (size_t i = 0; i < CPUS; i++)
		if (h->on[i] == vcpu && !is_taken(h, i))
			return true;
	return false;
}

/* Somebody who waits, in turn. */
static uint32_t find_waiting(struct fake_host *h)
{
	for (uint32_t i = 0; i < PLAN_VCPUS; i++) {
		uint32_t v = (h->next_waiting + i) % PLAN_VCPUS;

		if (plan_thread(h->plan, v)->wish == PLAN_WAIT && wants(h, v) && !is_on(h, v)) {
			h->next_waiting = v + 1;
			return v;
		}
	}
	return NOBODY;
}

static uint32_t wished(struct fake_host *h, uint32_t cpu)
{
	for (uint32_t v = 0; v < PLAN_VCPUS; v++) {
		const struct plan_thread *t = plan_thread(h->plan, v);

		if (t->there && t->wish == PLAN_RUN && t->cpu == cpu && wants(h, v))
			return v;
	}
	return NOBODY;
}

static void switch_cpu(struct fake_host *h, uint32_t cpu)
{
	uint32_t v = wished(h, cpu), *on = &h->on[cpu];
	bool gone = *on == NOBODY || !wants(h, *on) || plan_thread(h->plan, *on)->wish == PLAN_HOLD;

	if (*on == v)
		return;
	h->since[cpu] = h->since[cpu] ? h->since[cpu] : h->now;
	if (!gone && h->now < h->since[cpu] + h->lag)
		return;
	h->since[cpu] = 0;
	for (uint32_t i = 0; v != NOBODY && i < CPUS; i++)
		h->on[i] = h->on[i] == v ? NOBODY : h->on[i];
	*on = v == NOBODY ? find_waiting(h) : v;
}

static void note_off(struct fake_host *h, struct fake_vm *vm, bool on)
{
	if (!on && !vm->off_since)
		vm->off_since = h->now;
	if (on && vm->off_since)
		vm->off_worst = u64_max(vm->off_worst, h->now - vm->off_since);
	vm->off_since = on ? 0 : vm->off_since;
}

static void run_for(struct fake_host *h, uint64_t ns)
{
	bool on[VMS_MAX] = {false};

	for (size_t i = 0; i < CPUS; i++) {
		struct fake_vm *vm;

		if (h->on[i] == NOBODY || is_taken(h, i))
			continue;
		vm = vm_of(h, plan_thread(h->plan, h->on[i]));
		h->ran[h->on[i]] += ns;
		vm->run += ns;
		on[vm - h->vms] = true;
	}
	h->now += ns;
	for (size_t i = 0; i < h->n; i++) {
		const struct plan_vm *p = plan_find(h->plan, h->vms[i].order.pid,
						    h->vms[i].order.start_ns);

		note_off(h, &h->vms[i], on[i]);
		if (p && !p->hold_others)
			h->vms[i].others_run += (uint64_t)(h->vms[i].others_want * (double)ns);
	}
}

static void see(struct fake_host *h)
{
	plan_settle(h->plan, h->now);
	for (uint32_t v = 0; v < PLAN_VCPUS; v++)
		if (plan_thread(h->plan, v)->there)
			plan_see(h->plan, h->now, v,
				 is_on(h, v)   ? LEDGER_RUN
				 : wants(h, v) ? LEDGER_READY
					       : LEDGER_HALT,
				 h->ran[v]);
	for (uint32_t i = 0; i < PLAN_VMS; i++) {
		const struct plan_vm *p = plan_vm(h->plan, i);

		for (size_t k = 0; p->there && k < h->n; k++)
			if (h->vms[k].order.pid == p->pid)
				plan_charge(h->plan, h->now, i, h->vms[k].others_run + 1);
	}
}

static void play(struct fake_host *h, double seconds)
{
	uint64_t end = h->now + (uint64_t)(seconds * NS_PER_SEC), next;

	while (h->now < end) {
		see(h);
		next = plan_decide(h->plan, h->now);
		for (uint32_t c = 0; c < CPUS; c++)
			if (h->on[c] != NOBODY &&
			    (plan_thread(h->plan, h->on[c])->wish == PLAN_HOLD ||
			     !wants(h, h->on[c])))
				h->on[c] = NOBODY;
		for (uint64_t until = h->now + NS_PER_MS; h->now < until && h->now < next;) {
			for (uint32_t c = 0; c < CPUS; c++)
				switch_cpu(h, c);
			run_for(h, u64_min(STEP, u64_max(next - h->now, STEP / 10)));
		}
	}
}

static void begin(struct fake_host *h)
{
	order(h);
	play(h, 1);
	for (size_t i = 0; i < h->n; i++)
		h->vms[i].run = h->vms[i].others_run = h->vms[i].off_worst = 0;
}

static double cpus(const struct fake_vm *vm, double seconds)
{
	return (double)(vm->run + vm->others_run) / (seconds * NS_PER_SEC);
}

static void near(double is, double expected, double part)
{
	if (fabs(is / expected - 1) > part)
		fail_msg("%g, expected %g within %g %%", is, expected, part * 100);
}

/* ---- tests ---- */

/* Two CPUs by 1 : 2 : 4. A kernel that switches 3 ms late changes nothing in the end. */
static void shares(void **state)
{
	struct fake_host *h = *state;

	h->lag = 3 * NS_PER_MS;
	for (int i = 0; i < 3; i++)
		add(h, 2, 2)->order.shares = 1000 << i;
	begin(h);
	play(h, 10);
	for (int i = 0; i < 3; i++)
		near(cpus(&h->vms[i], 10), 2 * (1 << i) / 7.0, 0.01);
}

/* Eight alike. */
static void alike(void **state)
{
	struct fake_host *h = *state;

	h->lag = 2 * NS_PER_MS;
	for (int i = 0; i < 8; i++)
		add(h, 1, 1);
	begin(h);
	play(h, 10);
	for (int i = 0; i < 8; i++)
		near(cpus(&h->vms[i], 10), 0.25, 0.01);
}

/* One busy vCPU of two has the shares of both: 2 of 6 of two CPUs, each other VM as much. */
static void one_of_two_busy(void **state)
{
	struct fake_host *h = *state;

	add(h, 2, 1);
	add(h, 2, 2);
	add(h, 2, 2);
	begin(h);
	play(h, 10);
	for (int i = 0; i < 3; i++)
		near(cpus(&h->vms[i], 10), 2 / 3.0, 0.01);
}

/* Half a CPU among 16 that are always busy: all the time, and, for one that wakes for 20 ms in each
 * 40, while it is awake at least. */
static void reservation(void **state)
{
	struct fake_host *h = *state;

	add(h, 1, 1)->order.reservation = 0.5;
	for (int i = 0; i < 16; i++)
		add(h, 1, 1);
	begin(h);
	play(h, 10);
	near(cpus(&h->vms[0], 10), 0.5, 0.01);
	h->vms[0].wakes = true;
	play(h, 1);
	h->vms[0].run = 0;
	play(h, 10);
	assert_true(cpus(&h->vms[0], 10) >= 0.5 * 0.5 && cpus(&h->vms[0], 10) <= 0.5);
}

/* It leaks nothing on a host that is idle otherwise, and no pause is longer than the period. */
static void limit(void **state)
{
	struct fake_host *h = *state;

	add(h, 1, 1)->order.own_limit = 0.3;
	begin(h);
	play(h, 10);
	near(cpus(&h->vms[0], 10), 0.3, 0.01);
	assert_true(h->vms[0].off_worst <= 10 * NS_PER_MS);
}

/* Beside three that are busy it has all of its limit, although it enters the order again and again. */
static void limit_among_others(void **state)
{
	struct fake_host *h = *state;

	add(h, 1, 1)->order.own_limit = 0.3;
	for (int i = 0; i < 3; i++)
		add(h, 1, 1);
	h->lag = 3 * NS_PER_MS;
	begin(h);
	play(h, 10);
	near(cpus(&h->vms[0], 10), 0.3, 0.01);
}

static void limit_of_two_vcpus(void **state)
{
	struct fake_host *h = *state;

	add(h, 2, 2)->order.own_limit = 0.6;
	add(h, 1, 1);
	begin(h);
	play(h, 10);
	near(cpus(&h->vms[0], 10), 0.6, 0.01);
	near(cpus(&h->vms[1], 10), 1, 0.01);
}

/* Threads for I/O that would take two CPUs count for their VM, a quarter of two CPUs as the others,
 * and have half of that while its vCPU wants to run. */
static void other_threads(void **state)
{
	struct fake_host *h = *state;

	add(h, 1, 1)->others_want = 2;
	for (int i = 0; i < 3; i++)
		add(h, 1, 1);
	begin(h);
	play(h, 10);
	near((double)h->vms[0].others_run / (10.0 * NS_PER_SEC), 0.25, 0.05);
	near((double)h->vms[0].run / (double)h->vms[1].run, 0.5, 0.15);
}

/* A guest doesn't escape its limit through I/O. */
static void other_threads_and_limit(void **state)
{
	struct fake_host *h = *state;
	struct fake_vm *vm = add(h, 1, 1);

	vm->order.own_limit = 0.4;
	vm->others_want = 1;
	begin(h);
	play(h, 10);
	near(cpus(vm, 10), 0.4, 0.02);
	vm->busy = 0; /* alone its other threads may have all of it */
	play(h, 1);
	vm->run = vm->others_run = 0;
	play(h, 10);
	near(cpus(vm, 10), 0.4, 0.02);
}

/* Tasks of the host's take 0.3 of the second CPU: what is left is divided, and a reservation is whole. */
static void what_others_leave(void **state)
{
	struct fake_host *h = *state;

	h->foreign = true;
	add(h, 1, 1)->order.reservation = 0.6;
	for (int i = 0; i < 6; i++)
		add(h, 1, 1);
	begin(h);
	play(h, 2);
	begin(h);
	play(h, 10);
	near(cpus(&h->vms[0], 10), 0.6, 0.01);
	for (int i = 1; i < 7; i++)
		near(cpus(&h->vms[i], 10), 1.1 / 6, 0.02);
}

/* Half of the host in a group for two VMs, the other half for one outside. */
static void groups(void **state)
{
	struct fake_host *h = *state;

	h->groups[0] = (struct enforce_group){0, 1000, 0, 0};
	h->n_groups = 1;
	for (int i = 0; i < 3; i++) {
		add(h, 2, 2)->order.shares = 1000;
		h->vms[i].order.group = i < 2;
	}
	begin(h);
	play(h, 10);
	near(cpus(&h->vms[0], 10), 0.5, 0.01);
	near(cpus(&h->vms[2], 10), 1, 0.01);
	h->n_groups = 0;
	h->vms[0].order.group = h->vms[1].order.group = 0;
	begin(h);
	play(h, 10);
	near(cpus(&h->vms[2], 10), 2 / 3.0, 0.01);
}

static uint32_t count_there(struct fake_host *h)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < PLAN_VMS; i++)
		n += plan_vm(h->plan, i)->there;
	return n;
}

/* VMs come and go while others run; nothing of them stays. */
static void churn(void **state)
{
	struct fake_host *h = *state;

	add(h, 1, 1);
	add(h, 1, 1);
	for (int i = 0; i < 1000; i++) {
		struct fake_vm *vm = add(h, 1 + (uint32_t)i % 2, 1);

		vm->order.pid = 5000 + i * 10;
		vm->order.own_limit = i % 3 ? 0 : 0.2;
		order(h);
		play(h, 0.004);
		assert_int_equal(count_there(h), 3);
		for (size_t c = 0; c < CPUS; c++)
			if (h->on[c] != NOBODY &&
			    plan_thread(h->plan, h->on[c])->pid == vm->order.pid)
				h->on[c] = NOBODY;
		memset(vm, 0, sizeof(*vm));
		h->n--;
		order(h);
		assert_int_equal(count_there(h), 2);
	}
	begin(h);
	play(h, 2);
	near(cpus(&h->vms[0], 2), 1, 0.01);
}

/* What can't be kept is said, and the VM is dispatched all the same. */
static void what_cannot_be_kept(void **state)
{
	struct fake_host *h = *state;

	add(h, 1, 1)->order.reservation = 1;
	add(h, 2, 2)->order.reservation = 1.5;
	add(h, 2, 2)->order.cosched = 77;
	order(h);
	assert_int_equal(count_there(h), 3);
	assert_string_equal(plan_find(h->plan, 1000, 1)->why, "");
	assert_string_equal(plan_find(h->plan, 1010, 2)->why,
			    "its reservation can't be kept beside others'");
}

/* More vCPUs than there is room for: that VM isn't there, and others are. */
static void no_room(void **state)
{
	static struct host_vcpu many[PLAN_VCPUS + 1];
	struct fake_host *h = *state;
	struct enforce_order orders[2] = {
		{.pid = 2000, .start_ns = 1, .shares = 1, .n_vcpus = PLAN_VCPUS + 1},
		{.pid = 3000, .start_ns = 1, .shares = 1, .n_vcpus = 1}};
	struct enforce_orders o = {orders, many, NULL, 2, PLAN_VCPUS + 1, 0};

	plan_orders(h->plan, h->now, &o);
	assert_null(plan_find(h->plan, 2000, 1));
	assert_non_null(plan_find(h->plan, 3000, 1));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	static const struct CMUnitTest tests[] = {
		TEST(shares),
		TEST(alike),
		TEST(one_of_two_busy),
		TEST(reservation),
		TEST(limit),
		TEST(limit_among_others),
		TEST(limit_of_two_vcpus),
		TEST(other_threads),
		TEST(other_threads_and_limit),
		TEST(what_others_leave),
		TEST(groups),
		TEST(churn),
		TEST(what_cannot_be_kept),
		TEST(no_room),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
