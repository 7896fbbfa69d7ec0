/* SPDX-License-Identifier: MIT */
/*
 * Random hosts against the fluid model (fluid.h): groups two and three deep, reservations, limits,
 * light and heavy VMs of 1 to 16 vCPUs, under every co-scheduling row. What is exact in the ledgers
 * is in test_sim_random.c, single situations in tests/sim.
 *
 * A heavy VM has work on all its vCPUs, always. A light one works and pauses in turns; what it uses
 * lies between what it would use if it never waited, and what it uses if each of its threads is
 * served at its fair share only while it works; what a heavy one has lies between the two ends that
 * the light ones leave to it, or the average over moments. DESCHED_FLUID_ONE=N shows host N. The
 * model is asked for both ends, and every VM has to lie between them, give or take 2 % of the host
 * or 3 % of the end.
 *
 * Hosts full of limited groups, with light VMs that work for longer than any period of the policy,
 * are judged otherwise: with a CPU for each vCPU, the members of a group whose limit alone holds
 * them back, at each moment that the model was asked about, have together what the limit says. And
 * nobody waits for long, however many CPUs there are. Where the groups in a limited one have no limits
 * (`inner`), each member lies between the ends, give or take 2 % of the limit.
 */
#include "base/units.h"
#include "fluid.h"
#include "fluid_ends.h"
#include "sim/metrics.h"
#include "sim/random.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* s: what a vCPU may have been served in advance when it begins to wait, or a gang waits until it is
 * owed (config.debt_bound, lag_bound). */
#define DEBT 0.040
#define OWED 0.100
#define LONGEST_WAIT                                                                               \
	1.0 /* after changes, which leave debts by other rates, and of members of
			  * limited groups, who wait for their periods, too */
/* Parts of the limit by which a group that is always full may miss it: 99 of 100, and the worst, in
 * a parent whose members want more than there is. */
#define FULL	   0.01
#define FULL_WORST 0.05
/* Of the limit of a group, by which a member may have more or less than the model says. */
#define INNER_WORST 0.1

static bool show;
static enum fluid_form form;
static unsigned long hosts, first;
static uint64_t rng;
static char text[8192];

static struct {
	unsigned vms, off, far, late, groups, missing, by_rates, by_turns;
	double worst, delay, wait, missed;
} sum;

/* What a gang may lose is in no fluid model: whoever fits goes first, and CPUs idle. Here it is
 * only asked not to wait for ever. */
static bool is_fluid(const struct fluid_host *h)
{
	return h->cosched != FLUID_STRICT;
}

/* By itself, or by a group above it. */
static bool is_limited(const struct fluid_host *h, const struct fluid_vm *vm)
{
	for (int g = vm->group; g; g = h->groups[g - 1].parent) {
		if (h->groups[g - 1].limit < h->cpus)
			return true;
	}
	return vm->limit < vm->vcpus;
}

static double off_by(const struct fluid_vm *vm, double cpu)
{
	return fmax(0, fmax(vm->low - cpu, cpu - vm->high));
}

static bool is_far(const struct fluid_host *h, const struct fluid_vm *vm, double cpu)
{
	return off_by(vm, cpu) > 0.05 * h->cpus && off_by(vm, cpu) > 0.05 * vm->low;
}

/* How long a vCPU of this VM may want to run without running: until the others have had what it had
 * before them, by its part of a CPU, and each of them a slice: on all CPUs, its siblings among them,
 * or on one where it has to heed these; gangs one by one. */
static double longest_wait(const struct fluid_host *h, const struct fluid_vm *vm)
{
	double others = h->cosched == FLUID_EACH ? -1 : -vm->vcpus, part = vm->entitled / vm->vcpus;

	for (int i = 0; i < h->n_vms; i++)
		others += h->vms[i].vcpus;
	if (h->cosched == FLUID_STRICT)
		return (OWED + FLUID_SLICE) / part + FLUID_SLICE * (1 + others);
	return (DEBT + FLUID_SLICE) / part +
	       FLUID_SLICE * (1 + others / (h->cosched == FLUID_EACH ? h->cpus : 1));
}

/* Of those who have 5 % of a CPU a vCPU, and no limit. */
static void judge_wait(const struct fluid_host *h, const struct fluid_vm *vm, double delay,
		       const char *who)
{
	double most = longest_wait(h, vm);

	if (is_limited(h, vm) || vm->entitled / vm->vcpus < 0.05)
		return;
	sum.delay = fmax(sum.delay, delay);
	sum.wait = fmax(sum.wait, delay / most);
	sum.late += delay > most;
	if (delay > most)
		printf("%s waits for %.3f s, expected up to %.3f s\n", who, delay, most);
}

