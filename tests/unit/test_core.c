/* SPDX-License-Identifier: MIT */
/*
 * The core by itself, without the simulator: hosts whose CPUs are numbered as real ones are, and
 * VMs that come and change. What it decides over time is in test_sim_fluid.c, test_sim_random.c and
 * tests/sim.
 */
#include "policy/core.h"

#include "near.h"

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

#define MS	UINT64_C(1000000)
#define THREADS 4 /* vCPUs that a VM of a `struct live` has room for */

/* A core that is driven by what it asks for. */
struct live {
	struct core *core;
	struct core_decision cpus[4];
	uint64_t alarms[5];
	uint64_t now;
};

static struct live begin(const struct core_site *sites, uint32_t cpus, uint32_t domains)
{
	struct core_shape shape = {
		.cpus = cpus, .domains = domains, .sites = sites, .vms = 4, .vcpus = 4 * THREADS};
	struct live l = {0};

	assert_int_equal(core_new(&core_defaults, &shape, &l.core), 0);
	for (uint32_t i = 0; i < 4; i++)
		l.cpus[i] = (struct core_decision){.vcpu = N, .until = CORE_NEVER};
	for (uint32_t i = 0; i < 5; i++)
		l.alarms[i] = CORE_NEVER;
	assert_int_equal(core_start(l.core, 0, NULL), 0);
	return l;
}

/* Hands on what is due, until nothing is before `end`. */
static void live_until(struct live *l, uint64_t end)
{
	for (;;) {
		const struct core_changes *ch = core_changes(l->core);
		uint64_t *at = &l->alarms[0];

		for (uint32_t i = 0; i < ch->n_cpus; i++)
			l->cpus[ch->cpus[i].cpu] = ch->cpus[i];
		for (uint32_t i = 0; i < ch->n_alarms; i++)
			l->alarms[ch->alarms[i].timer] = ch->alarms[i].at;
		for (uint32_t i = 1; i < 5; i++)
			at = l->alarms[i] < *at ? &l->alarms[i] : at;
		for (uint32_t i = 0; i < 4; i++)
			at = l->cpus[i].until < *at ? &l->cpus[i].until : at;
		if (*at >= end)
			break;
		l->now = *at;
		*at = CORE_NEVER;
		if (at >= l->alarms && at < l->alarms + 5)
			core_timer(l->core, l->now, (uint32_t)(at - l->alarms));
		else
			for (uint32_t i = 0; i < 4; i++)
				if (at == &l->cpus[i].until)
					core_expire(l->core, l->now, i);
	}
	l->now = end;
}

/* A VM comes, and all its vCPUs want to run from now on. */
static void come(struct live *l, uint32_t vm, const struct core_vm_spec *spec)
{
	assert_int_equal(core_vm_add(l->core, l->now, vm, vm * THREADS, THREADS, spec, NULL), 0);
	for (uint32_t i = 0; i < spec->vcpus; i++)
		core_wake(l->core, l->now, vm * THREADS + i);
}

static double ran(struct live *l, uint32_t vm)
{
	uint64_t sum = 0;

	core_settle(l->core, l->now);
	for (uint32_t i = 0; i < THREADS; i++) {
		struct core_vcpu_figures v;

		core_read_vcpu(l->core, vm * THREADS + i, &v);
		sum += v.ledger->ns[LEDGER_RUN];
	}
	return (double)sum / 1e9;
}

static struct core_vm_figures vm_of(const struct live *l, uint32_t vm)
{
	struct core_vm_figures f;

	core_read_vm(l->core, vm, &f);
	return f;
}

/* Under balance no two vCPUs of a VM run or wait at the same CPU, whoever comes in between. */
static void siblings_apart(void **state)
{
	static const struct core_site sites[] = {{0, 0, N}, {0, 0, N}, {0, 0, N}};
	struct core_vm_spec spec = {.vcpus = 3, .shares = 3000, .limit = ENTITLE_UNLIMITED};
	struct live l = begin(sites, 3, 1);

	(void)state;
	for (uint32_t i = 0; i < 3; i++) {
		spec.vcpus = 1 + i;
		spec.cosched = i < 2 ? COSCHED_BALANCE : COSCHED_NONE;
		come(&l, i, &spec);
	}
	for (uint64_t at = 0; at < 2000 * MS; at += MS) {
		live_until(&l, at);
		assert_int_not_equal(cpu_of(l.core, THREADS), cpu_of(l.core, THREADS + 1));
	}
	core_free(l.core);
}

