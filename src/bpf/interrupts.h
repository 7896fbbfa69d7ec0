/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * What interrupts.bpf.c and src/host/interrupts.c share: for each slot of vcpu.h, how long interrupts
 * of devices waited until their vCPU ran, in buckets by powers of two.
 *
 * A device is served in two stages: the host completes the request and makes a virtual interrupt
 * pending (the origin); the guest takes it once its vCPU is on a CPU. What lies between is the delay.
 * Origins are, in a thread of the VM that isn't a vCPU: KVM's kvm_set_irq and kvm_msi_set_irq, of an
 * irqfd or an ioctl; for a VM without KVM, a write of 8 bytes, as to an eventfd.
 */
#ifndef BPF_INTERRUPTS_H
#define BPF_INTERRUPTS_H

#include "bpf/vcpu.h"

#include <linux/types.h>

/* Bucket 0 is below 1 us, bucket i below 2^i us, the last one everything else: from 4.2 s on. */
#define INTERRUPT_BUCKETS 24

struct interrupts_vcpu {
	__u64 pending; /* ns: since when one waits for the vCPU; 0: none */
	__u64 n;       /* that were taken, and ns of their delays */
	__u64 ns;
	__u64 at_once; /* of the n: the vCPU was on a CPU */
	__u64 merged;  /* came while another one waited; not in the n */
	__u64 longest; /* ns */
	__u64 buckets[INTERRUPT_BUCKETS];
} __attribute__((aligned(64)));

/* Of a process of vcpu.h. */
struct interrupts_vm {
	__u32 only; /* slot + 1 of its only vCPU; 0: it has several */
	__u32 unused;
};

/* A vCPU by its local APIC: process of vcpu.h and APIC id, to its slot. */
struct interrupts_target {
	__u32 process;
	__u32 apic;
};

struct interrupts_globals {
	__u64 lost; /* interrupts of VMs whose vCPU was not known, so that their delay isn't */
};

#endif
