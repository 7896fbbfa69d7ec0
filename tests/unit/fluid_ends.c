/* SPDX-License-Identifier: MIT */
#include "fluid_ends.h"

#include "fluid.h"
#include "sim/random.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define MOMENTS 100
#define CREDIT	0.005 /* s: config.wake_credit */
#define LITTLE	0.1   /* CPUs a vCPU */

/* The tree of a host whose VMs demand what `demand` says. */
static int tree_of(const struct fluid_host *h, const double *demand, struct fluid_node *t)
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

static double given_to(const struct fluid_host *h, const double *demand, int vm)
{
	struct fluid_node t[FLUID_NODES];

	fluid_pour(t, tree_of(h, demand, t), h->cpus);
	return t[1 + h->n_groups + vm].given;
}

/* How probable it is that so many threads of a light VM work: those that pause begin at the same
 * rate each, those that work end at the speed that is left to each. One alone may run at full speed
 * where all together cannot. */
static void ask_work(struct fluid_host *h, double *demand, int i)
{
	struct fluid_vm *vm = &h->vms[i];
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
static double at_work(const struct fluid_host *h, const struct fluid_vm *vm)
{
	double at = random_unit(h->rng);
	int n = 0;

	if (vm->load <= 0)
		return vm->vcpus;
	while (n < vm->vcpus && at >= vm->work[n])
		at -= vm->work[n++];
	return n;
}

static void note_full(struct fluid_host *h, const struct fluid_node *t)
{
	for (int i = 0; i < h->n_groups; i++)
		h->groups[i].full &= t[1 + i].given >= h->groups[i].limit * (1 - 1e-6);
}

/* Light VMs work at random: for a moment they want more than on average, and what a heavy one loses
 * then nobody can give back to it. What is left to it is the average over many moments. */
static void look_at_moments(struct fluid_host *h)
{
	double demand[FLUID_VMS], sums[FLUID_VMS] = {0};
	struct fluid_node t[FLUID_NODES];

	for (int i = 0; i < h->n_groups; i++)
		h->groups[i].full = true;
	for (int k = 0; k < MOMENTS; k++) {
		for (int i = 0; i < h->n_vms; i++)
			demand[i] = at_work(h, &h->vms[i]);
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
static double demanded(const struct fluid_host *h, const struct fluid_vm *vm)
{
	if (vm->load <= 0)
		return vm->vcpus;
	if (h->cosched == FLUID_STRICT)
		return vm->vcpus * (1 - pow(1 - vm->load, vm->vcpus));
	return vm->vcpus * vm->load;
}

/* Both ends for each VM. */
void fluid_ends(struct fluid_host *h)
{
	double full[FLUID_VMS], slow[FLUID_VMS];

	for (int i = 0; i < h->n_vms; i++)
		full[i] = slow[i] = demanded(h, &h->vms[i]);
	for (int i = 0; i < h->n_vms; i++) {
		struct fluid_vm *vm = &h->vms[i];
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
static double step(const struct fluid_host *h, double *working, double *given)
{
	struct fluid_node t[FLUID_NODES];
	double begins[FLUID_VMS], ends[FLUID_VMS], all = 0, at;
	int i;

	fluid_pour(t, tree_of(h, working, t), h->cpus);
	for (i = 0; i < h->n_vms; i++) {
		const struct fluid_vm *vm = &h->vms[i];
		bool light = vm->load > 0;

		given[i] = t[1 + h->n_groups + i].given;
		begins[i] = light ? (vm->vcpus - working[i]) * vm->load / (1 - vm->load) / vm->burst
				  : 0;
		ends[i] = light ? given[i] / vm->burst : 0;
		all += begins[i] + ends[i];
	}
	at = random_unit(h->rng) * all;
	for (i = 0; i < h->n_vms && at >= begins[i] + ends[i]; i++)
		at -= begins[i] + ends[i];
	if (i < h->n_vms)
		working[i] += at < begins[i] ? 1 : -1;
	return all > 0 ? -log(1 - random_unit(h->rng)) / all : 1;
}

/* The two ends for a host on which somebody is far from them: where many pause in turns, averages
 * are no bounds. Limits hold for periods of 100 ms: who works for less isn't slowed by its limit. */
void fluid_ends_again(struct fluid_host *h)
{
	struct fluid_host free = *h;
	double working[2][FLUID_VMS], given[FLUID_VMS], sums[2][FLUID_VMS] = {{0}}, span[2] = {0};

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

/* Rates are of averages, not of moments: the same host, whose VMs share its CPUs at each moment by the
 * rates that the policy gave them on average. Reservations are in these, so that one counts when it is
 * not needed, too; and who always runs has the rate of its vCPUs at most, though its shares may be worth
 * more while many of those who pause run. Those who pause may count more, by `favour`. */
void fluid_ends_by_rates(struct fluid_host *h, double favour)
{
	struct fluid_host flat = *h;

	flat.n_groups = 0;
	for (int i = 0; i < h->n_vms; i++) {
		struct fluid_vm *vm = &flat.vms[i];

		vm->group = 0;
		vm->reservation = 0;
		vm->shares = vm->load > 0 ? vm->rate * favour : fmin(vm->rate, vm->vcpus);
	}
	fluid_ends_again(&flat);
	for (int i = 0; i < h->n_vms; i++) {
		h->vms[i].low = fmin(h->vms[i].low, flat.vms[i].low);
		h->vms[i].high = fmax(h->vms[i].high, flat.vms[i].high);
	}
}

/* Where all who pause work for less than the credit by which a vCPU that wakes goes before others,
 * they may all go first. */
void fluid_ends_by_credit(struct fluid_host *h)
{
	for (int i = 0; i < h->n_vms; i++) {
		if (h->vms[i].load > 0 && h->vms[i].burst > 1000 * CREDIT)
			return;
	}
	fluid_ends_by_rates(h, 1e6);
}

/* How far the clock, an average, may be ahead of those who have most of the host: whoever has little
 * of a CPU gets it in slices, in advance, and the others are owed these together. */
static double pulled(const struct fluid_host *h)
{
	double ahead = 0, rates = 0;

	for (int i = 0; i < h->n_vms; i++) {
		const struct fluid_vm *vm = &h->vms[i];

		if (vm->rate < LITTLE * vm->vcpus)
			ahead += FLUID_SLICE * vm->vcpus;
		else if (vm->load <= 0)
			rates += fmin(vm->rate, vm->vcpus);
	}
	return rates > 0 ? ahead / rates : 0;
}

/* Whoever wakes enters at the clock: so long it may wait then, for those who are behind it. What it
 * leaves is theirs. */
void fluid_ends_by_clock(struct fluid_host *h)
{
	double wait = 1000 * pulled(h), left = 0;

	for (int i = 0; i < h->n_vms; i++) {
		struct fluid_vm *vm = &h->vms[i];
		double low;

		if (vm->load <= 0)
			continue;
		low = vm->vcpus * vm->burst /
		      (vm->burst / vm->load + wait + vm->burst * (1 / vm->speed - 1));
		left += fmax(0, vm->low - low);
		vm->low = fmin(vm->low, low);
	}
	for (int i = 0; i < h->n_vms; i++) {
		struct fluid_vm *vm = &h->vms[i];

		if (vm->load <= 0 && vm->rate >= LITTLE * vm->vcpus)
			vm->high = fmin(fmin(vm->vcpus, vm->limit), vm->high + left);
	}
}
