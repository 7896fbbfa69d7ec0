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
	struct core *c = NULL;

	assert_int_equal(core_new(&core_defaults, &shape, &c), 0);
	for (uint32_t i = 0; i < vms; i++)
		assert_int_equal(core_vm_add(c, 0, i, i, 1, &vm, NULL), 0);
	assert_int_equal(core_start(c, 0, NULL), 0);
	return c;
}

/* What each CPU was told last. */
static void follow(struct core *c, struct core_decision *cpus)
{
	const struct core_changes *ch = core_changes(c);

	for (uint32_t i = 0; i < ch->n_cpus; i++)
		cpus[ch->cpus[i].cpu] = ch->cpus[i];
}

static uint32_t cpu_of(const struct core *c, uint32_t vcpu)
{
	struct core_vcpu_figures v;

	core_read_vcpu(c, vcpu, &v);
	return v.cpu;
}

/* Threads n and n + 3, as Linux numbers them: three VMs have a core each, at full speed, and a
 * fourth halves one. */
static void distant_siblings(void **state)
{
	static const struct core_site sites[] = {{0, 0, 3}, {0, 0, 4}, {0, 0, 5},
						 {0, 0, 0}, {0, 0, 1}, {0, 0, 2}};
	struct core_decision cpus[6] = {{.vcpu = N}, {.vcpu = N}, {.vcpu = N},
					{.vcpu = N}, {.vcpu = N}, {.vcpu = N}};
	struct core *c = start(sites, 6, 1, 4);
	uint32_t busy = 0, halved = 0;

	(void)state;
	for (uint32_t i = 0; i < 3; i++)
		core_wake(c, 0, i);
	follow(c, cpus);
	for (uint32_t i = 0; i < 6; i++) {
		if (cpus[i].vcpu == N)
			continue;
		busy++;
		assert_int_equal(cpus[sites[i].sibling].vcpu, N);
		assert_int_equal(cpus[i].speed, CORE_FULL);
	}
	assert_int_equal(busy, 3);
	core_wake(c, 0, 3);
	follow(c, cpus);
	for (uint32_t i = 0; i < 6; i++)
		halved += cpus[i].vcpu != N && cpus[i].speed == CORE_FULL / 2;
	assert_int_equal(halved, 2);
	core_free(c);
}

/* Caches of 1 and 3 CPUs, and CPUs without a sibling among those that have one: a VM stays in its
 * cache, on a core of its own if there is one. */
static void odd_caches(void **state)
{
	static const struct core_site sites[] = {{0, 7, N}, {0, 9, 2}, {0, 9, 1}, {0, 9, N}};
	struct core *c = start(sites, 4, 1, 3); /* vCPU i begins at CPU i */
	struct core_domain_figures d;

	(void)state;
	core_wake(c, 0, 1);
	assert_int_equal(cpu_of(c, 1), 1);
	core_wake(c, 0, 2); /* a core of its own, where 2 would halve one and 0 is far */
	assert_int_equal(cpu_of(c, 2), 3);
	assert_true(core_same_cache(c, 1, 3));
	assert_false(core_same_cache(c, 0, 1));
	core_read_domain(c, 0, &d);
	assert_true(d.capacity == 1 + 0.5 + 0.5 + 1);
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
