/* SPDX-License-Identifier: MIT */
/*
 * Turns in one queue (policy/turns.h), on a host in virtual time (turns_host.h). What is expected
 * is arithmetic. The rules' parts have tests of their own (test_policy.c); the same rules in a
 * kernel are in system/test_turns_bpf.c and system/test_sched_ext.c.
 */
#include "unit/turns_host.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

static double cpus_of(const struct host *h, uint32_t vm, uint64_t ns)
{
	uint64_t sum = 0;

	for (uint32_t i = 0; i < h->n; i++)
		sum += h->threads[i].vm == vm ? h->threads[i].used : 0;
	return (double)sum / (double)ns;
}

static void near(double is, double expected, double part)
{
	if (!(is >= expected * (1 - part) && is <= expected * (1 + part)))
		fail_msg("%.4f, expected %.4f within %.1f %%", is, expected, part * 100);
}

/* Twelve VMs with one busy vCPU, shares 1:2:4, on four CPUs: 28 parts of 4 CPUs. */
static void shares(void **state)
{
	static struct host h;

	(void)state;
	begin(&h, TICK, 1);
	for (uint32_t i = 1; i <= 12; i++) {
		rate(&h, i, 0.2 * (1 << i % 3));
		add(&h, i, 0, 0);
	}
	run(&h, NS_PER_SEC / 2);
	run(&h, 4 * NS_PER_SEC);
	for (uint32_t i = 1; i <= 12; i++)
		near(cpus_of(&h, i, 4 * NS_PER_SEC), 4.0 * (1 << i % 3) / 28, 0.02);
}

/* A VM with two vCPUs of which one is busy has as much as one with a single vCPU. */
static void one_busy_of_two(void **state)
{
	static struct host h;

	(void)state;
	begin(&h, TICK, 2);
	for (uint32_t i = 1; i <= 8; i++) {
		rate(&h, i, 0.5);
		add(&h, i, 0, 0);
	}
	add(&h, 1, 0, 0);			/* VM 1: both busy */
	add(&h, 2, NS_PER_MS, 400 * NS_PER_MS); /* VM 2: one idles */
	run(&h, NS_PER_SEC);
	run(&h, 8 * NS_PER_SEC);
	for (uint32_t i = 1; i <= 8; i++)
		near(cpus_of(&h, i, 8 * NS_PER_SEC), 0.5, 0.02);
}

/* The longest time in which all threads of the VM are held. */
static uint64_t longest_hold(struct host *h, uint32_t vm, uint64_t ns)
{
	uint64_t since = 0, longest = 0;

	for (uint64_t end = h->now + ns; h->now < end;) {
		bool held = true;

		step(h);
		for (uint32_t i = 0; i < h->n; i++)
			held &= h->threads[i].vm != vm || h->threads[i].where == HELD;
		since = held ? (since ? since : h->now) : 0;
		if (since && h->now - since > longest)
			longest = h->now - since;
	}
	return longest;
}

/* On idle CPUs: the quota of 0.3 in 10 ms, then nothing for the other 7 ms. */
static void limit(void **state)
{
	static struct host h;
	uint64_t longest;

	(void)state;
	begin(&h, 0, 3);
	rate(&h, 1, 0.3);
	put_budget(&h.vms[1].limit, &h, 0.3, 10 * NS_PER_MS);
	add(&h, 1, 0, 0);
	run(&h, NS_PER_SEC / 2);
	run(&h, 4 * NS_PER_SEC);
	near(cpus_of(&h, 1, 4 * NS_PER_SEC), 0.3, 0.01);
	longest = longest_hold(&h, 1, NS_PER_SEC);
	assert_in_range(longest, 6 * NS_PER_MS, 8 * NS_PER_MS);
}

/* Two busy vCPUs at a limit of one CPU: one is held, never both. */
static void limit_of_whole_cpus(void **state)
{
	static struct host h;

	(void)state;
	begin(&h, 0, 4);
	rate(&h, 1, 1);
	h.vms[1].whole = 1;
	put_budget(&h.vms[1].limit, &h, 1, 10 * NS_PER_MS);
	add(&h, 1, 0, 0);
	add(&h, 1, 0, 0);
	run(&h, NS_PER_SEC / 2);
	run(&h, 4 * NS_PER_SEC);
	near(cpus_of(&h, 1, 4 * NS_PER_SEC), 1, 0.01);
	near((double)h.threads[0].used, (double)h.threads[1].used, 0.1);
	assert_in_range(longest_hold(&h, 1, NS_PER_SEC), 0, NS_PER_MS);
}

