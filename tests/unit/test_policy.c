/* SPDX-License-Identifier: MIT */
/*
 * The policy's parts alone: water-filling against bisection, budgets, virtual time, heaps against
 * sorting, placement, ticks against counting by hand. What they do together is in test_sim.c and
 * test_sim_random.c.
 */
#include "policy/budget.h"
#include "policy/cosched.h"
#include "policy/dispatch.h"
#include "policy/entitle.h"
#include "policy/pheap.h"
#include "policy/place.h"
#include "policy/tick.h"
#include "policy/tournament.h"
#include "sim/random.h"

#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define MS UINT64_C(1000000)

static void near(double a, double b)
{
	if (!(fabs(a - b) <= 1e-6 * fmax(1, fabs(b))))
		fail_msg("%.9g, expected %.9g", a, b);
}

static struct entitle_node node(uint32_t parent, double shares, double reservation, double limit,
				double demand)
{
	return (struct entitle_node){.parent = parent,
				     .shares = shares,
				     .reservation = reservation,
				     .limit = limit,
				     .demand = demand,
				     .used = demand};
}

#define HOST	 node(ENTITLE_NONE, 1, 0, ENTITLE_UNLIMITED, 0)
#define NO_LIMIT ENTITLE_UNLIMITED

static void groups_share(void **state)
{
	struct entitle_node t[] = {HOST, node(0, 100, 0, NO_LIMIT, 0), node(1, 100, 0, NO_LIMIT, 1),
				   node(1, 100, 0, NO_LIMIT, 1), node(0, 200, 0, NO_LIMIT, 1)};

	(void)state;
	entitle_link(t, 5);
	entitle_divide(t, 5, 1);
	near(t[2].given, 1.0 / 6);
	near(t[3].given, 1.0 / 6);
	near(t[4].given, 2.0 / 3);
	t[2].demand = t[3].demand = t[2].used = t[3].used = 1;
	t[4].demand = t[4].used = 0;
	entitle_divide(t, 5, 1);
	near(t[2].given, 0.5);
	near(t[3].given, 0.5);
	near(t[4].given, 0);
	near(t[4].rate / t[1].rate, 2); /* by its shares when it wakes */
}

/* The fluid level by bisection: independent of the freezing in entitle.c. */
static double level_of(const struct entitle_node *t, int n, double capacity)
{
	double low = 0, high = 1e6;

	for (int k = 0; k < 200; k++) {
		double level = (low + high) / 2, sum = 0;

		for (int i = 1; i < n; i++) {
			double top = fmin(t[i].demand, t[i].limit);

			sum += fmax(fmin(t[i].reservation, top), fmin(level * t[i].shares, top));
		}
		if (sum > capacity)
			high = level;
		else
			low = level;
	}
	return low;
}

static void water_filling_is_fluid(void **state)
{
	uint64_t rng = 7;

	(void)state;
	for (int round = 0; round < 2000; round++) {
		struct entitle_node t[12] = {HOST}, given[12];
		int n = 2 + (int)(random_next(&rng) % 10);
		double capacity = 0.5 + 8 * random_unit(&rng), floors = 0, level;

		for (int i = 1; i < n; i++) {
			t[i] = node(0, 1 + 20 * random_unit(&rng), 0, NO_LIMIT,
				    3 * random_unit(&rng));
			if (random_next(&rng) % 3 == 0)
				t[i].limit = 2 * random_unit(&rng);
			if (random_next(&rng) % 3 == 0)
				t[i].reservation = fmin(t[i].limit,
							capacity / 12 * random_unit(&rng));
			floors += t[i].reservation;
		}
		assert_true(floors <= capacity);
		memcpy(given, t, sizeof(t));
		entitle_link(given, (uint32_t)n);
		entitle_divide(given, (uint32_t)n, capacity);
		level = level_of(t, n, capacity);
		for (int i = 1; i < n; i++) {
			double top = fmin(t[i].demand, t[i].limit);

			near(given[i].given,
			     fmax(fmin(t[i].reservation, top), fmin(level * t[i].shares, top)));
			assert_true(given[i].rate >= given[i].given - 1e-9);
			assert_true(given[i].rate <= t[i].limit + 1e-9);
		}
	}
}