/* Half of two CPUs, whatever a VM becomes in between: what it owes goes along. */
static void nothing_gained_by_changes(void **state)
{
	static const struct core_site sites[] = {{0, 0, N}, {0, 0, N}};
	static const enum cosched others[] = {COSCHED_NONE, COSCHED_RELAXED, COSCHED_BALANCE};
	struct core_vm_spec spec = {.vcpus = 2, .shares = 2000, .limit = ENTITLE_UNLIMITED};

	(void)state;
	for (size_t k = 0; k < 3; k++) {
		struct live l = begin(sites, 2, 1);
		struct core_vm_spec other = spec, gang = spec;

		other.cosched = others[k];
		gang.cosched = COSCHED_STRICT;
		come(&l, 0, &spec);
		come(&l, 1, &spec);
		for (uint64_t at = 7 * MS; at < 4000 * MS; at += 7 * MS) {
			live_until(&l, at);
			assert_int_equal(core_vm_change(l.core, at, 0,
							at / 7 / MS % 2 ? &gang : &other, NULL),
					 0);
		}
		live_until(&l, 4000 * MS);
		assert_near(ran(&l, 0), 4, 0.08);
		core_free(l.core);
	}
}

/* Whoever comes is taken for what it is at once, however long it was away, or nobody has looked at
 * demands (one VM alone): two CPUs by shares of 1 to 3. */
static void newcomer_is_seen(void **state)
{
	static const struct core_site sites[] = {{0, 0, N}, {0, 0, N}};

	(void)state;
	for (uint32_t k = 0; k < COSCHED_ROWS; k++) {
		struct core_vm_spec spec = {.vcpus = 1, .shares = 1000, .limit = ENTITLE_UNLIMITED};
		struct live l = begin(sites, 2, 1);

		come(&l, 0, &spec);
		spec.vcpus = 2;
		spec.shares = 3000;
		spec.cosched = (enum cosched)k;
		for (uint64_t at = 50000 * MS; at < 200000 * MS; at += 100000 * MS) {
			live_until(&l, at);
			come(&l, 1, &spec);
			live_until(&l, at + 100 * MS);
			assert_near(vm_of(&l, 0).entitled, 0.5, 0.01);
			assert_near(vm_of(&l, 1).entitled, 1.5, 0.01);
			live_until(&l, at + 10000 * MS);
			assert_int_equal(core_vm_remove(l.core, l.now, 1), 0);
		}
		core_free(l.core);
	}
}

/* So are vCPUs that a VM gets later. */
static void growth_is_seen(void **state)
{
	static const struct core_site sites[] = {{0, 0, N}, {0, 0, N}};
	struct core_vm_spec spec = {.vcpus = 1, .shares = 1000, .limit = ENTITLE_UNLIMITED};
	struct live l = begin(sites, 2, 1);

	(void)state;
	come(&l, 0, &spec);
	spec.shares = 3000;
	come(&l, 1, &spec);
	live_until(&l, 50000 * MS);
	assert_near(vm_of(&l, 0).entitled, 1, 0.01);
	spec.vcpus = 2;
	assert_int_equal(core_vm_change(l.core, l.now, 1, &spec, NULL), 0);
	core_wake(l.core, l.now, THREADS + 1);
	live_until(&l, 50100 * MS);
	assert_near(vm_of(&l, 0).entitled, 0.5, 0.01);
	core_free(l.core);
}

