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
#include "sim/metrics.h"
#include "sim/random.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define VMS_MAX 16
#define MOMENTS 100
#define BURST	10 /* ms, of a VM that does not say */

/* s: what a vCPU may have been served in advance when it begins to wait, or a gang waits until it is
 * owed (config.debt_bound, lag_bound), and a slice. */
#define DEBT   0.040
#define OWED   0.100
#define SLICE  0.005
#define CREDIT 0.005 /* s: config.wake_credit */
#define LITTLE 0.1   /* CPUs a vCPU */
#define LONGEST_WAIT                                                                               \
	1.0 /* after changes, which leave debts by other rates, and of members of
			  * limited groups, who wait for their periods, too */

struct vm {
	bool later;					/* it comes when the host changes */
	double vcpus, shares, reservation, limit, load; /* load 0: always busy */
	double burst;					/* ms */
	int group;
	double low, high; /* CPUs, by the model */
	double entitled;  /* CPUs, if it alone wanted more */
	double speed;	  /* of a thread of it that works, if all do */
	double rate;	  /* CPUs: what the policy serves it by, on average */
	double work[17];  /* how probable it is that so many of its threads work */
};

struct host {
	int cpus, n_groups, n_vms, cosched;
	bool wide; /* a CPU for each vCPU */
	struct {
		int parent;
		double shares, reservation, limit;
		bool full; /* it has its limit, always */
	} groups[4];
	struct vm vms[VMS_MAX];
};

enum { NONE, RELAXED, BALANCE, STRICT };
static const char *const rows[] = {"none", "relaxed", "balance", "strict"};
/* Parts of the limit by which a group that is always full may miss it: 99 of 100, and the worst, in
 * a parent whose members want more than there is. */
#define FULL	   0.01
#define FULL_WORST 0.05
/* Of the limit of a group, by which a member may have more or less than the model says. */
#define INNER_WORST 0.1
static bool show, changing, pools, inner;
static unsigned long hosts, first;
static uint64_t rng;
static char text[8192];
static size_t used;

static int pick(int n)
{
	return (int)(random_next(&rng) % (unsigned)n);
}

static void __attribute__((format(printf, 1, 2))) say(const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	used += (size_t)vsnprintf(text + used, sizeof(text) - used, format, ap);
	va_end(ap);
	assert_true(used < sizeof(text));
}

static void draw_groups(struct host *h, double *spare)
{
	h->n_groups = pick(2) ? 1 + pick(4) : 0;
	for (int i = 0; i < h->n_groups; i++) {
		h->groups[i].parent = i && pick(2) ? 1 + pick(i) : 0;
		h->groups[i].shares = 100 * (1 + pick(20));
		h->groups[i].limit = pick(4) ? FLUID_NONE : 0.25 * (1 + pick(8 * h->cpus));
		h->groups[i].reservation = 0;
		if (!h->groups[i].parent && !pick(4) && h->groups[i].limit >= h->cpus) {
			h->groups[i].reservation = *spare * 0.2;
			*spare *= 0.8;
		}
	}
}

/* Most groups have less than their members want. */
static void draw_pools(struct host *h)
{
	h->wide = pick(2) || inner;
	h->n_groups = 1 + pick(4);
	for (int i = 0; i < h->n_groups; i++) {
		h->groups[i].parent = i && pick(2) ? 1 + pick(i) : 0;
		h->groups[i].shares = 100 * (1 + pick(20));
		h->groups[i].limit = 0.25 * (1 + pick(8));
	}
	for (int i = 1; i < h->n_groups && inner; i++) {
		h->groups[i].parent = 1 + pick(i);
		h->groups[i].limit = FLUID_NONE;
	}
}

