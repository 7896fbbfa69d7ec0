/* SPDX-License-Identifier: MIT */
/*
 * Random histories of one host on which everything changes while it runs: VMs, groups and CPUs
 * come, change and go, at any moment, in any state. The core is embedded as a stranger would do it,
 * by core.h; what each vCPU does is followed from outside, by what is told of states and by
 * what is decided for CPUs, and added up independently of the ledgers. After each event:
 *
 *  - a vCPU runs on one CPU at most, and one that runs is there, on a CPU that is there
 *  - what was told and what was decided agree
 *  - no CPU idles while a vCPU of its domain is READY (none, balance)
 *  - siblings are apart (balance)
 *  - what was refused has changed nothing
 *  - what the core keeps in two places agrees (core_check.h, the one look inside)
 *
 * and at the end each ledger is what was told, to the nanosecond, and sums up to the time. What VMs
 * are given after a change is in test_sim_life.c. test_core_life [HISTORIES [FIRST]]
 */
#include "policy/core.h"

#include "core_check.h"
#include "sim/random.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define CPUS   8
#define VMS    6
#define GROUPS 3
#define ROOM   4 /* vCPUs of a VM */
#define VCPUS  (VMS * ROOM)
#define LENGTH UINT64_C(400000000) /* ns */

static unsigned long histories = 2000, first_history;

struct vcpu {
	uint64_t toggles; /* when it wakes or blocks */
	bool wants;
	enum ledger_state state;
	uint64_t since, ns[LEDGER_STATES];
};

struct host {
	struct core *core;
	struct core_shape shape;
	uint64_t now, rng, start;
	bool conserves; /* no VM was ever strict or relaxed */
	bool cpu_went;	/* some CPU was off */
	struct core_decision cpus[CPUS];
	uint64_t alarms[VMS + GROUPS + 1];
	bool cpu_on[CPUS], vm_on[VMS], group_on[GROUPS + 1];
	struct core_vm_spec vms[VMS];
	struct vcpu vcpus[VCPUS];
	bool served;
	uint64_t below; /* random: of what it was served */
	unsigned refused, done;
};

static unsigned pick(struct host *h, unsigned n)
{
	return (unsigned)(random_next(&h->rng) % n);
}

static void told(void *data, uint32_t vcpu, uint64_t now, enum ledger_state state)
{
	struct vcpu *v = &((struct host *)data)->vcpus[vcpu];

	assert_true(now >= v->since);
	v->ns[v->state] += now - v->since;
	v->since = now;
	v->state = state;
}

static void carry_out(struct host *h)
{
	const struct core_changes *ch = core_changes(h->core);

	for (uint32_t i = 0; i < ch->n_cpus; i++)
		h->cpus[ch->cpus[i].cpu] = ch->cpus[i];
	for (uint32_t i = 0; i < ch->n_alarms; i++)
		h->alarms[ch->alarms[i].timer] = ch->alarms[i].at;
}

static bool is_there(const struct host *h, uint32_t vcpu)
{
	return h->vm_on[vcpu / ROOM] && vcpu % ROOM < h->vms[vcpu / ROOM].vcpus;
}

static void check_cpus(const struct host *h)
{
	uint32_t runs[VCPUS] = {0};

	for (uint32_t i = 0; i < h->shape.cpus; i++) {
		uint32_t v = h->cpus[i].vcpu;

		if (v == CORE_NONE)
			continue;
		assert_true(h->cpu_on[i]);
		assert_true(is_there(h, v));
		assert_true(h->cpus[i].until > h->now);
		runs[v]++;
	}
	for (uint32_t i = 0; i < VCPUS; i++)
		assert_int_equal(runs[i], h->vcpus[i].state == LEDGER_RUN);
}

static void check_vcpus(const struct host *h)
{
	for (uint32_t i = 0; i < VCPUS; i++) {
		const struct vcpu *v = &h->vcpus[i];
		bool waits = v->state == LEDGER_READY || v->state == LEDGER_COSTOP ||
			     v->state == LEDGER_LIMITED;

		assert_int_equal(v->state, core_state_of(h->core, i));
		assert_int_equal(v->wants, waits || v->state == LEDGER_RUN);
	}
}