/* And a gang, which needs as many CPUs as it has vCPUs, though one of them was idle so far. */
static void gang_is_seen(void **state)
{
	static const struct core_site sites[] = {{0, 0, N}, {0, 0, N}};
	struct core_vm_spec spec = {.vcpus = 1, .shares = 1000, .limit = ENTITLE_UNLIMITED};
	struct live l = begin(sites, 2, 1);

	(void)state;
	come(&l, 0, &spec);
	spec.vcpus = 2;
	spec.shares = 3000;
	assert_int_equal(core_vm_add(l.core, 0, 1, THREADS, THREADS, &spec, NULL), 0);
	core_wake(l.core, 0, THREADS + 1);
	live_until(&l, 50000 * MS);
	assert_near(vm_of(&l, 0).entitled, 1, 0.01);
	spec.cosched = COSCHED_STRICT;
	assert_int_equal(core_vm_change(l.core, l.now, 1, &spec, NULL), 0);
	live_until(&l, 50100 * MS);
	assert_near(vm_of(&l, 0).entitled, 0.5, 0.01);
	core_free(l.core);
}

/* The node that is least loaded has no more to promise: a VM that reserves goes to the other one. */
static void reserved_elsewhere(void **state)
{
	static const struct core_site sites[] = {{0, 0, N}, {1, 1, N}};
	struct core_vm_spec spec = {.vcpus = 1, .shares = 1000, .limit = ENTITLE_UNLIMITED};
	struct live l = begin(sites, 2, 2);

	(void)state;
	come(&l, 0, &spec);
	spec.reservation = 0.9;
	come(&l, 1, &spec);
	spec.reservation = 0;
	come(&l, 2, &spec);
	spec.reservation = 0.5;
	come(&l, 3, &spec);
	assert_int_equal(vm_of(&l, 1).domain, 1);
	assert_int_equal(vm_of(&l, 2).domain, 0);
	assert_int_equal(vm_of(&l, 3).domain, 0);
	core_free(l.core);
}

/* A kernel below the core serves VM 0 half of what it is given: of one CPU it is given two thirds, so
 * that both get a third. Alone, with a limit of 0.2, it is given 0.4. */
static void served_otherwise(void **state)
{
	static const struct core_site sites[] = {{0, 0, N}};
	struct core_vm_spec spec = {.vcpus = 1, .shares = 1000, .limit = ENTITLE_UNLIMITED};

	(void)state;
	for (int limited = 0; limited < 2; limited++) {
		struct live l = begin(sites, 1, 1);
		uint64_t given = 0;

		spec.limit = limited ? 0.2 : ENTITLE_UNLIMITED;
		come(&l, 0, &spec);
		spec.limit = ENTITLE_UNLIMITED;
		if (!limited)
			come(&l, 1, &spec);
		for (uint64_t at = MS; at <= 20000 * MS; at += MS) {
			struct core_vcpu_figures f;

			live_until(&l, at);
			core_settle(l.core, at);
			core_read_vcpu(l.core, 0, &f);
			core_serve(l.core, at, 0, -(int64_t)(f.ledger->ns[LEDGER_RUN] - given) / 2);
			given = f.ledger->ns[LEDGER_RUN];
		}
		assert_near(ran(&l, 0) / 20, limited ? 0.4 : 2 / 3.0, 0.01);
		core_free(l.core);
	}
}

/* Others use half of one of two CPUs: a VM with three times the shares has three quarters of the
 * rest. */
static void taken_by_others(void **state)
{
	static const struct core_site sites[] = {{0, 0, N}, {0, 0, N}};
	struct core_vm_spec spec = {.vcpus = 2, .shares = 1000, .limit = ENTITLE_UNLIMITED};
	struct live l = begin(sites, 2, 1);

	(void)state;
	come(&l, 0, &spec);
	spec.shares = 3000;
	come(&l, 1, &spec);
	core_taken(l.core, 0.5);
	live_until(&l, 1000 * MS);
	assert_near(vm_of(&l, 1).entitled, 1.125, 0.001);
	core_free(l.core);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(distant_siblings),
		cmocka_unit_test(odd_caches),
		cmocka_unit_test(refused),
		cmocka_unit_test(siblings_apart),
		cmocka_unit_test(nothing_gained_by_changes),
		cmocka_unit_test(newcomer_is_seen),
		cmocka_unit_test(growth_is_seen),
		cmocka_unit_test(gang_is_seen),
		cmocka_unit_test(reserved_elsewhere),
		cmocka_unit_test(served_otherwise),
		cmocka_unit_test(taken_by_others),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