static void judge_vm(const struct fluid_host *h, const struct fluid_vm *vm, const double *m,
		     const char *who)
{
	double cpu = m[METRIC_CPU], by = off_by(vm, cpu);
	bool off = by > 0.02 * h->cpus && by > 0.03 * vm->low;

	if (show || (off && is_fluid(h)))
		printf("%s: %gx, load %g, rate %.3f, %.4f CPUs, expected %.4f to %.4f, longest "
		       "wait %.3f "
		       "s%s\n",
		       who, vm->vcpus, vm->load, vm->rate, cpu, vm->low, vm->high, m[METRIC_DELAY],
		       is_far(h, vm, cpu) ? ", FAR"
		       : off		  ? ", OFF"
					  : "");
	judge_wait(h, vm, m[METRIC_DELAY], who);
	if (!is_fluid(h))
		return;
	sum.vms++;
	sum.off += off;
	sum.worst = fmax(sum.worst, by / h->cpus);
	sum.far += is_far(h, vm, cpu);
}

static bool is_below(const struct fluid_host *h, int group, int at)
{
	while (at && at != group)
		at = h->groups[at - 1].parent;
	return at == group;
}

/* Group i (from 1 on) is always full: its members have its limit together. */
static void judge_group(const struct fluid_host *h, const struct result *r, int i,
			unsigned long seed)
{
	double limit = h->groups[i - 1].limit, cpu = 0;

	for (int k = 0; k < h->n_vms; k++) {
		if (is_below(h, i, h->vms[k].group))
			cpu += r->vms[k].values[METRIC_CPU];
	}
	sum.groups++;
	sum.missing += fabs(cpu / limit - 1) > FULL;
	sum.missed = fmax(sum.missed, fabs(cpu / limit - 1));
	if (show || fabs(cpu / limit - 1) > FULL)
		printf("host %lu (%s), g%d has %.4f CPUs of %.4f\n", seed, fluid_rows[h->cosched],
		       i, cpu, limit);
}

static void judge_groups(const struct fluid_host *h, const struct result *r, unsigned long seed)
{
	for (int i = 1; i <= h->n_groups && h->wide && is_fluid(h); i++) {
		if (h->groups[i - 1].full)
			judge_group(h, r, i, seed);
	}
	for (int i = 0; i < h->n_vms; i++) {
		const double *m = r->vms[i].values;

		if (!is_fluid(h) || h->vms[i].entitled / h->vms[i].vcpus < 0.05)
			continue;
		sum.delay = fmax(sum.delay, m[METRIC_DELAY]);
		if (show || m[METRIC_DELAY] > LONGEST_WAIT)
			printf("host %lu (%s), v%d waits for %.3f s\n", seed,
			       fluid_rows[h->cosched], i, m[METRIC_DELAY]);
	}
}

/* By how much of the limit of its outermost group a VM is off. */
static double part_off(const struct fluid_host *h, const struct result *r, int vm)
{
	return off_by(&h->vms[vm], r->vms[vm].values[METRIC_CPU]) / h->groups[0].limit;
}

/* Groups without a limit, in one that has one: what this gives them, and they their VMs, is as their
 * shares say, whoever pauses. */
static void judge_inner(struct fluid_host *h, const struct result *r, unsigned long seed)
{
	bool far = false;

	for (int i = 0; i < h->n_vms; i++)
		far |= h->vms[i].group && part_off(h, r, i) > 0.02;
	if (far)
		fluid_ends_again(h);
	for (int i = 0; i < h->n_vms && is_fluid(h); i++) {
		const struct fluid_vm *vm = &h->vms[i];
		double by = part_off(h, r, i);

		if (!vm->group)
			continue;
		sum.vms++;
		sum.off += by > 0.02;
		sum.worst = fmax(sum.worst, by);
		if (show || by > 0.02)
			printf("host %lu (%s), v%d in g%d: %gx, load %g, burst %g, %.4f CPUs, "
			       "expected %.4f "
			       "to %.4f\n",
			       seed, fluid_rows[h->cosched], i, vm->group, vm->vcpus, vm->load,
			       vm->burst, r->vms[i].values[METRIC_CPU], vm->low, vm->high);
	}
}

static bool any_far(const struct fluid_host *h, const struct result *r)
{
	for (int i = 0; i < h->n_vms && is_fluid(h); i++) {
		if (is_far(h, &h->vms[i], r->vms[i].values[METRIC_CPU]))
			return true;
	}
	return false;
}

static void judge(struct fluid_host *h, const struct result *r, unsigned long seed)
{
	if (any_far(h, r))
		fluid_ends_again(h);
	if (any_far(h, r)) {
		sum.by_rates++;
		fluid_ends_by_rates(h, 1);
	}
	if (any_far(h, r)) {
		sum.by_turns++;
		fluid_ends_by_credit(h);
	}
	if (any_far(h, r))
		fluid_ends_by_clock(h);
	for (int i = 0; i < h->n_vms; i++) {
		char who[64];

		snprintf(who, sizeof(who), "host %lu (%s), v%d", seed, fluid_rows[h->cosched], i);
		judge_vm(h, &h->vms[i], r->vms[i].values, who);
	}
}

static void add_rates(struct fluid_host *h, struct sim *s)
{
	for (int i = 0; i < h->n_vms; i++) {
		struct core_vm_figures f;

		core_read_vm(s->core, (uint32_t)i, &f);
		h->vms[i].rate += f.entitled / 30;
	}
}