/* No CPU of a domain idles while a vCPU of a VM there waits for one. */
static void check_conservation(const struct host *h)
{
	for (uint32_t d = 0; d < h->shape.domains; d++) {
		struct core_domain_figures f;
		uint32_t idle = 0;

		core_read_domain(h->core, d, &f);
		for (uint32_t i = f.first; i < f.end; i++)
			idle += h->cpu_on[i] && h->cpus[i].vcpu == CORE_NONE;
		for (uint32_t i = 0; idle && i < VCPUS; i++) {
			struct core_vm_figures vm;

			if (h->vcpus[i].state != LEDGER_READY)
				continue;
			core_read_vm(h->core, i / ROOM, &vm);
			assert_int_not_equal(vm.domain, d);
		}
	}
}

/* Under balance no two vCPUs of a VM run or wait at one CPU, if there always were as many. */
static void check_siblings(const struct host *h)
{
	for (uint32_t i = 0; i < VCPUS && !h->cpu_went; i++) {
		const struct core_vm_spec *spec = &h->vms[i / ROOM];

		if (spec->cosched != COSCHED_BALANCE || spec->period ||
		    spec->vcpus > h->shape.cpus / h->shape.domains)
			continue;
		for (uint32_t k = i + 1; k < (i / ROOM + 1) * ROOM; k++) {
			struct core_vcpu_figures a, b;

			core_read_vcpu(h->core, i, &a);
			core_read_vcpu(h->core, k, &b);
			if (h->vcpus[i].state <= LEDGER_READY && h->vcpus[k].state <= LEDGER_READY)
				assert_int_not_equal(a.cpu, b.cpu);
		}
	}
}

static void check(const struct host *h)
{
	const char *wrong = core_check(h->core);

	if (wrong)
		fail_msg("at %.6f s: %s", (double)h->now / 1e9, wrong);
	check_cpus(h);
	check_vcpus(h);
	check_siblings(h);
	if (h->conserves)
		check_conservation(h);
}

static struct core_vm_spec draw_spec(struct host *h)
{
	static const enum cosched all[] = {COSCHED_NONE, COSCHED_BALANCE, COSCHED_RELAXED,
					   COSCHED_STRICT};
	struct core_vm_spec s = {.vcpus = 1 + pick(h, ROOM),
				 .cosched = all[pick(h, h->conserves ? 2 : 4)],
				 .shares = 100 * (1 + pick(h, 20)),
				 .limit = ENTITLE_UNLIMITED};

	if (!pick(h, 3))
		s.group = 1 + pick(h, GROUPS);
	if (!h->group_on[s.group])
		s.group = 0;
	if (!pick(h, 4))
		s.reservation = 0.1 * (1 + pick(h, 8));
	if (!pick(h, 4))
		s.limit = s.reservation + 0.1 * (1 + pick(h, 10));
	if (!pick(h, 12)) {
		s.period = 10000000;
		s.quota = s.period / (2 + pick(h, 10));
	}
	return s;
}

/* vCPUs that have come are idle, those that have gone are too. */
static void follow_vcpus(struct host *h, uint32_t vm)
{
	for (uint32_t i = vm * ROOM; i < (vm + 1) * ROOM; i++) {
		if (!is_there(h, i))
			h->vcpus[i].wants = false;
		if (!is_there(h, i))
			h->vcpus[i].toggles = CORE_NEVER;
		else if (h->vcpus[i].toggles == CORE_NEVER)
			h->vcpus[i].toggles = h->now + pick(h, 20000000);
	}
}

static int change_vm(struct host *h)
{
	uint32_t vm = pick(h, VMS), what = pick(h, 3);
	struct core_vm_spec s = draw_spec(h);
	bool was = h->vm_on[vm];
	int err;

	if (what == 0)
		err = core_vm_add(h->core, h->now, vm, vm * ROOM, ROOM, &s, NULL);
	else if (what == 1)
		err = core_vm_change(h->core, h->now, vm, &s, NULL);
	else
		err = core_vm_remove(h->core, h->now, vm);
	assert_int_equal(err == -EEXIST, what == 0 && was);
	assert_int_equal(err == -ENOENT, what != 0 && !was);
	if (err)
		return err;
	h->vm_on[vm] = what != 2;
	h->vms[vm] = s;
	follow_vcpus(h, vm);
	return 0;
}

