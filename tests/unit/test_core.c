/* SPDX-License-Identifier: MIT */
/*
 * The core by itself, without the simulator: hosts whose CPUs are numbered as real ones are. What
 * it decides over time is in test_sim_fluid.c, test_sim_random.c and tests/sim.
 */
#include "policy/core.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define N CORE_NONE

static struct core *start(const struct core_site *sites, uint32_t cpus, uint32_t domains,
			  uint32_t vms)
{
	struct core_shape shape = {
		.cpus = cpus, .domains = domains, .sites = sites, .vms = vms, .vcpus = vms};
	struct core_vm_spec vm = {.vcpus = 1, .shares = 1000, .limit = ENTITLE_UNLIMITED};
	struct entitle_refusal refusal;
	struct core *c = NULL;

	assert_int_equal(core_new(&core_defaults, &shape, &c), 0);
	for (uint32_t i = 0; i < vms; i++)
		assert_int_equal(core_add_vm(c, &vm), 0);
	assert_int_equal(core_start(c, 0, &refusal), 0);
	return c;
}

/* Threads n and n + 3, as Linux numbers them: three VMs have a core each, at full speed, and a
 * fourth halves one. */
static void distant_siblings(void **state)
{
	static const struct core_site sites[] = {{0, 0, 3}, {0, 0, 4}, {0, 0, 5},
						 {0, 0, 0}, {0, 0, 1}, {0, 0, 2}};
	struct core *c = start(sites, 6, 1, 4);
	uint32_t busy = 0, halved = 0;

	(void)state;
	for (uint32_t i = 0; i < 3; i++)
		core_wake(c, 0, i);
	for (uint32_t i = 0; i < 6; i++) {
		if (c->cpus[i].current == N)
			continue;
		busy++;
		assert_int_equal(c->cpus[sites[i].sibling].current, N);
		assert_int_equal(c->cpus[i].speed, DISPATCH_STRETCH_ONE);
	}
	assert_int_equal(busy, 3);
	core_wake(c, 0, 3);
	for (uint32_t i = 0; i < 6; i++)
		halved += c->cpus[i].current != N && c->cpus[i].speed == DISPATCH_STRETCH_ONE / 2;
	assert_int_equal(halved, 2);
	core_free(c);
}

/* Caches of 1 and 3 CPUs, and CPUs without a sibling among those that have one: a VM stays in its
 * cache, on a core of its own if there is one. */
static void odd_caches(void **state)
{
	static const struct core_site sites[] = {{0, 7, N}, {0, 9, 2}, {0, 9, 1}, {0, 9, N}};
	struct core *c = start(sites, 4, 1, 2);

	(void)state;
	c->vcpus[0].cpu = 1;
	c->vcpus[1].cpu = 1;
	core_wake(c, 0, 0);
	assert_int_equal(c->vcpus[0].cpu, 1);
	core_wake(c, 0, 1);
	assert_int_equal(c->vcpus[1].cpu, 3); /* a core of its own, where 2 would halve one */
	assert_true(core_same_cache(c, 1, 3));
	assert_false(core_same_cache(c, 0, 1));
	assert_true(c->domains[0].capacity == 1 + 0.5 + 0.5 + 1);
	core_free(c);
}

static void refused(void **state)
{
	static const struct {
		struct core_site sites[2];
		uint32_t domains;
	} bad[] = {
		{{{1, 0, N}, {1, 0, N}}, 2}, /* domain 0 has no CPU */
		{{{0, 0, N}, {2, 0, N}}, 3}, /* nor has 1 */
		{{{0, 0, N}, {0, 0, N}}, 2}, /* nor has the last */
		{{{0, 0, 1}, {0, 0, N}}, 1}, /* a sibling of one that has none */
		{{{0, 0, 0}, {0, 0, N}}, 1}, /* of itself */
		{{{0, 0, 1}, {1, 0, 0}}, 2}, /* in another domain */
		{{{0, 0, 9}, {0, 0, N}}, 1}, /* no CPU */
	};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct core_shape shape = {.cpus = 2,
					   .domains = bad[i].domains,
					   .sites = bad[i].sites,
					   .vms = 1,
					   .vcpus = 1};
		struct core *c = NULL;

		assert_int_equal(core_new(&core_defaults, &shape, &c), -22);
		assert_null(c);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(distant_siblings),
		cmocka_unit_test(odd_caches),
		cmocka_unit_test(refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