/* Where all is reserved, in hundredths that only nearly add up, and all want more, everybody is served
 * by what he reserves. */
static void all_reserved(void **state)
{
	uint64_t rng = 11;

	(void)state;
	for (int round = 0; round < 2000; round++) {
		struct entitle_node t[8] = {HOST};
		int n = 2 + (int)(random_next(&rng) % 6), left = 100;

		for (int i = 1; i < n; i++) {
			int part = i < n - 1 ? (int)(random_next(&rng) % (uint64_t)left) : left;

			t[i] = node(0, 1000, part / 100.0, NO_LIMIT, 1);
			left -= i < n - 1 ? part : 0;
		}
		entitle_link(t, (uint32_t)n);
		entitle_divide(t, (uint32_t)n, 1);
		for (int i = 1; i < n; i++) {
			near(t[i].given, t[i].reservation);
			near(t[i].rate, t[i].reservation);
		}
	}
}

static void admission(void **state)
{
	struct entitle_node t[] = {HOST, node(0, 1, 1, NO_LIMIT, 0), node(1, 1, 0.6, NO_LIMIT, 0),
				   node(1, 1, 0.4, NO_LIMIT, 0), node(0, 1, 0.9, NO_LIMIT, 0)};
	struct entitle_refusal r = {99, 0, 0};

	(void)state;
	entitle_link(t, 5);
	assert_int_equal(entitle_admit(t, 5, 2, &r), 0);
	assert_int_equal(r.node, 99);
	assert_int_equal(entitle_admit(t, 5, 1.5, &r), -ENOSPC);
	assert_int_equal(r.node, 0);
	near(r.wanted, 1.9);
	near(r.available, 1.5);
	t[3].reservation = 0.5;
	assert_int_equal(entitle_admit(t, 5, 100, &r), -ENOSPC);
	assert_int_equal(r.node, 1);
	t[3].reservation = 0.4;
	t[2].limit = 0.5;
	assert_int_equal(entitle_admit(t, 5, 100, &r), -EINVAL);
	assert_int_equal(r.node, 2);
	/* What is reserved below a group without a reservation counts further up. */
	t[1].reservation = 0;
	t[2].limit = NO_LIMIT;
	assert_int_equal(entitle_admit(t, 5, 1.8, &r), -ENOSPC);
}

static void virtual_time(void **state)
{
	uint64_t base = DISPATCH_START, slow = DISPATCH_STRETCH_ONE * 3 / 2;

	(void)state;
	assert_int_equal(dispatch_stretch(1000, DISPATCH_STRETCH_ONE), 1000);
	assert_int_equal(dispatch_stretch(1000, slow), 1500);
	assert_int_equal(dispatch_stretch_of(1 << 30, 1), 4 * DISPATCH_STRETCH_ONE);
	assert_int_equal(dispatch_stretch_of(1 << 30, 2), 8 * DISPATCH_STRETCH_ONE);
	assert_int_equal(dispatch_stretch_of(UINT64_C(4) << 32, 2), DISPATCH_STRETCH_ONE / 2);
	assert_int_equal(dispatch_stretch_of(0, 0), DISPATCH_STRETCH_MAX);
	assert_int_equal(dispatch_weight(4 * DISPATCH_STRETCH_ONE), 16384);
	assert_int_equal(dispatch_weight(DISPATCH_STRETCH_MAX), 1);
	assert_int_equal(dispatch_enter(base + 90 * MS, base + 100 * MS), base + 100 * MS);
	assert_int_equal(dispatch_enter(base + 110 * MS, base + 100 * MS), base + 110 * MS);
	assert_true(dispatch_behind(10, 31, 5, 4 * DISPATCH_STRETCH_ONE));
	assert_false(dispatch_behind(10, 30, 5, 4 * DISPATCH_STRETCH_ONE));
	assert_int_equal(dispatch_rebase(base + 7, base + 5, base + 50), base + 52);
}