static void draw_vm(struct host *h, struct vm *vm, double *spare)
{
	static const int ways[] = {1, 1, 1, 2, 2, 3, 4, 6, 8, 16};

	vm->vcpus = ways[pick(10)];
	while (vm->vcpus > h->cpus)
		vm->vcpus = ceil(vm->vcpus / 2);
	vm->group = h->n_groups && pick(3) ? 1 + pick(h->n_groups) : 0;
	vm->shares = pick(3) ? 1000 * vm->vcpus : 100 * (1 + pick(40));
	vm->load = pick(3) ? 0 : 0.02 * (1 + pick(20));
	vm->limit = pick(5) ? FLUID_NONE : 0.05 * (1 + pick(20 * (int)vm->vcpus));
	vm->reservation = 0;
	if (!pick(5) && !vm->group && vm->limit >= vm->vcpus) {
		vm->reservation = fmin(*spare * 0.3, vm->vcpus);
		*spare -= vm->reservation;
	}
}

static void draw_host(struct host *h)
{
	static const int sizes[] = {1, 2, 2, 3, 4, 6, 8, 12};
	double spare;

	memset(h, 0, sizeof(*h));
	h->cpus = sizes[pick(8)];
	h->cosched = pick(4);
	spare = 0.9 * h->cpus;
	if (pools)
		draw_pools(h);
	else
		draw_groups(h, &spare);
	h->n_vms = 2 + pick(VMS_MAX - 2);
	for (int i = 0; i < h->n_vms; i++)
		draw_vm(h, &h->vms[i], &spare);
	for (int i = 0; h->wide && i < h->n_vms; i++)
		h->cpus += (int)h->vms[i].vcpus;
}

static void say_groups(const struct host *h)
{
	for (int i = 0; i < h->n_groups; i++) {
		say("[group g%d]\nshares=%g\nreservation=%g\n", i + 1, h->groups[i].shares,
		    h->groups[i].reservation);
		if (h->groups[i].limit < FLUID_NONE)
			say("limit=%g\n", h->groups[i].limit);
		if (h->groups[i].parent)
			say("parent=g%d\n", h->groups[i].parent);
	}
}

static void say_vms(struct host *h)
{
	for (int i = 0; i < h->n_vms; i++) {
		struct vm *vm = &h->vms[i];

		say("[vm v%d]\nvcpus=%g\nshares=%g\nreservation=%.9g\n", i, vm->vcpus, vm->shares,
		    vm->reservation);
		if (vm->limit < FLUID_NONE)
			say("limit=%g\n", vm->limit);
		if (vm->group)
			say("group=g%d\n", vm->group);
		vm->burst = vm->load > 0 ? 0.5 * (1 << pick(pools && !inner ? 11 : 5)) : BURST;
		if (vm->load > 0)
			say("workload=duty\nburst=%gms\nload=%g\n", vm->burst, vm->load);
		if (vm->later)
			say("count=0\n");
	}
}

static void say_host(struct host *h)
{
	used = 0;
	say("[host]\ncpus=%d\ncosched=%s\n", h->cpus, rows[h->cosched]);
	say_groups(h);
	say_vms(h);
}

/* What a VM was before it became `vm`: other shares, limit, size, load or group, or not there. */
static void draw_before(const struct host *h, struct vm *vm)
{
	int n = 1 + pick(h->cpus);

	switch (pick(8)) {
	case 0:
		vm->shares = 100 * (1 + pick(40));
		break;
	case 1:
		vm->limit = vm->reservation > 0 ? FLUID_NONE : 0.05 * (1 + pick(20 * n));
		break;
	case 2:
		vm->vcpus = n >= vm->reservation ? n : vm->vcpus;
		break;
	case 3:
		vm->load = vm->load > 0 ? 0.02 * (1 + pick(20)) : 0;
		break;
	case 4:
		vm->group = h->n_groups && vm->reservation <= 0 ? pick(h->n_groups + 1) : vm->group;
		break;
	case 5:
		vm->later = true;
	}
}

static void say_limit(char kind, int i, double limit)
{
	if (limit < FLUID_NONE)
		say("%c%d.limit=%g\n", kind, i, limit);
	else
		say("%c%d.limit=none\n", kind, i);
}

