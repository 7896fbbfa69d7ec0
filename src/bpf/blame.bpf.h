/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * The part of vcpu.bpf.c that records who was on which CPU while a vCPU waited there (blame.h).
 *
 * Nothing is added up here: with 500 vCPUs waiting for a CPU, a switch would have to charge 500 of
 * them while the run queue is locked. A switch writes one record at most for the run that ends,
 * and a wait writes one when it ends or is moved; user space lays waits on top of runs.
 *
 * The caller of blame_begin() to blame_come() has the run queue locked; so has whoever begins and
 * ends waits. A record is written with interrupts off, so that each log has one writer at a time.
 */
#ifndef BPF_BLAME_BPF_H
#define BPF_BLAME_BPF_H

#include "bpf/blame.h"
#include "bpf/kernel.h"
#include "bpf/vcpu.h"

#define PF_KTHREAD 0x00200000

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1); /* set to the number of possible CPUs */
	__type(key, __u32);
	__type(value, struct blame_cpu);
} blame_cpus SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, VCPU_SLOTS);
	__type(key, __u32);
	__type(value, struct blame_wait);
} blame_waits SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1); /* set to the number of possible CPUs times globals.log_size */
	__type(key, __u32);
	__type(value, struct blame_record);
} blame_log SEC(".maps");

extern volatile struct vcpu_globals globals;

static struct blame_cpu *blame_cpu(__u32 id)
{
	return bpf_map_lookup_elem(&blame_cpus, &id);
}

/* Where the next record of the CPU that we are on goes; it is published by blame_written(). */
static struct blame_record *blame_place(const struct blame_cpu *b, __u32 id)
{
	__u32 size = globals.log_size, at = id * size + ((__u32)b->head & (size - 1));

	return bpf_map_lookup_elem(&blame_log, &at);
}

static void blame_written(struct blame_cpu *b)
{
	__sync_lock_test_and_set(&b->head, b->head + 1);
}

static __u32 cpu_of(const struct task_struct *task)
{
	return task->thread_info.cpu;
}

/* ---- waits ---- */

static __always_inline void put_wait(const struct vcpu_slot *s, __u32 index, __u64 start, __u64 end,
				     __u32 cpu, bool last)
{
	__u32 here = bpf_get_smp_processor_id();
	struct blame_cpu *b = blame_cpu(here);
	struct blame_record *r = b ? blame_place(b, here) : NULL;

	if (!r || start >= end)
		return;
	r->start = start;
	r->end = end;
	r->kind = BLAME_WAIT;
	r->tid = s->tid;
	r->slot = index + 1;
	r->place = cpu;
	r->detail = last;
	blame_written(b);
}

static __always_inline void put_state(const struct vcpu_slot *s, __u32 index, __u64 end, __u32 cpu)
{
	__u32 here = bpf_get_smp_processor_id();
	struct blame_cpu *b = blame_cpu(here);
	struct blame_record *r = b ? blame_place(b, here) : NULL;

	if (!r || s->at >= end)
		return;
	r->start = s->at;
	r->end = end;
	r->kind = BLAME_STATE;
	r->detail = s->state;
	r->tid = s->tid;
	r->slot = index + 1;
	r->place = cpu;
	blame_written(b);
}

/* Whoever takes the CPU out of `cpu` takes the waiter from it. */
static __u32 blame_unwait(struct blame_wait *w)
{
	__u32 cpu = __sync_lock_test_and_set(&w->cpu, 0);
	struct blame_cpu *b = cpu ? blame_cpu(cpu - 1) : NULL;

	if (b)
		__sync_fetch_and_sub(&b->waiters, 1);
	return cpu;
}

static void blame_wait(__u32 index, __u64 now, __u32 cpu)
{
	struct blame_wait *w = bpf_map_lookup_elem(&blame_waits, &index);
	struct blame_cpu *b = blame_cpu(cpu);

	if (!w || !b)
		return;
	w->since = now;
	__sync_fetch_and_add(&b->waiters, 1);
	__sync_lock_test_and_set(&w->cpu, cpu + 1);
}

/* The wait of a slot ends on CPU `here`, or goes on on another one. */
static __always_inline void blame_waited(const struct vcpu_slot *s, __u32 index, __u64 now,
					 __u32 here, bool last)
{
	struct blame_wait *w = bpf_map_lookup_elem(&blame_waits, &index);
	__u32 cpu = w ? blame_unwait(w) : 0;

	if (cpu)
		put_wait(s, index, w->since, now, cpu - 1, last);
	else
		put_wait(s, index, s->at, now, here, last);
}

/* A vCPU thread goes from s->state, in which it was since s->at, to `state`; `cpu` is where it is
 * or waits. */
static __always_inline void blame_enter(const struct vcpu_slot *s, __u32 index, __u32 state,
					__u64 now, __u32 cpu)
{
	if (globals.record == BLAME_NOTHING)
		return;
	if (globals.record == BLAME_ALL)
		put_state(s, index, now, cpu);
	if (s->state == LEDGER_READY)
		blame_waited(s, index, now, cpu, true);
	if (state == LEDGER_READY)
		blame_wait(index, now, cpu);
}

/* A thread that waits is taken to the queue of another CPU. The run that is under way on the old
 * one is wanted now, though nobody may be waiting there when it ends. */
