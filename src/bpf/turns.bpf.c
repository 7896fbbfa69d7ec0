// SPDX-License-Identifier: MIT OR GPL-2.0-only
/* Makes the decisions of a log again (turns.h), one at a call: what the rules say in a kernel. */
#include "bpf/turns.h"
#include "bpf/kernel.h"
#include "policy/turns.h"

char LICENSE[] SEC("license") = "Dual MIT/GPL";

struct world {
	struct turns turns;
	struct turns_vm vms[TURNS_LOG_VMS];
	struct turns_thread threads[TURNS_LOG_THREADS];
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct world);
} worlds SEC(".maps");

static __always_inline void set(struct world *w, struct turns_vm *vm, struct turns_thread *t,
				const struct turns_event *e)
{
	if (!w->turns.cpus)
		turns_begin(&w->turns, e->cpus, e->now);
	vm->rate = e->rate;
	vm->reserved = e->reserved;
	vm->each = e->each;
	vm->whole = e->whole;
	vm->limit.quota = e->quota;
	vm->limit.period = e->period;
	vm->limit.keep = e->keep;
	vm->limit.began = e->clock;
	vm->limit.left = e->left;
	t->is_vcpu = e->is_vcpu;
	t->nice = e->nice;
}

SEC("syscall")
int again(struct turns_event *e)
{
	__u32 zero = 0;
	struct world *w = bpf_map_lookup_elem(&worlds, &zero);
	struct turns_thread *t;
	struct turns_vm *vm;

	if (!w || e->vm >= TURNS_LOG_VMS || e->thread >= TURNS_LOG_THREADS)
		return -1;
	vm = &w->vms[e->vm];
	t = &w->threads[e->thread];
	switch (e->what) {
	case TURNS_SET:
		set(w, vm, t, e);
		return 0;
	case TURNS_WAKE:
		turns_wake(&w->turns, vm, t, e->now);
		break;
	case TURNS_SLEEP:
		turns_sleep(&w->turns, vm, t);
		break;
	case TURNS_START:
		e->slice = turns_grant(&w->turns, vm, t);
		turns_start(&w->turns, vm, t, e->now);
		break;
	case TURNS_STOP:
		turns_stop(&w->turns, vm, t, e->now, e->service);
		break;
	case TURNS_QUEUE:
		e->held = turns_holds(vm, t, e->now, e->leave);
		e->slice = turns_grant(&w->turns, vm, t);
		e->key = turns_key(&w->turns, vm, t, e->slice, e->now);
		break;
	}
	e->vtime = t->vtime;
	e->clock = turns_clock(&w->turns, e->now);
	e->left = vm->limit.left;
	return 0;
}
