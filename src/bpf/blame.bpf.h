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
	__uint(max_entries, 1); /* set to the number of possible CPUs times globals.log_size */
	__type(key, __u32);
	__type(value, struct blame_record);
} blame_log SEC(".maps");

extern volatile struct vcpu_globals globals;

/* What a thread enters. */
struct entry {
	__u64 now;   /* ns: when, taken since the slot was latched */
	__u64 idle;  /* ns, where it waited until now: since when the idle task was on the CPU, if
		      * that run is to be in the record of the wait; 0: it isn't */
	__u32 state; /* enum ledger_state */
	__u32 cpu;   /* on which it is or for which it waits */
	__u32 by;    /* who ran before it came back (gap.h) */
	bool ended;  /* it never will */
};

/* A switch: what its parts need to know. Both threads' slots are latched before the time is taken, so
 * that it is one instant in which the one leaves and the other comes. */
struct turn {
	__u64 now; /* ns */
	__u32 id;  /* of the CPU */
	__u32 prev_state;
	struct task_struct *prev, *next;
	struct vcpu_slot *leaves, *comes; /* NULL: no vCPU */
	struct vcpu_cpu is;		  /* the CPU, with the next thread */
};

static struct blame_cpu *blame_cpu(__u32 id)
{
	return bpf_map_lookup_elem(&blame_cpus, &id);
}

/* Where the next record of the CPU that we are on goes, NULL where the log is full; it is published by
 * blame_written(). */
static struct blame_record *blame_place(struct blame_cpu *b, __u32 id)
{
	__u32 size = globals.log_size, at = id * size + ((__u32)b->head & (size - 1));

	if (b->head - b->taken >= size) {
		b->lost++;
		return NULL;
	}
	return bpf_map_lookup_elem(&blame_log, &at);
}

static void blame_written(struct blame_cpu *b)
{
	publish(&b->head, b->head + 1);
}

static __u32 cpu_of(const struct task_struct *task)
{
	return task->thread_info.cpu;
}

/* ---- waits ---- */

/* The last piece of a wait has the gap that the wait was, of which there may be other pieces: returns
 * whether it has. */
static __always_inline bool put_wait(struct vcpu_slot *s, __u32 index, __u64 start, __u32 cpu,
				     const struct entry *e, bool last)
{
	__u32 here = bpf_get_smp_processor_id();
	struct blame_cpu *b = blame_cpu(here);
	struct blame_record *r = b ? blame_place(b, here) : NULL;
	bool gap = last && globals.record == BLAME_WAITS && e->now > s->at;

	if (!r || (start >= e->now && !gap))
		return false;
	r->start = start;
	r->end = e->now;
	r->irq_ns = e->idle ? b->irq_ns : 0;
	r->kind = BLAME_WAIT;
	r->detail = last;
	r->tid = s->tid;
	r->tgid = e->by;
	r->slot = index + 1;
	r->place = cpu;
	r->wait.gap = gap ? s->at : 0;
	r->wait.idle = e->idle;
	blame_written(b);
	return gap;
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

/* Whoever takes the CPU out of `wait_cpu` takes the waiter from it. */
static __u32 blame_unwait(struct vcpu_slot *s)
{
	__u32 cpu = __sync_lock_test_and_set(&s->wait_cpu, 0);
	struct blame_cpu *b = cpu ? blame_cpu(cpu - 1) : NULL;

	if (b)
		__sync_fetch_and_sub(&b->waiters, 1);
	return cpu;
}

static void blame_wait(struct vcpu_slot *s, __u64 now, __u32 cpu)
{
	struct blame_cpu *b = blame_cpu(cpu);

	if (!b)
		return;
	s->wait_since = now;
	__sync_fetch_and_add(&b->waiters, 1);
	__sync_lock_test_and_set(&s->wait_cpu, cpu + 1);
}

/* The wait of a slot ends, or goes on on another CPU. Returns as put_wait(). */
static __always_inline bool blame_waited(struct vcpu_slot *s, __u32 index, const struct entry *e,
					 bool last)
{
	__u32 cpu = blame_unwait(s);

	if (cpu)
		return put_wait(s, index, s->wait_since, cpu - 1, e, last);
	return put_wait(s, index, s->at, e->cpu, e, last);
}

/* A vCPU thread goes from s->state, in which it was since s->at, to another one. Returns whether the
 * gap that ends is recorded. */
static __always_inline bool blame_enter(struct vcpu_slot *s, __u32 index, const struct entry *e)
{
	bool gap = false;

	if (globals.record == BLAME_NOTHING)
		return false;
	if (globals.record == BLAME_ALL)
		put_state(s, index, e->now, e->cpu);
	if (s->state == LEDGER_READY)
		gap = blame_waited(s, index, e, true);
	if (e->state == LEDGER_READY)
		blame_wait(s, e->now, e->cpu);
	return gap;
}

/* A thread that waits is taken to the queue of another CPU. The run that is under way on the old
 * one is wanted now, though nobody may be waiting there when it ends. */
static __always_inline void blame_move(struct vcpu_slot *s, __u32 index, __u64 now, __u32 from,
				       __u32 to)
{
	struct blame_cpu *old = blame_cpu(from);

	if (old)
		__sync_fetch_and_add(&old->moved, 1);
	blame_waited(s, index, &(struct entry){.now = now, .cpu = from}, false);
	blame_wait(s, now, to);
}

/* ---- runs ---- */

/* Whether somebody waited for the CPU in the run that ends. */
static __always_inline bool blame_wanted(struct blame_cpu *b)
{
	__u32 moved = b->moved;
	bool wanted = b->waiters || moved != b->moved_seen || globals.record == BLAME_ALL;

	b->moved_seen = moved;
	return wanted;
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

/*
 * The run of t->prev ends, whose VM `cpu` has. Where its coming was not reported, nobody knows who
 * was there before it; how long it was there it knows itself. A run of the idle task that a waiting
 * vCPU ends isn't recorded by itself: returns its beginning then, for the record of the wait.
 */
static __always_inline __u64 blame_leave(struct blame_cpu *b, const struct vcpu_cpu *cpu,
					 const struct turn *t)
{
	__u64 start;

	if (!globals.record || !blame_wanted(b))
		return 0;
	start = b->since;
	if (!start || b->tid != (__u32)t->prev->pid)
		start = t->now - on_cpu_for(t->prev);
	if (!t->prev->pid && globals.record == BLAME_WAITS && t->comes &&
	    t->comes->state == LEDGER_READY && start < t->comes->at && t->comes->at < t->now)
		return start;
	put_run(b, t->id, cpu, t->prev, start, t->now);
	return 0;
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

/* `next` is on the CPU from now on; `of` has its VM. */
static __always_inline void blame_come(struct blame_cpu *b, const struct vcpu_cpu *of,
				       const struct task_struct *next, __u64 now)
{
	if (globals.record) {
		b->since = now;
		blame_name(b, next);
		b->slot = of->slot;
		b->process = of->process;
		b->irq_ns = 0;
		b->irq_depth = 0;
	}
	publish(&b->seq, b->seq + 1);
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