/* What makes a VM `to` of what it was; a VM cannot leave its group for none. */
static void say_change(int i, const struct vm *from, const struct vm *to)
{
	if (from->shares != to->shares)
		say("v%d.shares=%g\n", i, to->shares);
	if (from->limit != to->limit)
		say_limit('v', i, to->limit);
	if (from->vcpus != to->vcpus)
		say("v%d.vcpus=%g\n", i, to->vcpus);
	if (from->load != to->load)
		say("v%d.load=%g\n", i, to->load);
	if (from->group != to->group)
		say("v%d.group=g%d\n", i, to->group);
	if (from->later)
		say("v%d.count=1\n", i);
}

/* A host that becomes `h` after CHANGED: VMs were other ones, groups had other shares and limits,
 * there was a VM more, and a CPU more or less. */
static void say_changing(struct host *h)
{
	struct host was = *h;
	bool more = pick(2), less = !more && h->cpus > 1 && h->cosched != STRICT && pick(2);

	for (int i = 0; i < h->n_vms; i++) {
		less &= h->vms[i].reservation <= 0;
		draw_before(&was, &was.vms[i]);
		if (!h->vms[i].group)
			was.vms[i].group = 0;
	}
	for (int i = 0; i < h->n_groups; i++) {
		less &= h->groups[i].reservation <= 0;
		was.groups[i].shares = 100 * (1 + pick(20));
		if (h->groups[i].reservation <= 0)
			was.groups[i].limit = pick(2) ? FLUID_NONE : 0.25 * (1 + pick(8 * h->cpus));
	}
	used = 0;
	say("[host]\ncpus=%d\ncosched=%s\n", h->cpus + more, rows[h->cosched]);
	if (less)
		say("offline=%d\n", pick(h->cpus));
	say_groups(&was);
	say_vms(&was);
	for (int i = 0; i < h->n_vms; i++)
		h->vms[i].burst = was.vms[i].burst;
	say("[vm guest]\nvcpus=%d\n[at 5s]\nguest.count=0\n", h->cpus);
	if (more)
		say("host.offline=%d\n", pick(h->cpus + 1));
	if (less)
		say("host.offline=none\n");
	for (int i = 0; i < h->n_groups; i++) {
		say("g%d.shares=%g\n", i + 1, h->groups[i].shares);
		say_limit('g', i + 1, h->groups[i].limit);
	}
	for (int i = 0; i < h->n_vms; i++)
		say_change(i, &was.vms[i], &h->vms[i]);
}

/* The tree of a host whose VMs demand what `demand` says. */
static int tree_of(const struct host *h, const double *demand, struct fluid_node *t)
{
	t[0] = (struct fluid_node){.shares = 1, .limit = FLUID_NONE};
	for (int i = 0; i < h->n_groups; i++)
		t[1 + i] = (struct fluid_node){.parent = h->groups[i].parent,
					       .shares = h->groups[i].shares,
					       .reservation = h->groups[i].reservation,
					       .limit = h->groups[i].limit};
	for (int i = 0; i < h->n_vms; i++)
		t[1 + h->n_groups + i] = (struct fluid_node){.parent = h->vms[i].group,
							     .shares = h->vms[i].shares,
							     .reservation = h->vms[i].reservation,
							     .limit = h->vms[i].limit,
							     .demand = demand[i],
							     .leaf = 1};
	return 1 + h->n_groups + h->n_vms;
}

static double given_to(const struct host *h, const double *demand, int vm)
{
	struct fluid_node t[FLUID_NODES];

	fluid_pour(t, tree_of(h, demand, t), h->cpus);
	return t[1 + h->n_groups + vm].given;
}

/* How probable it is that so many threads of a light VM work: those that pause begin at the same
 * rate each, those that work end at the speed that is left to each. One alone may run at full speed
 * where all together cannot. */