/* A VM with a reservation of half a CPU that wakes among 64 of the host's own busy threads. */
static void reservation(void **state)
{
	static struct host h;

	(void)state;
	begin(&h, TICK, 5);
	rate(&h, 0, 1);
	rate(&h, 1, 0.5);
	h.vms[1].reserved = DISPATCH_RATE_ONE / 2;
	for (int i = 0; i < 64; i++)
		add(&h, 0, 0, 0);
	add(&h, 1, 200 * NS_PER_MS, 300 * NS_PER_MS);
	run(&h, NS_PER_SEC);
	h.threads[64].waited = 0;
	run(&h, 14 * NS_PER_SEC);
	/* 0.2 s of CPU in 0.4 s, then a rest of 0.3 s: 20 times */
	near(cpus_of(&h, 1, 14 * NS_PER_SEC), 4.0 / 14, 0.05);
	/* it goes before others when it wakes */
	assert_in_range(h.threads[64].waited, 0, 25 * NS_PER_MS);
	h.threads[64].rest = 0;
	run(&h, NS_PER_SEC);
	run(&h, 4 * NS_PER_SEC);
	near(cpus_of(&h, 1, 4 * NS_PER_SEC), 0.5, 0.02);
}

/* Four VMs with reservations of 3/4 of all CPUs among twelve of the host's own. */
static void reservations_of_most(void **state)
{
	static struct host h;
	double sum = 0;

	(void)state;
	begin(&h, TICK, 8);
	rate(&h, 0, 1.0 / 16);
	for (uint32_t i = 0; i < 12; i++)
		add(&h, 0, 0, 0);
	for (uint32_t i = 1; i <= 4; i++) {
		rate(&h, i, 0.75 / 16);
		h.vms[i].reserved = DISPATCH_RATE_ONE / 4 * 3;
		add(&h, i, 0, 0);
	}
	run(&h, NS_PER_SEC);
	run(&h, 4 * NS_PER_SEC);
	for (uint32_t i = 1; i <= 4; i++)
		sum += cpus_of(&h, i, 4 * NS_PER_SEC);
	near(sum, 3, 0.02);
}

/* A rate of a thousandth: it waits for long, but not for so long that the kernel ends it all. */
static void nobody_starves(void **state)
{
	static struct host h;

	(void)state;
	begin(&h, TICK, 6);
	for (uint32_t i = 1; i <= 100; i++) {
		rate(&h, i, i % 10 ? 1 : 0.001);
		add(&h, i, 0, 0);
	}
	run(&h, NS_PER_SEC);
	for (uint32_t i = 0; i < h.n; i++)
		h.threads[i].waited = 0;
	for (uint32_t i = 101; i <= 150; i++) { /* and many come at once */
		rate(&h, i, 1);
		add(&h, i, 0, 0);
	}
	run(&h, 10 * NS_PER_SEC);
	for (uint32_t i = 0; i < h.n; i++)
		assert_in_range(h.threads[i].waited, NS_PER_MS, 350 * NS_PER_MS);
}

/* Threads of the host by their nice values, and VMs by their rates, in one account. */
static void hosts_own(void **state)
{
	static struct host h;

	(void)state;
	begin(&h, TICK, 7);
	rate(&h, 0, 1);
	for (uint32_t i = 0; i < 8; i++)
		add(&h, 0, 0, 0)->turns.nice = i < 4 ? TURNS_WEIGHT : TURNS_WEIGHT / 4;
	rate(&h, 1, 1);
	rate(&h, 2, 2);
	for (int i = 0; i < 3; i++)
		add(&h, i ? 2 : 1, 0, 0);
	run(&h, NS_PER_SEC);
	run(&h, 8 * NS_PER_SEC);
	/* 4 + 4/4 + 1 + 2 = 8 parts of 4 CPUs */
	near(cpus_of(&h, 1, 8 * NS_PER_SEC), 0.5, 0.03);
	near(cpus_of(&h, 2, 8 * NS_PER_SEC), 1, 0.03);
	near((double)h.threads[0].used / (8 * (double)NS_PER_SEC), 0.5, 0.03);
	near((double)h.threads[7].used / (8 * (double)NS_PER_SEC), 0.125, 0.06);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(shares),
		cmocka_unit_test(one_busy_of_two),
		cmocka_unit_test(limit),
		cmocka_unit_test(limit_of_whole_cpus),
		cmocka_unit_test(reservation),
		cmocka_unit_test(nobody_starves),
		cmocka_unit_test(reservations_of_most),
		cmocka_unit_test(hosts_own),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
