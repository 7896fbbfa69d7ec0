// SPDX-License-Identifier: MIT OR GPL-2.0-only
/*
 * Exits of vCPUs by what they are for, with their CPU time (exits.h). It is loaded beside
 * vcpu.bpf.c, whose maps it shares: `cpus` says which slot the running thread has, and the slot has
 * the thread's clock. Every program here runs in the vCPU's own thread, so a record has one writer.
 *
 * kvm_exit is taken as a tracepoint, since only its record has the reason; kvm_entry, kvm_fpu and
 * kvm_userspace_exit as raw ones. kvm_fpu comes whenever KVM_RUN begins (1) or ends (0).
 */
#include "bpf/exits.h"
#include "bpf/kernel.h"
#include "bpf/vcpu.h"
#include "bpf/vcpu_share.h"

#include <desched/ledger.h>

char LICENSE[] SEC("license") = "Dual MIT/GPL";

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, VCPU_SLOTS);
	__type(key, __u32);
	__type(value, struct exits_vcpu);
} exits SEC(".maps");

volatile struct exits_globals globals;

struct raw_args {
	__u64 arg[2];
};

/* The record of the vCPU whose thread runs here, and its CPU clock plus 1: 0 is none. */
static struct exits_vcpu *here(__u64 *ret_ns)
{
	__u32 index;
	struct vcpu_slot *s = vcpu_running(&index);

	if (!s)
		return NULL;
	*ret_ns = s->ns[LEDGER_RUN] + (bpf_ktime_get_ns() - s->at) + 1;
	return bpf_map_lookup_elem(&exits, &index);
}

static __u64 since(__u64 start, __u64 now)
{
	return now > start ? now - start : 0;
}

/* The verifier wants to see that the index is within. */
static struct exits_count *count_of(struct exits_count *table, __u32 class)
{
	return &table[class & (EXIT_CLASSES - 1)];
}

_Static_assert(EXIT_CLASSES == 16, "a power of two, for count_of()");

static __u32 class_of(__u32 isa, __u32 reason)
{
	if (isa == 1) /* VMX has flags above */
		reason &= 0xffff;
	if (isa >= EXITS_ISAS || reason >= EXITS_REASONS)
		return EXIT_OTHER;
	return globals.class_of[isa & (EXITS_ISAS - 1)][reason & (EXITS_REASONS - 1)];
}

SEC("tp/kvm/kvm_exit")
int on_exit(void *ctx)
{
	__u32 reason = EXITS_REASONS, isa = 0;
	struct exits_vcpu *v;
	__u64 now;

	v = here(&now);
	if (!v)
		return 0;
	bpf_probe_read_kernel(&reason, sizeof(reason), (char *)ctx + globals.reason_at);
	bpf_probe_read_kernel(&isa, sizeof(isa), (char *)ctx + globals.isa_at);
	v->exit_class = class_of(isa, reason);
	count_of(v->kernel, v->exit_class)->n++;
	v->away = 0;
	v->exited = now;
	return 0;
}

static void back_in_kernel(struct exits_vcpu *v, __u64 now)
{
	__u64 ns;

	if (!v->left)
		return;
	ns = since(v->left, now);
	count_of(v->user, v->user_class)->ns += ns;
	v->away += ns;
	v->left = 0;
}

SEC("raw_tp/kvm_entry")
int on_entry(void *ctx)
{
	struct exits_vcpu *v;
	__u64 now;

	(void)ctx;
	v = here(&now);
	if (!v)
		return 0;
	back_in_kernel(v, now);
	if (v->exited)
		count_of(v->kernel, v->exit_class)->ns += since(v->exited + v->away, now);
	v->exited = 0;
	return 0;
}

/* 0 or the error with which KVM_RUN ends: the reason holds only without one. */
SEC("raw_tp/kvm_userspace_exit")
int on_user(struct raw_args *ctx)
{
	__u32 reason = (__u32)ctx->arg[0];
	int error = (int)ctx->arg[1];
	struct exits_vcpu *v;
	__u64 now;

	v = here(&now);
	if (!v)
		return 0;
	back_in_kernel(v, now);
	v->user_class = error < 0 ? EXIT_SIGNAL : globals.user_class_of[reason & 63];
	count_of(v->user, v->user_class)->n++;
	v->left = now;
	return 0;
}

SEC("raw_tp/kvm_fpu")
int on_fpu(struct raw_args *ctx)
{
	struct exits_vcpu *v;
	__u64 now;

	if (!(__u32)ctx->arg[0])
		return 0;
	v = here(&now);
	if (v)
		back_in_kernel(v, now);
	return 0;
}