static void ask_work(struct host *h, double *demand, int i)
{
	struct vm *vm = &h->vms[i];
	double kept = demand[i], begin = vm->load / (1 - vm->load), all = 1;
	int n = (int)vm->vcpus;

	vm->work[0] = 1;
	for (int k = 1; k <= n; k++) {
		demand[i] = k;
		vm->work[k] = vm->work[k - 1] * (n - k + 1) * begin / given_to(h, demand, i);
		all += vm->work[k];
	}
	demand[i] = kept;
	for (int k = 0; k <= n; k++)
		vm->work[k] /= all;
}

/* How many threads of a VM work at an instant that nobody has chosen. */
static double at_work(const struct vm *vm)
{
	double at = random_unit(&rng);
	int n = 0;

	if (vm->load <= 0)
		return vm->vcpus;
	while (n < vm->vcpus && at >= vm->work[n])
		at -= vm->work[n++];
	return n;
}

static void note_full(struct host *h, const struct fluid_node *t)
{
	for (int i = 0; i < h->n_groups; i++)
		h->groups[i].full &= t[1 + i].given >= h->groups[i].limit * (1 - 1e-6);
}

/* Light VMs work at random: for a moment they want more than on average, and what a heavy one loses
 * then nobody can give back to it. What is left to it is the average over many moments. */
static void look_at_moments(struct host *h)
{
	double demand[VMS_MAX], sums[VMS_MAX] = {0};
	struct fluid_node t[FLUID_NODES];

	for (int i = 0; i < h->n_groups; i++)
		h->groups[i].full = true;
	for (int k = 0; k < MOMENTS; k++) {
		for (int i = 0; i < h->n_vms; i++)
			demand[i] = at_work(&h->vms[i]);
		fluid_pour(t, tree_of(h, demand, t), h->cpus);
		note_full(h, t);
		for (int i = 0; i < h->n_vms; i++)
			sums[i] += t[1 + h->n_groups + i].given / MOMENTS;
	}
	for (int i = 0; i < h->n_vms; i++) {
		if (h->vms[i].load > 0)
			continue;
		h->vms[i].low = fmin(h->vms[i].low, sums[i]);
		h->vms[i].high = fmax(h->vms[i].high, sums[i]);
	}
}

/* What a VM demands that never waits. A gang holds CPUs for all of its vCPUs while one of them works,
 * and all that it holds counts. */
static double demanded(const struct host *h, const struct vm *vm)
{
	if (vm->load <= 0)
		return vm->vcpus;
	if (h->cosched == STRICT)
		return vm->vcpus * (1 - pow(1 - vm->load, vm->vcpus));
	return vm->vcpus * vm->load;
}

/* Both ends for each VM. */
static void ask_model(struct host *h)
{
	double full[VMS_MAX], slow[VMS_MAX];

	for (int i = 0; i < h->n_vms; i++)
		full[i] = slow[i] = demanded(h, &h->vms[i]);
	for (int i = 0; i < h->n_vms; i++) {
		struct vm *vm = &h->vms[i];
		double kept = full[i];

		full[i] = vm->vcpus;
		vm->entitled = given_to(h, full, i);
		full[i] = kept;
		vm->speed = fmin(1, vm->entitled / vm->vcpus);
		if (vm->load > 0)
			slow[i] = fluid_closed(vm->vcpus, vm->load, vm->speed);
		if (vm->load > 0)
			ask_work(h, full, i);
	}
	for (int i = 0; i < h->n_vms; i++) {
		double a = given_to(h, full, i), b = given_to(h, slow, i);

		h->vms[i].low = fmin(a, b);
		h->vms[i].high = fmax(a, b);
	}
	look_at_moments(h);
}

/* One step of the host's life as a liquid, which is poured again whenever a thread begins or ends to
 * work, at times as random as they can be. Returns how long it takes, in ms. */
