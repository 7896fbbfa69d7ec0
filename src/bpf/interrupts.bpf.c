// SPDX-License-Identifier: MIT OR GPL-2.0-only
/*
 * From a device's completion to its guest's vCPU on a CPU (interrupts.h). Loaded beside vcpu.bpf.c,
 * whose maps it shares, and attached behind it: at a switch `cpus` has the thread that comes.
 *
 * With several vCPUs only the local APIC says which one is meant: kvm_apic_accept_irq follows the
 * origin in the same thread. An origin in whose thread none follows soon is forgotten.
 */
#include "bpf/interrupts.h"
#include "bpf/kernel.h"
#include "bpf/vcpu_share.h"

#include <asm/unistd.h>
#include <desched/ledger.h>

char LICENSE[] SEC("license") = "Dual MIT/GPL";

#define SOON_NS 100000 /* from an origin to its APIC */

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, VCPU_PROCESSES);
	__type(key, __u32);
	__type(value, struct vcpu_process);
} processes SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, VCPU_SLOTS);
	__type(key, __u32);
	__type(value, struct interrupts_vcpu);
} interrupts SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, VCPU_PROCESSES);
	__type(key, __u32);
	__type(value, struct interrupts_vm);
} vms SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, VCPU_SLOTS);
	__type(key, struct interrupts_target);
	__type(value, __u32);
} targets SEC(".maps");

/* The origin that a CPU's thread has just passed. */
struct origin {
	__u64 at;
	__u32 tid;
	__u32 process;
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct origin);
} origins SEC(".maps");

volatile struct interrupts_globals globals;

static void count(struct interrupts_vcpu *v, __u64 ns)
{
	__u64 us = ns / 1000;
	__u32 bucket = 0;

	for (int i = 0; i < INTERRUPT_BUCKETS - 1; i++)
		bucket += us >= 1ull << i;
	__sync_fetch_and_add(&v->n, 1);
	__sync_fetch_and_add(&v->ns, ns);
	if (bucket < INTERRUPT_BUCKETS)
		__sync_fetch_and_add(&v->buckets[bucket], 1);
	if (ns > v->longest)
		v->longest = ns;
}

static void count_at_once(struct interrupts_vcpu *v)
{
	__sync_fetch_and_add(&v->at_once, 1);
	count(v, 0);
}

/* An interrupt is pending for the vCPU. It may come onto a CPU meanwhile: whoever takes `pending`
 * away counts it. */
static void pend(__u32 slot, __u64 now)
{
	struct interrupts_vcpu *v = bpf_map_lookup_elem(&interrupts, &slot);
	struct vcpu_slot *s = bpf_map_lookup_elem(&slots, &slot);

	if (!v || !s)
		return;
	if (s->state == LEDGER_RUN) {
		count_at_once(v);
		return;
	}
	if (__sync_val_compare_and_swap(&v->pending, 0, now)) {
		__sync_fetch_and_add(&v->merged, 1);
		return;
	}
	if (s->state == LEDGER_RUN && __sync_val_compare_and_swap(&v->pending, now, 0) == now)
		count_at_once(v);
}

/* The process of the VM, plus 1, whose thread runs here and isn't a vCPU; 0: none. */
static __u32 vm_here(void)
{
	__u32 id = bpf_get_smp_processor_id();
	struct vcpu_cpu *cpu = bpf_map_lookup_elem(&cpus, &id);

	if (!cpu || cpu->slot || cpu->tid != (__u32)bpf_get_current_pid_tgid())
		return 0;
	return cpu->process;
}

static struct interrupts_vm *vm_of(__u32 process1)
{
	__u32 index = process1 - 1;

	return bpf_map_lookup_elem(&vms, &index);
}

/* A device of the VM whose thread runs here is done. */
static void originate(__u32 process1)
{
	__u64 now = bpf_ktime_get_ns();
	struct interrupts_vm *vm = vm_of(process1);
	__u32 zero = 0;
	struct origin *o = bpf_map_lookup_elem(&origins, &zero);

	if (!vm || !o)
		return;
	if (vm->only) {
		pend(vm->only - 1, now);
		return;
	}
	o->at = now;
	o->tid = (__u32)bpf_get_current_pid_tgid();
	o->process = process1 - 1;
}

struct raw_args {
	__u64 arg[4];
};

/* gsi, level, source: only a rising line is an interrupt. */
SEC("raw_tp/kvm_set_irq")
int on_irq(struct raw_args *ctx)
{
	__u32 process1 = (int)ctx->arg[1] > 0 ? vm_here() : 0;

	if (process1)
		originate(process1);
	return 0;
}

SEC("raw_tp/kvm_msi_set_irq")
int on_msi(void *ctx)
{
	__u32 process1 = vm_here();

	(void)ctx;
	if (process1)
		originate(process1);
	return 0;
}

/* APIC id, delivery mode, trigger mode, vector. */
SEC("raw_tp/kvm_apic_accept_irq")
int on_accept(struct raw_args *ctx)
{
	struct interrupts_target target = {.apic = (__u32)ctx->arg[0]};
	__u32 zero = 0, *slot;
	struct origin *o = bpf_map_lookup_elem(&origins, &zero);

	if (!o || !o->at || o->tid != (__u32)bpf_get_current_pid_tgid())
		return 0;
	target.process = o->process;
	slot = bpf_ktime_get_ns() - o->at < SOON_NS ? bpf_map_lookup_elem(&targets, &target) : NULL;
	if (slot)
		pend(*slot, o->at);
	else
		__sync_fetch_and_add(&globals.lost, 1);
	o->at = 0;
	return 0;
}

static __u64 third_argument(struct pt_regs *regs)
{
#if defined(__TARGET_ARCH_x86)
	return BPF_CORE_READ(regs, dx);
#elif defined(__TARGET_ARCH_arm64)
	return BPF_CORE_READ(regs, regs[2]);
#endif
}

/* It runs at every system call of the host, so it is attached only where somebody asks. */
SEC("raw_tp/sys_enter")
int on_call(struct raw_args *ctx)
{
	struct vcpu_slot *s;
	struct interrupts_vm *vm;
	__u32 process1, slot;

	if (ctx->arg[1] != __NR_write)
		return 0;
	process1 = vm_here();
	if (!process1 || third_argument((struct pt_regs *)ctx->arg[0]) != 8)
		return 0;
	vm = vm_of(process1);
	if (!vm || !vm->only)
		return 0;
	slot = vm->only - 1;
	s = bpf_map_lookup_elem(&slots, &slot);
	if (s && !s->kvm)
		pend(slot, bpf_ktime_get_ns());
	return 0;
}

SEC("tp_btf/sched_switch")
int BPF_PROG(on_switch_in, bool preempt, struct task_struct *prev, struct task_struct *next)
{
	__u32 id = bpf_get_smp_processor_id(), slot;
	struct vcpu_cpu *cpu = bpf_map_lookup_elem(&cpus, &id);
	struct interrupts_vcpu *v;
	__u64 pending, now;

	if (!cpu || !cpu->slot || cpu->tid != (__u32)next->pid)
		return 0;
	slot = cpu->slot - 1;
	v = bpf_map_lookup_elem(&interrupts, &slot);
	pending = v ? v->pending : 0;
	if (!pending || __sync_val_compare_and_swap(&v->pending, pending, 0) != pending)
		return 0;
	now = bpf_ktime_get_ns();
	count(v, now > pending ? now - pending : 0);
	return 0;
}