static int change_group(struct host *h)
{
	uint32_t group = 1 + pick(h, GROUPS), what = pick(h, 3);
	struct core_group_spec s = {.parent = pick(h, group),
				    .shares = 100 * (1 + pick(h, 20)),
				    .limit = ENTITLE_UNLIMITED};
	int err;

	if (!h->group_on[s.parent])
		s.parent = 0;
	if (!pick(h, 2))
		s.limit = 0.2 * (1 + pick(h, 10));
	if (!pick(h, 4))
		s.reservation = s.limit < 10 ? s.limit / 2 : 0.2;
	if (what == 0)
		err = core_group_add(h->core, h->now, group, &s, NULL);
	else if (what == 1)
		err = core_group_change(h->core, h->now, group, &s, NULL);
	else
		err = core_group_remove(h->core, h->now, group);
	if (!err)
		h->group_on[group] = what != 2;
	return err;
}

static int change_cpu(struct host *h)
{
	uint32_t cpu = pick(h, h->shape.cpus);
	bool on = pick(h, 2);
	int err = core_cpu_set(h->core, h->now, cpu, on, NULL);

	if (!err)
		h->cpu_on[cpu] = on;
	h->cpu_went |= !err && !on;
	return err;
}

static void change(struct host *h)
{
	static int (*const changes[])(struct host * h) = {change_vm, change_vm, change_group,
							  change_cpu};
	int err = changes[pick(h, 4)](h);

	h->done += !err;
	h->refused += err != 0;
	if (err)
		assert_int_equal(core_changes(h->core)->n_cpus, 0);
}

static void toggle(struct host *h, uint32_t vcpu)
{
	static const enum ledger_state rests[] = {LEDGER_HALT, LEDGER_HALT, LEDGER_WAIT,
						  LEDGER_SWAPWAIT};
	struct vcpu *v = &h->vcpus[vcpu];

	if (h->served && !(random_next(&h->below) % 4)) /* what is below the core did otherwise */
		core_serve(h->core, h->now, vcpu,
			   (int64_t)(random_next(&h->below) % 20000000) - 10000000);
	v->wants = !v->wants;
	if (v->wants)
		core_wake(h->core, h->now, vcpu);
	else
		core_block(h->core, h->now, vcpu, rests[pick(h, 4)]);
	v->toggles = h->now + (v->wants ? pick(h, 60000000) : pick(h, 10000000));
}

/* When the next thing happens. */
static uint64_t next(const struct host *h)
{
	uint64_t at = CORE_NEVER;

	for (uint32_t i = 0; i < h->shape.cpus; i++)
		at = h->cpus[i].until < at ? h->cpus[i].until : at;
	for (uint32_t i = 0; i <= VMS + GROUPS; i++)
		at = h->alarms[i] < at ? h->alarms[i] : at;
	for (uint32_t i = 0; i < VCPUS; i++)
		at = h->vcpus[i].toggles < at ? h->vcpus[i].toggles : at;
	return at;
}

/* One thing that happens now. False: nothing does. */
static bool happen(struct host *h)
{
	for (uint32_t i = 0; i < VCPUS; i++) {
		if (h->vcpus[i].toggles <= h->now) {
			toggle(h, i);
			return true;
		}
	}
	for (uint32_t i = 0; i < h->shape.cpus; i++) {
		if (h->cpus[i].until <= h->now) {
			h->cpus[i].until = CORE_NEVER;
			core_expire(h->core, h->now, i);
			return true;
		}
	}
	for (uint32_t i = 0; i <= VMS + GROUPS; i++) {
		if (h->alarms[i] <= h->now) {
			h->alarms[i] = CORE_NEVER;
			core_timer(h->core, h->now, i);
			return true;
		}
	}
	return false;
}

static void make_host(struct host *h, unsigned long seed, bool served)
{
	struct core_site sites[CPUS];
	struct core_vm_spec spec;

	memset(h, 0, sizeof(*h));
	h->rng = random_stream(20069, seed);
	h->below = random_stream(20070, seed);
	h->served = served;
	h->conserves = pick(h, 2);
	h->start = h->now = pick(h, 2) ? 0 : 123456789;
	h->shape = (struct core_shape){.domains = 1 + pick(h, 2),
				       .vms = VMS,
				       .groups = GROUPS,
				       .vcpus = VCPUS,
				       .nodes = true,
				       .rebalance = pick(h, 2),
				       .sites = sites};
	h->shape.cpus = h->shape.domains * 2 * (1 + pick(h, 2));
	core_sites_regular(sites, h->shape.cpus, h->shape.cpus / h->shape.domains, 2, pick(h, 2));
	assert_int_equal(core_new(&core_defaults, &h->shape, &h->core), 0);
	core_set_watch(h->core, (struct core_watch){told, h});
	h->group_on[0] = true;
	for (uint32_t i = 0; i < h->shape.cpus; i++) {
		h->cpus[i] = (struct core_decision){.vcpu = CORE_NONE, .until = CORE_NEVER};
		h->cpu_on[i] = true;
	}
	for (uint32_t i = 0; i <= VMS + GROUPS; i++)
		h->alarms[i] = CORE_NEVER;
	for (uint32_t i = 0; i < VCPUS; i++) {
		h->vcpus[i].toggles = CORE_NEVER;
		h->vcpus[i].state = LEDGER_HALT;
		h->vcpus[i].since = h->now;
	}
	spec = (struct core_vm_spec){.vcpus = 1, .shares = 1000, .limit = ENTITLE_UNLIMITED};
	assert_int_equal(core_vm_add(h->core, h->now, 0, 0, ROOM, &spec, NULL), 0);
	assert_int_equal(core_start(h->core, h->now, NULL), 0);
	h->vm_on[0] = true;
	h->vms[0] = spec;
	follow_vcpus(h, 0);
}

