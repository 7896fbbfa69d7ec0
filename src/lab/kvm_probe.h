/* SPDX-License-Identifier: MIT */
/*
 * Whether /dev/kvm runs a stock kernel here, found out by trying.
 *
 * Some implementations of KVM run a guest's user mode at full speed and interpret its kernel mode:
 * CPUID and the presence of /dev/kvm say nothing about that. The probe runs a tiny guest in kernel
 * mode (64 bit, ring 0) that does what every kernel needs: cmpxchg16b, and instructions at a rate
 * that only hardware reaches.
 */
#ifndef LAB_KVM_PROBE_H
#define LAB_KVM_PROBE_H

#include <stdbool.h>
#include <stddef.h>

/* True when it does. In either case `why` says in a few words what was found. Takes at most about a
 * second. */
bool kvm_probe(char *why, size_t size);

#endif