static double step(const struct host *h, double *working, double *given)
{
	struct fluid_node t[FLUID_NODES];
	double begins[VMS_MAX], ends[VMS_MAX], all = 0, at;
	int i;

	fluid_pour(t, tree_of(h, working, t), h->cpus);
	for (i = 0; i < h->n_vms; i++) {
		const struct vm *vm = &h->vms[i];
		bool light = vm->load > 0;

		given[i] = t[1 + h->n_groups + i].given;
		begins[i] = light ? (vm->vcpus - working[i]) * vm->load / (1 - vm->load) / vm->burst
				  : 0;
		ends[i] = light ? given[i] / vm->burst : 0;
		all += begins[i] + ends[i];
	}
	at = random_unit(&rng) * all;
	for (i = 0; i < h->n_vms && at >= begins[i] + ends[i]; i++)
		at -= begins[i] + ends[i];
	if (i < h->n_vms)
		working[i] += at < begins[i] ? 1 : -1;
	return all > 0 ? -log(1 - random_unit(&rng)) / all : 1;
}

/* The two ends for a host on which somebody is far from them: where many pause in turns, averages
 * are no bounds. Limits hold for periods of 100 ms: who works for less isn't slowed by its limit. */
static void ask_again(struct host *h)
{
	struct host free = *h;
	double working[2][VMS_MAX], given[VMS_MAX], sums[2][VMS_MAX] = {{0}}, span[2] = {0};

	for (int i = 0; i < h->n_vms; i++) {
		working[0][i] = working[1][i] = h->vms[i].load > 0 ? 0 : h->vms[i].vcpus;
		free.vms[i].limit = h->vms[i].load > 0 ? FLUID_NONE : h->vms[i].limit;
	}
	for (int k = 0; k < 2; k++) {
		while (span[k] < 30000) {
			double dt = step(k ? &free : h, working[k], given);

			span[k] += dt;
			for (int i = 0; i < h->n_vms; i++)
				sums[k][i] += given[i] * dt;
		}
	}
	for (int k = 0; k < 2; k++) {
		for (int i = 0; i < h->n_vms; i++) {
			double had = fmin(sums[k][i] / span[k], h->vms[i].limit);

			h->vms[i].low = fmin(h->vms[i].low, had);
			h->vms[i].high = fmax(h->vms[i].high, had);
		}
	}
}

static struct {
	unsigned vms, off, far, late, groups, missing, by_rates, by_turns;
	double worst, delay, wait, missed;
} sum;

/* What a gang may lose is in no fluid model: whoever fits goes first, and CPUs idle. Here it is
 * only asked not to wait for ever. */
static bool is_fluid(const struct host *h)
{
	return h->cosched != STRICT;
}

/* By itself, or by a group above it. */
static bool is_limited(const struct host *h, const struct vm *vm)
{
	for (int g = vm->group; g; g = h->groups[g - 1].parent) {
		if (h->groups[g - 1].limit < h->cpus)
			return true;
	}
	return vm->limit < vm->vcpus;
}

static double off_by(const struct vm *vm, double cpu)
{
	return fmax(0, fmax(vm->low - cpu, cpu - vm->high));
}

static bool is_far(const struct host *h, const struct vm *vm, double cpu)
{
	return off_by(vm, cpu) > 0.05 * h->cpus && off_by(vm, cpu) > 0.05 * vm->low;
}

/* How long a vCPU of this VM may want to run without running: until the others have had what it had
 * before them, by its part of a CPU, and each of them a slice: on all CPUs, its siblings among them,
 * or on one where it has to heed these; gangs one by one. */
static double longest_wait(const struct host *h, const struct vm *vm)
{
	double others = h->cosched == NONE ? -1 : -vm->vcpus, part = vm->entitled / vm->vcpus;

	for (int i = 0; i < h->n_vms; i++)
		others += h->vms[i].vcpus;
	if (h->cosched == STRICT)
		return (OWED + SLICE) / part + SLICE * (1 + others);
	return (DEBT + SLICE) / part + SLICE * (1 + others / (h->cosched == NONE ? h->cpus : 1));
}

/* Of those who have 5 % of a CPU a vCPU, and no limit. */
static void judge_wait(const struct host *h, const struct vm *vm, double delay, const char *who)
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