/* The clock is the weighted average, whoever comes, goes, is served or weighs more. */
static void domain_clock(void **state)
{
	struct dispatch_clock k = {.base = DISPATCH_START};
	uint64_t base = k.base;

	(void)state;
	assert_int_equal(dispatch_now(&k, 5 * MS, true), base);
	dispatch_join(&k, base + 100, 1);
	assert_int_equal(dispatch_now(&k, 0, false), base + 100);
	dispatch_join(&k, base + 200, 3);
	assert_int_equal(dispatch_now(&k, 0, false), base + 175);
	dispatch_serve(&k, 400, 1); /* 500 and 3 * 200 */
	assert_int_equal(dispatch_now(&k, 0, false), base + 275);
	dispatch_reweigh(&k, base + 200, 3, 1);
	assert_int_equal(dispatch_now(&k, 0, false), base + 350);
	dispatch_level(&k);
	assert_int_equal(dispatch_now(&k, 0, false), base + 350);
	dispatch_leave(&k, base + 500, 1);
	assert_int_equal(dispatch_now(&k, 0, false), base + 200);
	dispatch_leave(&k, base + 200, 1); /* the last leaves its time behind */
	assert_int_equal(k.base, base + 200);
	/* Two full CPUs that run since 10 and 20, at 30: 10 and 20 ns each, or 30 for two. */
	dispatch_join(&k, base, 65536);
	dispatch_join(&k, base, 65536);
	k.running = 2;
	k.since = 10 + 20;
	assert_int_equal(dispatch_now(&k, 30, false), base + 15);
	assert_int_equal(dispatch_now(&k, 30, true), base + 15);
}

static void budgets(void **state)
{
	struct budget b = {.quota = 4 * MS, .period = 10 * MS, .left = (int64_t)(4 * MS)};

	(void)state;
	assert_false(budget_exhausted(&b));
	assert_int_equal(budget_grant(&b, 2), 2 * MS);
	b.left -= 6 * (int64_t)MS; /* 2 ms overrun */
	assert_true(budget_exhausted(&b));
	assert_int_equal(budget_ready_at(&b), 10 * MS);
	budget_refresh(&b, 9 * MS);
	assert_int_equal(b.left, -2 * (int64_t)MS);
	budget_refresh(&b, 10 * MS);
	assert_int_equal(b.left, 2 * (int64_t)MS); /* the debt is paid */
	budget_refresh(&b, 57 * MS);
	assert_int_equal(b.left, 4 * (int64_t)MS); /* nothing is saved up */
	assert_int_equal(b.began, 50 * MS);
	b.keep = MS;
	budget_refresh(&b, 60 * MS);
	assert_int_equal(b.left, 5 * (int64_t)MS); /* but for this */
	b.began = 50 * MS;
	b.left = -9 * (int64_t)MS;
	assert_int_equal(budget_ready_at(&b), 80 * MS);
	b.period = 0;
	assert_false(budget_exhausted(&b));
	assert_true(budget_grant(&b, 1) == UINT64_MAX);
}

static void skew(void **state)
{
	(void)state;
	assert_int_equal(cosched_rejoin(100, UINT64_MAX, 3), 100);
	assert_int_equal(cosched_rejoin(90, 100, 3), 100);
	assert_int_equal(cosched_rejoin(102, 100, 3), 102);
	assert_int_equal(cosched_rejoin(150, 100, 3), 103);
	assert_int_equal(cosched_skew(5, 7), 0);
	assert_string_equal(cosched_name(COSCHED_RELAXED), "relaxed");
	assert_null(cosched_name(COSCHED_ROWS));
}

#define N 300

/* Random inserts, removals and pops against a plain array. */
static void pairing_heap(void **state)
{
	static struct pheap_node nodes[N];
	uint64_t keys[N], rng = 3;
	bool in[N] = {false};
	uint32_t root = PHEAP_NONE;

	(void)state;
	for (int round = 0; round < 200000; round++) {
		uint32_t i = (uint32_t)(random_next(&rng) % N), least = PHEAP_NONE;

		if (!in[i]) {
			keys[i] = random_next(&rng) % 50;
			root = pheap_insert(nodes, root, i, keys[i]);
		} else {
			root = pheap_remove(nodes, root, i);
		}
		in[i] = !in[i];
		for (uint32_t k = 0; k < N; k++) {
			if (in[k] && (least == PHEAP_NONE || keys[k] < keys[least]))
				least = k;
		}
		assert_int_equal(root, least);
	}
}

