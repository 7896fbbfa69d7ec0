// SPDX-License-Identifier: MIT OR GPL-2.0-only
/*
 * Inside a guest: who was on which CPU from when to when, and the hypervisor's steal clock at every
 * change. The programs decide nothing; src/guest/account.c does the sums.
 */
#include "kernel.h"

#include "switches.h"

/* A task's last state; an exiting one may be switched out and in again before. */
#define TASK_DEAD 0x80

/* Between two readings without a gap there is less. */
#define TORN_NS 1000000

/* Priorities below are not of the fair class. */
#define MAX_RT_PRIO 100

char LICENSE[] SEC("license") = "Dual MIT/GPL";

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, SWITCHES_RING_BYTES);
} events SEC(".maps");

struct switches_shared shared;

extern const void steal_time __ksym __weak;
extern const void xen_runstate __ksym __weak;
extern const void vmw_steal_time __ksym __weak;
extern const void vmware_cyc2ns __ksym __weak;
extern const void __per_cpu_offset __ksym __weak;

/* Copies the head of a per-CPU variable. */
static __always_inline void read_per_cpu(void *to, __u32 size, const void *variable, __u32 cpu)
{
	__u64 offset = 0;

	bpf_probe_read_kernel(&offset, sizeof(offset), (const char *)&__per_cpu_offset + 8 * cpu);
	bpf_probe_read_kernel(to, size, (const char *)variable + offset);
}

static __always_inline __u64 steal_kvm(__u32 cpu)
{
	__u64 steal = 0;

	read_per_cpu(&steal, sizeof(steal), &steal_time, cpu);
	return steal;
}

/* As the kernel's xen_steal_clock(). Xen writes it while the vCPU is away: who reads his own sees
 * it whole. */
static __always_inline __u64 steal_xen(__u32 cpu)
{
	struct {
		__u32 state, padding;
		__u64 entered;
		__u64 time[4]; /* ns: running, runnable, blocked, offline */
	} runstate = {0};

	read_per_cpu(&runstate, sizeof(runstate), &xen_runstate, cpu);
	return runstate.time[1] + runstate.time[3];
}

/* As the kernel's vmware_steal_clock(): ticks * multiplier >> shift, without overflow in
 * between. */
static __always_inline __u64 steal_vmware(__u32 cpu)
{
	__u64 ticks = 0;
	struct {
		__u32 multiplier, shift;
	} scale = {0};

	read_per_cpu(&ticks, sizeof(ticks), &vmw_steal_time, cpu);
	bpf_probe_read_kernel(&scale, sizeof(scale), &vmware_cyc2ns);
	if (!scale.shift || scale.shift > 32)
		return 0;
	return (((ticks >> 32) * scale.multiplier) << (32 - scale.shift)) +
	       (((ticks & 0xffffffff) * scale.multiplier) >> scale.shift);
}

static __always_inline __u64 steal_rq(struct rq *rq, bool at_tick)
{
	__u64 steal = 0;

	if (at_tick && bpf_core_field_exists(rq->prev_steal_time))
		bpf_core_read(&steal, sizeof(steal), &rq->prev_steal_time);
	if (!at_tick && bpf_core_field_exists(rq->prev_steal_time_rq))
		bpf_core_read(&steal, sizeof(steal), &rq->prev_steal_time_rq);
	return steal;
}

static __always_inline __u64 steal_read(__u32 row, __u32 cpu, struct rq *rq)
{
	switch (row) {
	case SWITCHES_STEAL_KVM:
		return steal_kvm(cpu);
	case SWITCHES_STEAL_XEN:
		return steal_xen(cpu);
	case SWITCHES_STEAL_VMWARE:
		return steal_vmware(cpu);
	case SWITCHES_STEAL_RQ_TASK:
		return steal_rq(rq, false);
	case SWITCHES_STEAL_RQ_TICK:
		return steal_rq(rq, true);
	}
	return 0;
}

/* The steal clock of the CPU that we are on, and where its run queue is, for who asks later. */
static __always_inline __u64 steal_here(struct task_struct *task, __u32 cpu)
{
	struct rq *rq;

	if (shared.steal_row == SWITCHES_STEAL_NONE)
		return 0;
	if (shared.steal_row < SWITCHES_STEAL_RQ_TASK)
		return steal_read(shared.steal_row, cpu, 0);
	/* A tracepoint's argument: its fields are read without the help of a probe. */
	rq = task->se.cfs_rq->rq;
	shared.rq[cpu & (SWITCHES_CPUS_MAX - 1)] = (__u64)rq;
	if (shared.steal_row == SWITCHES_STEAL_RQ_TASK &&
	    bpf_core_field_exists(rq->prev_steal_time_rq))
		return rq->prev_steal_time_rq;
	if (shared.steal_row == SWITCHES_STEAL_RQ_TICK &&
	    bpf_core_field_exists(rq->prev_steal_time))
		return rq->prev_steal_time;
	return 0;
}

/* The time, and the steal clock then. A vCPU that was away between the two readings would have been
 * robbed of more than the time that passed, which is the mark of a clock that begins anew. */
static __always_inline void read_clocks(struct switches_switch *e, struct task_struct *prev)
{
	e->head.time = bpf_ktime_get_ns();
	e->steal = steal_here(prev, e->head.cpu);
	if (shared.steal_row == SWITCHES_STEAL_NONE || shared.steal_row >= SWITCHES_STEAL_RQ_TASK ||
	    bpf_ktime_get_ns() - e->head.time < TORN_NS)
		return;
	e->head.time = bpf_ktime_get_ns();
	e->steal = steal_here(prev, e->head.cpu);
}

