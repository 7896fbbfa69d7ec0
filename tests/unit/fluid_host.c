/* SPDX-License-Identifier: MIT */
#include "fluid_host.h"

#include "fluid.h"
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

#define BURST 10 /* ms, of a VM that does not say */

const char *const fluid_rows[] = {"none", "relaxed", "balance", "strict"};

/* Of the host that is drawn. */
static enum fluid_form form;
static uint64_t *rng;
static char *text;
static size_t size, used;

static int pick(int n)
{
	return (int)(random_next(rng) % (unsigned)n);
}

static void __attribute__((format(printf, 1, 2))) say(const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	used += (size_t)vsnprintf(text + used, size - used, format, ap);
	va_end(ap);
	assert_true(used < size);
}

static void draw_groups(struct fluid_host *h, double *spare)
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
static void draw_pools(struct fluid_host *h)
{
	h->wide = pick(2) || form == FLUID_INNER;
	h->n_groups = 1 + pick(4);
	for (int i = 0; i < h->n_groups; i++) {
		h->groups[i].parent = i && pick(2) ? 1 + pick(i) : 0;
		h->groups[i].shares = 100 * (1 + pick(20));
		h->groups[i].limit = 0.25 * (1 + pick(8));
	}
	for (int i = 1; i < h->n_groups && form == FLUID_INNER; i++) {
		h->groups[i].parent = 1 + pick(i);
		h->groups[i].limit = FLUID_NONE;
	}
}

static void draw_vm(struct fluid_host *h, struct fluid_vm *vm, double *spare)
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

static void draw_host(struct fluid_host *h)
{
	static const int sizes[] = {1, 2, 2, 3, 4, 6, 8, 12};
	double spare;

	*h = (struct fluid_host){.rng = rng};
	h->cpus = sizes[pick(8)];
	h->cosched = pick(4);
	spare = 0.9 * h->cpus;
	if (form == FLUID_POOLS || form == FLUID_INNER)
		draw_pools(h);
	else
		draw_groups(h, &spare);
	h->n_vms = 2 + pick(FLUID_VMS - 2);
	for (int i = 0; i < h->n_vms; i++)
		draw_vm(h, &h->vms[i], &spare);
	for (int i = 0; h->wide && i < h->n_vms; i++)
		h->cpus += (int)h->vms[i].vcpus;
}

static void say_groups(const struct fluid_host *h)
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

static void say_vms(struct fluid_host *h)
{
	for (int i = 0; i < h->n_vms; i++) {
		struct fluid_vm *vm = &h->vms[i];

		say("[vm v%d]\nvcpus=%g\nshares=%g\nreservation=%.9g\n", i, vm->vcpus, vm->shares,
		    vm->reservation);
		if (vm->limit < FLUID_NONE)
			say("limit=%g\n", vm->limit);
		if (vm->group)
			say("group=g%d\n", vm->group);
		vm->burst = vm->load > 0 ? 0.5 * (1 << pick(form == FLUID_POOLS ? 11 : 5)) : BURST;
		if (vm->load > 0)
			say("workload=duty\nburst=%gms\nload=%g\n", vm->burst, vm->load);
		if (vm->later)
			say("count=0\n");
	}
}

static void say_host(struct fluid_host *h)
{
	say("[host]\ncpus=%d\ncosched=%s\n", h->cpus, fluid_rows[h->cosched]);
	say_groups(h);
	say_vms(h);
}

/* What a VM was before it became `vm`: other shares, limit, size, load or group, or not there. */
static void draw_before(const struct fluid_host *h, struct fluid_vm *vm)
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
static void say_change(int i, const struct fluid_vm *from, const struct fluid_vm *to)
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

/* A host that becomes `h` after the change: VMs were other ones, groups had other shares and limits,
 * there was a VM more, and a CPU more or less. */
static void say_changing(struct fluid_host *h)
{
	struct fluid_host was = *h;
	bool more = pick(2), less = !more && h->cpus > 1 && h->cosched != FLUID_STRICT && pick(2);

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
	say("[host]\ncpus=%d\ncosched=%s\n", h->cpus + more, fluid_rows[h->cosched]);
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

void fluid_host_draw(enum fluid_form f, uint64_t *random, struct fluid_host *ret, char *to,
		     size_t room)
{
	form = f;
	rng = random;
	text = to;
	size = room;
	used = 0;
	draw_host(ret);
	if (form == FLUID_CHANGES)
		say_changing(ret);
	else
		say_host(ret);
}