static void judge_vm(const struct host *h, const struct vm *vm, const double *m, const char *who)
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

static bool is_below(const struct host *h, int group, int at)
{
	while (at && at != group)
		at = h->groups[at - 1].parent;
	return at == group;
}

/* Group i (from 1 on) is always full: its members have its limit together. */
static void judge_group(const struct host *h, const struct result *r, int i, unsigned long seed)
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
		printf("host %lu (%s), g%d has %.4f CPUs of %.4f\n", seed, rows[h->cosched], i, cpu,
		       limit);
}

static void judge_groups(const struct host *h, const struct result *r, unsigned long seed)
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
			printf("host %lu (%s), v%d waits for %.3f s\n", seed, rows[h->cosched], i,
			       m[METRIC_DELAY]);
	}
}

/* By how much of the limit of its outermost group a VM is off. */
static double part_off(const struct host *h, const struct result *r, int vm)
{
	return off_by(&h->vms[vm], r->vms[vm].values[METRIC_CPU]) / h->groups[0].limit;
}

/* Groups without a limit, in one that has one: what this gives them, and they their VMs, is as their
 * shares say, whoever pauses. */
static void judge_inner(struct host *h, const struct result *r, unsigned long seed)
{
	bool far = false;

	for (int i = 0; i < h->n_vms; i++)
		far |= h->vms[i].group && part_off(h, r, i) > 0.02;
	if (far)
		ask_again(h);
	for (int i = 0; i < h->n_vms && is_fluid(h); i++) {
		const struct vm *vm = &h->vms[i];
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
			       seed, rows[h->cosched], i, vm->group, vm->vcpus, vm->load, vm->burst,
			       r->vms[i].values[METRIC_CPU], vm->low, vm->high);
	}
}

/* Rates are of averages, not of moments: the same host, whose VMs share its CPUs at each moment by the
 * rates that the policy gave them on average. Reservations are in these, so that one counts when it is
 * not needed, too; and who always runs has the rate of its vCPUs at most, though its shares may be worth
 * more while many of those who pause run. Those who pause may count more, by `favour`. */
static void ask_by_rates(struct host *h, double favour)
{
	struct host flat = *h;

	flat.n_groups = 0;
	for (int i = 0; i < h->n_vms; i++) {
		struct vm *vm = &flat.vms[i];

		vm->group = 0;
		vm->reservation = 0;
		vm->shares = vm->load > 0 ? vm->rate * favour : fmin(vm->rate, vm->vcpus);
	}
	ask_again(&flat);
	for (int i = 0; i < h->n_vms; i++) {
		h->vms[i].low = fmin(h->vms[i].low, flat.vms[i].low);
		h->vms[i].high = fmax(h->vms[i].high, flat.vms[i].high);
	}
}

/* Where all who pause work for less than the credit by which a vCPU that wakes goes before others,
 * they may all go first. */
static void ask_by_credit(struct host *h)
{
	for (int i = 0; i < h->n_vms; i++) {
		if (h->vms[i].load > 0 && h->vms[i].burst > 1000 * CREDIT)
			return;
	}
	ask_by_rates(h, 1e6);
}

/* How far the clock, an average, may be ahead of those who have most of the host: whoever has little
 * of a CPU gets it in slices, in advance, and the others are owed these together. */
static double pulled(const struct host *h)
{
	double ahead = 0, rates = 0;

	for (int i = 0; i < h->n_vms; i++) {
		const struct vm *vm = &h->vms[i];

		if (vm->rate < LITTLE * vm->vcpus)
			ahead += SLICE * vm->vcpus;
		else if (vm->load <= 0)
			rates += fmin(vm->rate, vm->vcpus);
	}
	return rates > 0 ? ahead / rates : 0;
}

/* Whoever wakes enters at the clock: so long it may wait then, for those who are behind it. What it
 * leaves is theirs. */
