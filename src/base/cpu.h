/* SPDX-License-Identifier: MIT */
/* What the CPU says about the hypervisor under it. */
#ifndef BASE_CPU_H
#define BASE_CPU_H

#include <stdbool.h>
#include <stdint.h>

/* The hypervisor's name from CPUID leaf 0x40000000, 12 bytes without terminator ("KVMKVMKVM\0\0\0",
 * "TCGTCGTCGTCG"). False on bare metal and other architectures. */
bool cpu_hypervisor(char ret_signature[12]);

/* KVM's feature bits, leaf 0x40000001 EAX; 0 where there is no KVM. */
uint32_t cpu_kvm_features(void);
#define CPU_KVM_STEAL_TIME (UINT32_C(1) << 5)

#endif