#define MOST (5 * TOURNAMENT_NEAR)

/* Of every size: a tree that is not full has leaves on two levels, a large one stops half-way. */
static void tournament(void **state)
{
	static uint64_t node_keys[2 * MOST], keys[MOST];
	static uint32_t node_ids[2 * MOST];
	uint64_t rng = 4;

	(void)state;
	for (uint32_t size = 1; size <= MOST; size += size < 20 ? 1 : size / 2 + 7) {
		struct tournament t = {node_keys, node_ids, size};

		tournament_init(&t);
		for (uint32_t i = 0; i < size; i++)
			keys[i] = TOURNAMENT_NEVER;
		for (int round = 0; round < 5000; round++) {
			uint32_t i = (uint32_t)(random_next(&rng) % size), least = 0;

			keys[i] = random_next(&rng) % 3 ? random_next(&rng) % 1000
							: TOURNAMENT_NEVER;
			tournament_set(&t, i, keys[i]);
			for (uint32_t k = 1; k < size; k++)
				least = keys[k] < keys[least] ? k : least;
			assert_int_equal(tournament_least(&t), keys[least]);
			if (keys[least] != TOURNAMENT_NEVER)
				assert_int_equal(tournament_winner(&t), least);
			assert_int_equal(tournament_key(&t, i), keys[i]);
		}
	}
}

static void placement(void **state)
{
	struct place_domain d[] = {{4, 4, 3, 1, 8}, {4, 4, 1, 3.5, 8}, {2, 2, 0, 0, 8}};
	struct place_vm vm = {.load = 1, .reservation = 0, .min_cpus = 1}, vms[3];
	uint32_t to = 99;

	(void)state;
	assert_int_equal(place_initial(d, 3, &vm), 1);
	vm.reservation = 1;
	assert_int_equal(place_initial(d, 3, &vm), 2);
	vm.min_cpus = 4;
	assert_int_equal(place_initial(d, 3, &vm), 0);
	vm.min_cpus = 5;
	assert_int_equal(place_initial(d, 3, &vm), PLACE_NONE);

	/* The least loaded that has the memory. */
	vm = (struct place_vm){.load = 1, .min_cpus = 1, .memory = 6};
	d[1].memory = d[2].memory = 5;
	assert_int_equal(place_initial(d, 3, &vm), 0);
	d[0].memory = 5;
	assert_int_equal(place_initial(d, 3, &vm), PLACE_NONE);

	/* 3 against 1: moving one makes them even; then nothing is left to do. */
	for (int i = 0; i < 3; i++)
		vms[i] = (struct place_vm){.domain = 0, .load = 1, .min_cpus = 1};
	assert_int_equal(place_rebalance(d, 2, vms, 3, 0.1, &to), 0);
	assert_int_equal(to, 1);
	vms[0].memory = vms[1].memory = 6; /* more than is free there */
	assert_int_equal(place_rebalance(d, 2, vms, 3, 0.1, &to), 2);
	d[0].load = d[1].load = 2;
	assert_int_equal(place_rebalance(d, 2, vms, 3, 0.1, &to), PLACE_NONE);
	/* A move that only turns the imbalance round is none. */
	d[0].load = 1;
	d[1].load = 0;
	assert_int_equal(place_rebalance(d, 2, vms, 3, 0.1, &to), PLACE_NONE);
}

static struct tick ticking(enum tick_policy policy)
{
	struct tick t;

	tick_start(&t, policy, 10 * MS, 0);
	return t;
}

static void check_tick(const struct tick *t)
{
	assert_int_equal(t->due, t->delivered + t->backlog + t->lost);
}