static void ask_by_clock(struct host *h)
{
	double wait = 1000 * pulled(h), left = 0;

	for (int i = 0; i < h->n_vms; i++) {
		struct vm *vm = &h->vms[i];
		double low;

		if (vm->load <= 0)
			continue;
		low = vm->vcpus * vm->burst /
		      (vm->burst / vm->load + wait + vm->burst * (1 / vm->speed - 1));
		left += fmax(0, vm->low - low);
		vm->low = fmin(vm->low, low);
	}
	for (int i = 0; i < h->n_vms; i++) {
		struct vm *vm = &h->vms[i];

		if (vm->load <= 0 && vm->rate >= LITTLE * vm->vcpus)
			vm->high = fmin(fmin(vm->vcpus, vm->limit), vm->high + left);
	}
}

static bool any_far(const struct host *h, const struct result *r)
{
	for (int i = 0; i < h->n_vms && is_fluid(h); i++) {
		if (is_far(h, &h->vms[i], r->vms[i].values[METRIC_CPU]))
			return true;
	}
	return false;
}

static void judge(struct host *h, const struct result *r, unsigned long seed)
{
	if (any_far(h, r))
		ask_again(h);
	if (any_far(h, r)) {
		sum.by_rates++;
		ask_by_rates(h, 1);
	}
	if (any_far(h, r)) {
		sum.by_turns++;
		ask_by_credit(h);
	}
	if (any_far(h, r))
		ask_by_clock(h);
	for (int i = 0; i < h->n_vms; i++) {
		char who[64];

		snprintf(who, sizeof(who), "host %lu (%s), v%d", seed, rows[h->cosched], i);
		judge_vm(h, &h->vms[i], r->vms[i].values, who);
	}
}

static void add_rates(struct host *h, struct sim *s)
{
	for (int i = 0; i < h->n_vms; i++) {
		struct core_vm_figures f;

		core_read_vm(s->core, (uint32_t)i, &f);
		h->vms[i].rate += f.entitled / 30;
	}
}

/* Runs what was said, and judges it by `h` from `from` seconds on. */
static void run_text(struct host *h, unsigned long seed, unsigned from)
{
	struct scenario *sc = NULL;
	struct failure f = {0};
	struct result r;
	struct sim *s = NULL;

	if (show)
		fputs(text, stdout);
	if (scenario_parse(text, used, "fluid.ini", &f, &sc) || sim_new(sc, seed, 0, &f, &s))
		fail_msg("%s\n%s", f.text, text);
	ask_model(h);
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
	if (inner)
		judge_inner(h, &r, seed);
	if (pools)
		judge_groups(h, &r, seed);
	else
		judge(h, &r, seed);
	result_free(&r);
	sim_free(s);
	scenario_free(sc);
}

static void run_one(unsigned long seed)
{
	struct host h;

	rng = random_stream(inner ? 569 : pools ? 568 : changing ? 567 : 566, seed);
	draw_host(&h);
	if (changing)
		say_changing(&h);
	else
		say_host(&h);
	run_text(&h, seed, changing ? 7 : 5);
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
	changing = true;
	fluid(state);
}

static void limited_groups(void **state)
{
	const char *one = getenv("DESCHED_FLUID_ONE");
	unsigned long from = one ? strtoul(one, NULL, 10) : first, n = one ? 1 : hosts;

	(void)state;
	pools = true;
	show = one;
	for (unsigned long i = from; i < from + n; i++)
		run_one(i);
	printf("%u groups that are always full, %u off by more than 1 %%, the worst by %.2f %% of "
	       "its limit; longest wait %.3f s\n",
	       sum.groups, sum.missing, 100 * sum.missed, sum.delay);
	if (inner)
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
	inner = argc > 3 && !strcmp(argv[3], "inner");
	if (inner || (argc > 3 && !strcmp(argv[3], "pools")))
		return cmocka_run_group_tests(limited, NULL, NULL);
	return argc > 3 ? cmocka_run_group_tests(changes, NULL, NULL)
			: cmocka_run_group_tests(tests, NULL, NULL);
}
