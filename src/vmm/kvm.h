/* SPDX-License-Identifier: MIT */
/* One VM with one vCPU of /dev/kvm, without any of KVM's own devices. */
#ifndef VMM_KVM_H
#define VMM_KVM_H

#include "base/failure.h"
#include "vmm/image.h"

#include <linux/kvm.h>

struct kvm {
	int system, vm, vcpu;
	struct kvm_run *run; /* shared with the kernel */
	size_t run_size;
	struct kvm_sregs reset; /* as a new vCPU has them */
};

/* On failure, too, kvm_close() is to be called. */
int kvm_open(struct kvm *k, const struct memory *m, struct failure *f);
void kvm_close(struct kvm *k);

/* Sets the registers for the kernel's entry. */
int kvm_enter(struct kvm *k, const struct image_entry *entry, struct failure *f);

/* Forgets whatever the guest had made of the vCPU but its registers, which are kvm_enter()'s. */
int kvm_reset(struct kvm *k, struct failure *f);

#endif