static __always_inline void blame_move(const struct vcpu_slot *s, __u32 index, __u64 now,
				       __u32 from, __u32 to)
{
	struct blame_cpu *old = blame_cpu(from);

	if (old)
		__sync_fetch_and_add(&old->moved, 1);
	blame_waited(s, index, now, from, false);
	blame_wait(index, now, to);
}

/* ---- runs ---- */

/* What is known at the beginning of a switch. */
struct blame_switch {
	struct blame_cpu *cpu; /* NULL: nothing is recorded */
	__u64 now;
	bool wanted; /* somebody waited for the CPU in the run that ends */
};

static __always_inline struct blame_switch blame_begin(__u32 id)
{
	struct blame_switch w = {.cpu = globals.record ? blame_cpu(id) : NULL};
	__u32 moved;

	if (!w.cpu)
		return w;
	__sync_lock_test_and_set(&w.cpu->seq, w.cpu->seq + 1);
	w.now = bpf_ktime_get_ns();
	moved = w.cpu->moved;
	w.wanted = w.cpu->waiters || moved != w.cpu->moved_seen || globals.record == BLAME_ALL;
	w.cpu->moved_seen = moved;
	return w;
}

static __u32 id_of(const struct task_struct *task);

static __always_inline void put_run(struct blame_cpu *b, __u32 id, const struct vcpu_cpu *cpu,
				    const struct task_struct *task, __u64 start, __u64 end)
{
	struct blame_record *r = blame_place(b, id);
	const struct task_struct *leader = task->group_leader;

	if (!r || start >= end)
		return;
	r->start = start;
	r->end = end;
	r->irq_ns = b->irq_ns;
	r->kind = BLAME_RUN;
	r->detail = !!(task->flags & PF_KTHREAD);
	r->tid = task->pid;
	r->tgid = task->pid ? id_of(leader) : 0;
	r->slot = cpu->slot;
	r->place = cpu->process;
	bpf_probe_read_kernel(r->comm, sizeof(r->comm),
			      globals.record == BLAME_ALL ? task->comm : leader->comm);
	blame_written(b);
}

#define MAX_RT_PRIO 100

/* ns that a thread has been on its CPU by its own account, which only the fair class keeps: 0 for
 * others. */
static __u64 on_cpu_for(const struct task_struct *task)
{
	return task->prio < MAX_RT_PRIO
		       ? 0
		       : task->se.sum_exec_runtime - task->se.prev_sum_exec_runtime;
}

/* The run of `prev` ends, whose VM `cpu` has. Where its coming was not reported, nobody knows who
 * was there before it; how long it was there it knows itself. */
static __always_inline void blame_leave(const struct blame_switch *w, __u32 id,
					const struct vcpu_cpu *cpu, const struct task_struct *prev)
{
	struct blame_cpu *b = w->cpu;
	__u64 start;

	if (!b || !w->wanted)
		return;
	start = b->since;
	if (!start || b->tid != (__u32)prev->pid)
		start = w->now - on_cpu_for(prev);
	put_run(b, id, cpu, prev, start, w->now);
}

/* Who is on the CPU. The reader can't ask for the name of a process that it doesn't see. */
static __always_inline void blame_name(struct blame_cpu *b, const struct task_struct *task)
{
	const struct task_struct *leader = task->group_leader;

	b->tid = task->pid;
	b->tgid = globals.level && task->pid ? id_of(leader) : (__u32)task->tgid;
	b->kthread = !!(task->flags & PF_KTHREAD);
	if (b->tgid == GAP_BY_HIDDEN)
		bpf_probe_read_kernel(b->comm, sizeof(b->comm), leader->comm);
}

/* `next` is on the CPU from now on; `cpu` has its VM. */
static __always_inline void blame_come(const struct blame_switch *w, const struct vcpu_cpu *cpu,
				       const struct task_struct *next)
{
	struct blame_cpu *b = w->cpu;

	if (!b)
		return;
	b->since = w->now;
	blame_name(b, next);
	b->slot = cpu->slot;
	b->process = cpu->process;
	b->irq_ns = 0;
	b->irq_depth = 0;
	__sync_lock_test_and_set(&b->seq, b->seq + 1);
}

/* ---- interrupts: these programs are attached to the beginnings and ends of all kinds ---- */

SEC("raw_tp")
int on_irq_entry(void *ctx)
{
	struct blame_cpu *b = globals.record ? blame_cpu(bpf_get_smp_processor_id()) : NULL;

	(void)ctx;
	if (!b || (!b->irq_depth && !b->waiters && globals.record != BLAME_ALL))
		return 0;
	if (!b->irq_depth)
		b->irq_since = bpf_ktime_get_ns();
	b->irq_depth++;
	return 0;
}

SEC("raw_tp")
int on_irq_exit(void *ctx)
{
	struct blame_cpu *b = globals.record ? blame_cpu(bpf_get_smp_processor_id()) : NULL;

	(void)ctx;
	if (!b || !b->irq_depth)
		return 0;
	b->irq_depth--;
	if (!b->irq_depth)
		b->irq_ns += bpf_ktime_get_ns() - b->irq_since;
	return 0;
}

#endif
