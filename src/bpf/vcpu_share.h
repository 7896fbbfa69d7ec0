/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * The maps of vcpu.bpf.c that BPF programs loaded beside it have, too (user space puts its maps in
 * the place of theirs, bpf_map__reuse_fd), and the vCPU that runs here.
 */
#ifndef BPF_VCPU_SHARE_H
#define BPF_VCPU_SHARE_H

#include "bpf/kernel.h"
#include "bpf/vcpu.h"

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, VCPU_SLOTS);
	__type(key, __u32);
	__type(value, struct vcpu_slot);
} slots SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1); /* set to the number of possible CPUs */
	__type(key, __u32);
	__type(value, struct vcpu_cpu);
} cpus SEC(".maps");

/* The slot of the vCPU whose thread runs on this CPU, NULL for none. */
static inline struct vcpu_slot *vcpu_running(__u32 *ret_index)
{
	__u32 id = bpf_get_smp_processor_id(), index;
	struct vcpu_cpu *cpu = bpf_map_lookup_elem(&cpus, &id);
	struct vcpu_slot *s;

	if (!cpu || !cpu->slot || cpu->tid != (__u32)bpf_get_current_pid_tgid())
		return NULL;
	index = cpu->slot - 1;
	s = bpf_map_lookup_elem(&slots, &index);
	if (!s || s->tid != cpu->tid || s->ended)
		return NULL;
	*ret_index = index;
	return s;
}

#endif