/* Runs what was said, and judges it by `h` from `from` seconds on. */
static void run_text(struct fluid_host *h, unsigned long seed, unsigned from)
{
	struct scenario *sc = NULL;
	struct failure f = {0};
	struct result r;
	struct sim *s = NULL;

	if (show)
		fputs(text, stdout);
	if (scenario_parse(text, strlen(text), "fluid.ini", &f, &sc) ||
	    sim_new(sc, seed, 0, &f, &s))
		fail_msg("%s\n%s", f.text, text);
	fluid_ends(h);
	sim_run(s, from * NS_PER_SEC);
	if (sim_refusals(s))
		fail_msg("host %lu: a change was refused\n%s", seed, text);
	sim_restart_counters(s);
	for (unsigned t = from + 1; t <= from + 30; t++) {
		sim_run(s, t * NS_PER_SEC);
		add_rates(h, s);
	}
	assert_int_equal(result_take(s, &r), 0);
	assert_true(r.host[HOST_VALID] == 1);
	if (form == FLUID_INNER)
		judge_inner(h, &r, seed);
	if (form == FLUID_POOLS || form == FLUID_INNER)
		judge_groups(h, &r, seed);
	else
		judge(h, &r, seed);
	result_free(&r);
	sim_free(s);
	scenario_free(sc);
}

static void run_one(unsigned long seed)
{
	struct fluid_host h;

	rng = random_stream(566 + form, seed);
	fluid_host_draw(form, &rng, &h, text, sizeof(text));
	run_text(&h, seed, form == FLUID_CHANGES ? 7 : 5);
}

static void fluid(void **state)
{
	const char *one = getenv("DESCHED_FLUID_ONE");
	unsigned long from = one ? strtoul(one, NULL, 10) : first, n = one ? 1 : hosts;

	(void)state;
	show = one;
	for (unsigned long i = from; i < from + n; i++)
		run_one(i);
	printf("%lu hosts, %u VMs, %u of them off by more than 2 %% of the host and 3 %% of their "
	       "part, %u by 5 %% of both, the worst by %.2f %% of the host; %u hosts judged by "
	       "rates, %u of them by turns; longest wait %.3f s, %.0f %% of what it may be\n",
	       n, sum.vms, sum.off, sum.far, 100 * sum.worst, sum.by_rates, sum.by_turns, sum.delay,
	       100 * sum.wait);
	assert_true(sum.by_rates <= 1 + n / 1000);
	assert_true(sum.by_turns <= 1 + n / 2000);
	assert_true(one || sum.off <= sum.vms / 100);
	assert_int_equal(sum.far, 0);
	assert_int_equal(sum.late, 0);
}

static void fluid_after_changes(void **state)
{
	form = FLUID_CHANGES;
	fluid(state);
}

static void limited_groups(void **state)
{
	const char *one = getenv("DESCHED_FLUID_ONE");
	unsigned long from = one ? strtoul(one, NULL, 10) : first, n = one ? 1 : hosts;

	(void)state;
	show = one;
	for (unsigned long i = from; i < from + n; i++)
		run_one(i);
	printf("%u groups that are always full, %u off by more than 1 %%, the worst by %.2f %% of "
	       "its limit; longest wait %.3f s\n",
	       sum.groups, sum.missing, 100 * sum.missed, sum.delay);
	if (form == FLUID_INNER)
		printf("%u VMs in a limited group and groups below it, %u off by more than 2 %% of "
		       "its limit, the worst by %.2f %%\n",
		       sum.vms, sum.off, 100 * sum.worst);
	assert_true(one || sum.off <= sum.vms / 100);
	assert_true(sum.worst <= INNER_WORST);
	assert_true(one || sum.groups >= hosts / 4);
	assert_true(sum.missing <= sum.groups / 100);
	assert_true(sum.missed <= FULL_WORST);
	assert_true(sum.delay <= LONGEST_WAIT);
}

/* test_sim_fluid [HOSTS [FIRST [changes|pools|inner]]] */
int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(fluid)};
	const struct CMUnitTest changes[] = {cmocka_unit_test(fluid_after_changes)};
	const struct CMUnitTest limited[] = {cmocka_unit_test(limited_groups)};

	hosts = argc > 1 ? strtoul(argv[1], NULL, 10) : 300;
	first = argc > 2 ? strtoul(argv[2], NULL, 10) : 0;
	cmocka_set_message_output(CM_OUTPUT_STDOUT);
	if (argc > 3 && !strcmp(argv[3], "inner"))
		form = FLUID_INNER;
	else if (argc > 3 && !strcmp(argv[3], "pools"))
		form = FLUID_POOLS;
	if (form)
		return cmocka_run_group_tests(limited, NULL, NULL);
	return argc > 3 ? cmocka_run_group_tests(changes, NULL, NULL)
			: cmocka_run_group_tests(tests, NULL, NULL);
}