/* 50 ms without the CPU at a 10 ms tick: five are behind, then what the row does with them. */
static void gap_of_five(void **state)
{
	static const struct {
		uint64_t backlog, lost;
	} expected[TICK_POLICIES] = {[TICK_DELAY] = {5, 0},
				     [TICK_CATCHUP] = {5, 0},
				     [TICK_MERGE] = {1, 4},
				     [TICK_DISCARD] = {0, 5},
				     [TICK_DESCHED] = {5, 0}};

	(void)state;
	for (int p = 0; p < TICK_POLICIES; p++) {
		struct tick t = ticking((enum tick_policy)p);

		assert_int_equal(tick_next(&t, 0, false), 10 * MS);
		tick_resume(&t, 55 * MS);
		assert_int_equal(t.worst, 5);
		assert_int_equal(t.backlog, expected[p].backlog);
		assert_int_equal(t.lost, expected[p].lost);
		assert_int_equal(t.next, 60 * MS);
		assert_int_equal(tick_wants_vmdesched(&t), p == TICK_DESCHED);
		check_tick(&t);
	}
}

static void delivery(void **state)
{
	struct tick t = ticking(TICK_DELAY);

	(void)state;
	tick_resume(&t, 55 * MS);
	assert_int_equal(tick_next(&t, 55 * MS, true), 60 * MS); /* never faster */
	assert_false(tick_fire(&t, 59 * MS, true));
	assert_true(tick_fire(&t, 60 * MS, false));
	assert_int_equal(tick_guest_time(&t), 10 * MS);

	t = ticking(TICK_CATCHUP);
	tick_resume(&t, 55 * MS);
	assert_int_equal(tick_next(&t, 55 * MS, false), 55 * MS);
	assert_true(tick_fire(&t, 55 * MS, false));
	assert_int_equal(tick_next(&t, 55 * MS, false), 57 * MS + MS / 2);
	assert_false(tick_fire(&t, 56 * MS, false));

	t = ticking(TICK_DESCHED);
	tick_resume(&t, 55 * MS);
	assert_int_equal(tick_next(&t, 55 * MS, false),
			 60 * MS); /* innocents get live ticks only */
	assert_false(tick_fire(&t, 55 * MS, false));
	for (int i = 0; i < 5; i++)
		assert_true(tick_fire(&t, 55 * MS, true));
	assert_false(tick_fire(&t, 55 * MS, true));
	assert_int_equal(tick_guest_time(&t), 50 * MS);
	check_tick(&t);
}

static void resynchronization(void **state)
{
	(void)state;
	for (int p = 0; p < TICK_POLICIES; p++) {
		struct tick t = ticking((enum tick_policy)p);

		tick_resume(&t, 60000 * MS); /* exactly 60 s is still delivered */
		assert_int_equal(t.resyncs, 0);
		t = ticking((enum tick_policy)p);
		tick_resume(&t, 61005 * MS);
		assert_int_equal(t.resyncs, 1);
		assert_int_equal(t.backlog, 0);
		assert_int_equal(t.lost, 6100);
		assert_int_equal(tick_guest_time(&t), 61000 * MS);
		check_tick(&t);
	}
}

static void idle_ticks(void **state)
{
	struct tick t = ticking(TICK_CATCHUP);

	(void)state;
	assert_int_equal(tick_idle(&t, 9 * MS), 0);
	assert_int_equal(tick_idle(&t, 35 * MS), 3);
	assert_int_equal(t.backlog, 0);
	tick_resume(&t, 85 * MS); /* 40 to 80: five behind */
	assert_int_equal(tick_idle(&t, 95 * MS), 1 + 3);
	check_tick(&t);
	assert_int_equal(tick_find("desched"), TICK_DESCHED);
	assert_int_equal(tick_find(""), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(groups_share), cmocka_unit_test(water_filling_is_fluid),
		cmocka_unit_test(all_reserved), cmocka_unit_test(admission),
		cmocka_unit_test(virtual_time), cmocka_unit_test(domain_clock),
		cmocka_unit_test(budgets),	cmocka_unit_test(skew),
		cmocka_unit_test(pairing_heap), cmocka_unit_test(tournament),
		cmocka_unit_test(placement),	cmocka_unit_test(gap_of_five),
		cmocka_unit_test(delivery),	cmocka_unit_test(resynchronization),
		cmocka_unit_test(idle_ticks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