/* Which rows there are. Run once by user space, before anything is attached. */
SEC("syscall")
int probe(void *ctx)
{
	struct task_struct *task = (struct task_struct *)bpf_get_current_task();
	struct rq *rq = BPF_CORE_READ(task, se.cfs_rq, rq);
	__u32 cpu = bpf_get_smp_processor_id();

	if (&steal_time && &__per_cpu_offset) {
		shared.probed_rows |= 1 << SWITCHES_STEAL_KVM;
		shared.probed_steal[SWITCHES_STEAL_KVM] = steal_kvm(cpu);
	}
	if (&xen_runstate && &__per_cpu_offset) {
		shared.probed_rows |= 1 << SWITCHES_STEAL_XEN;
		shared.probed_steal[SWITCHES_STEAL_XEN] = steal_xen(cpu);
	}
	if (&vmw_steal_time && &vmware_cyc2ns && &__per_cpu_offset) {
		shared.probed_rows |= 1 << SWITCHES_STEAL_VMWARE;
		shared.probed_steal[SWITCHES_STEAL_VMWARE] = steal_vmware(cpu);
	}
	if (bpf_core_field_exists(rq->prev_steal_time_rq))
		shared.probed_rows |= 1 << SWITCHES_STEAL_RQ_TASK;
	if (bpf_core_field_exists(rq->prev_steal_time))
		shared.probed_rows |= 1 << SWITCHES_STEAL_RQ_TICK;
	shared.probed_steal[SWITCHES_STEAL_RQ_TASK] = steal_rq(rq, false);
	shared.probed_steal[SWITCHES_STEAL_RQ_TICK] = steal_rq(rq, true);
	return 0;
}

/* The steal clock of any CPU on which a switch has been seen: a process that spins is switched out
 * by nobody, and what was stolen from it must show all the same. */
SEC("syscall")
int read_steal(struct switches_steal_query *query)
{
	__u32 cpu = query->cpu & (SWITCHES_CPUS_MAX - 1);

	query->steal = steal_read(shared.steal_row, cpu, (struct rq *)shared.rq[cpu]);
	return 0;
}

/* The reader sleeps until its next round unless the ring is filling up. One record in 64, as the
 * clock has it, looks how full the ring is: looking costs more than all else here. */
static __always_inline __u64 wakeup_flag(__u64 now)
{
	if ((now >> 10) & 63)
		return BPF_RB_NO_WAKEUP;
	return bpf_ringbuf_query(&events, BPF_RB_AVAIL_DATA) > SWITCHES_RING_BYTES / 2
		       ? BPF_RB_FORCE_WAKEUP
		       : BPF_RB_NO_WAKEUP;
}

/* What the task itself has on its clock since it was switched in: some kernels keep a few switches
 * to themselves, and who was there all the same is seen by this. The fair class only. */
static __always_inline __u64 ran(const struct task_struct *task)
{
	return task->prio >= MAX_RT_PRIO
		       ? task->se.sum_exec_runtime - task->se.prev_sum_exec_runtime
		       : 0;
}

SEC("tp_btf/sched_switch")
int BPF_PROG(on_switch, bool preempt, struct task_struct *prev, struct task_struct *next)
{
	struct switches_switch *e = bpf_ringbuf_reserve(&events, sizeof(*e), 0);

	if (!e) {
		__sync_fetch_and_add(&shared.lost_switches, 1);
		return 0;
	}
	e->head.kind = SWITCHES_SWITCH;
	e->head.cpu = bpf_get_smp_processor_id();
	read_clocks(e, prev);
	e->prev_ran = ran(prev);
	e->prev_tid = prev->pid;
	e->next_tid = next->pid;
	e->next_tgid = next->tgid;
	e->prev_dead = !!(prev->__state & TASK_DEAD);
	bpf_ringbuf_submit(e, wakeup_flag(e->head.time));
	return 0;
}

static __always_inline int life(__u32 kind, struct task_struct *task, __u32 parent, bool moved,
				const char *comm)
{
	struct switches_life *e = bpf_ringbuf_reserve(&events, sizeof(*e), 0);

	if (!e) {
		__sync_fetch_and_add(&shared.lost_lives, 1);
		return 0;
	}
	e->head.kind = kind;
	e->head.cpu = bpf_get_smp_processor_id();
	e->head.time = bpf_ktime_get_ns();
	e->tid = task->pid;
	e->tgid = task->tgid;
	e->parent = parent;
	e->moved = moved;
	bpf_probe_read_kernel_str(e->comm, sizeof(e->comm), comm);
	bpf_ringbuf_submit(e, wakeup_flag(e->head.time));
	return 0;
}

SEC("tp_btf/sched_process_fork")
int BPF_PROG(on_fork, struct task_struct *parent, struct task_struct *child)
{
	return life(SWITCHES_FORK, child, parent->tgid, child->cgroups != parent->cgroups,
		    child->comm);
}

SEC("tp_btf/sched_process_exec")
int BPF_PROG(on_exec, struct task_struct *task)
{
	return life(SWITCHES_EXEC, task, 0, false, task->comm);
}

/* It fires before the new name is in place. */
SEC("tp_btf/task_rename")
int BPF_PROG(on_rename, struct task_struct *task, const char *comm)
{
	return life(SWITCHES_RENAME, task, 0, false, comm);
}

struct cgroup;

SEC("tp_btf/cgroup_attach_task")
int BPF_PROG(on_attach, struct cgroup *to, const char *path, struct task_struct *task, bool all)
{
	return life(SWITCHES_MOVE, task, 0, all, task->comm);
}