static void check_ledgers(struct host *h)
{
	core_settle(h->core, h->now);
	for (uint32_t i = 0; i < VCPUS; i++) {
		struct core_vcpu_figures f;
		uint64_t sum = 0;

		core_read_vcpu(h->core, i, &f);
		told(h, i, h->now, h->vcpus[i].state);
		for (uint32_t k = 0; k < LEDGER_STATES; k++) {
			assert_int_equal(f.ledger->ns[k], h->vcpus[i].ns[k]);
			sum += f.ledger->ns[k];
		}
		assert_int_equal(sum, h->now - h->start);
		assert_int_equal(f.ledger->backwards, 0);
	}
}

static unsigned long done, refused;

/* `served`: something below the core decides, too (core_serve()). */
static void live(unsigned long seed, bool served)
{
	static struct host h;
	uint64_t change_at;

	make_host(&h, seed, served);
	change_at = h.now;
	while (h.now < h.start + LENGTH) {
		uint64_t at = next(&h);

		assert_true(at >= h.now); /* nothing is asked for in the past */
		h.now = at < change_at ? at : change_at;
		if (at < change_at) {
			happen(&h);
		} else {
			change(&h);
			change_at = h.now + (pick(&h, 4) ? pick(&h, 20000000) : 0);
		}
		carry_out(&h);
		if (next(&h) > h.now)
			check(&h);
	}
	check_ledgers(&h);
	core_free(h.core);
	done += h.done;
	refused += h.refused;
}

/* Histories that showed what 200,000 others did not. 199102: a gang that a vCPU preempts leaves idle
 * CPUs with queues, and a sibling of what waits at one is the next to look for a CPU. */
static const unsigned long rare[] = {199102};

static void random_histories(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rare) / sizeof(*rare); i++)
		live(rare[i], false);
	for (unsigned long i = first_history; i < first_history + histories; i++) {
		if (getenv("DESCHED_LIFE_SHOW"))
			fprintf(stderr, "history %lu\n", i);
		live(i, i % 2);
	}
	printf("%lu histories, %lu changes, %lu refused\n", histories, done, refused);
}

/* Who runs is owed lag_bound at most, 100 ms, and owes debt_bound, 40 ms. */
static void what_is_owed(void **state)
{
	struct core_site site = {0, 0, CORE_NONE};
	struct core_shape shape = {.cpus = 1, .domains = 1, .sites = &site, .vms = 1, .vcpus = 1};
	struct core_vm_spec spec = {.vcpus = 1, .shares = 1000, .limit = ENTITLE_UNLIMITED};
	struct core *c = NULL;

	(void)state;
	assert_int_equal(core_new(&core_defaults, &shape, &c), 0);
	assert_int_equal(core_vm_add(c, 0, 0, 0, 1, &spec, NULL), 0);
	assert_int_equal(core_start(c, 0, NULL), 0);
	core_wake(c, 1000000, 0);
	assert_int_equal(core_check_forgiven(c, -300000000, 1000000), -100000000);
	assert_int_equal(core_check_forgiven(c, 300000000, 1000000), 40000000);
	assert_int_equal(core_check_forgiven(c, -70000000, 1000000), -70000000);
	core_free(c);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(what_is_owed),
					   cmocka_unit_test(random_histories)};

	histories = argc > 1 ? strtoul(argv[1], NULL, 10) : histories;
	first_history = argc > 2 ? strtoul(argv[2], NULL, 10) : 0;
	cmocka_set_message_output(CM_OUTPUT_STDOUT);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
