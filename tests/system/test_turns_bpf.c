/* SPDX-License-Identifier: MIT */
/*
 * One log of decisions, made by the rules of policy/turns.h in this process on a host in virtual
 * time (turns_host.h), is made again by the same rules as BPF in this machine's kernel: each
 * decision and account is the same. Any kernel with BPF does, sched_ext or not.
 */
#include "bpf/object.h"
#include "unit/turns_host.h"

#include <stdio.h>
#include <unistd.h>

extern const struct bpf_image bpf_image_turns;

struct replay {
	struct bpf_object *object;
	uint64_t events, held, wrong;
};

static bool same(const struct turns_event *a, const struct turns_event *b)
{
	return a->held == b->held && a->slice == b->slice && a->key == b->key &&
	       a->vtime == b->vtime && a->clock == b->clock && a->left == b->left;
}

static void again(const struct turns_event *e, void *data)
{
	struct replay *r = data;
	struct turns_event kernels = *e;

	if (e->what != TURNS_SET) {
		kernels.held = 0;
		kernels.slice = kernels.key = kernels.vtime = kernels.clock = 0;
		kernels.left = 0;
	}
	if (bpf_image_call(r->object, "again", &kernels, sizeof(kernels)))
		r->wrong++;
	r->events++;
	r->held += kernels.held;
	if (same(e, &kernels) || r->wrong++ > 5)
		return;
	printf("event %lu, %u of thread %u: held %u %u, slice %llu %llu, key %llu %llu, vtime %llu "
	       "%llu, "
	       "clock %llu %llu, left %lld %lld\n",
	       (unsigned long)r->events, e->what, e->thread, e->held, kernels.held, e->slice,
	       kernels.slice, e->key, kernels.key, e->vtime, kernels.vtime, e->clock, kernels.clock,
	       e->left, kernels.left);
}

/* Some of everything: limits below and above a CPU, reservations, small rates, sleepers, the
 * host's own. */
static void fill(struct host *h)
{
	for (uint32_t vm = 0; vm < 40; vm++) {
		double limit = vm % 5 == 1 ? 0.3 : vm % 5 == 2 ? 1.5 : 0;

		rate(h, vm, vm ? 0.01 * (1 << vm % 8) : 1);
		h->vms[vm].reserved = vm % 7 == 3 ? DISPATCH_RATE_ONE / 8 : 0;
		h->vms[vm].whole = (uint32_t)limit;
		if (vm && limit > 0)
			put_budget(&h->vms[vm].limit, h, limit, 10 * NS_PER_MS);
		for (uint32_t i = 0; i < 1 + vm % 4; i++)
			add(h, vm, (1 + random_below(&h->random, 20)) * NS_PER_MS,
			    (vm + i) % 3 ? random_below(&h->random, 30) * NS_PER_MS : 0)
				->turns.nice = vm ? TURNS_WEIGHT : 20 * (i + 1);
	}
}

int main(void)
{
	static struct host h;
	struct failure f = {""};
	struct replay r = {.wrong = 0};
	int err = bpf_image_load(&bpf_image_turns, NULL, NULL, &f, &r.object);

	if (err) {
		printf("skipped: %s\n", f.text);
		return 77;
	}
	begin(&h, TICK, 11);
	fill(&h);
	h.record = again;
	h.data = &r;
	run(&h, 2 * NS_PER_SEC);
	printf("%lu decisions, %lu of them to hold, %lu not the same\n", (unsigned long)r.events,
	       (unsigned long)r.held, (unsigned long)r.wrong);
	bpf_object__close(r.object);
	return r.wrong || r.events < 5000 || r.held < 100;
}
