/* SPDX-License-Identifier: MIT */
/* One VM of /dev/kvm and its vCPUs, without any of KVM's own devices. */
#ifndef VMM_KVM_H
#define VMM_KVM_H

#include "base/failure.h"
#include "vmm/image.h"

#include <linux/kvm.h>

struct kvm {
	int system, vm;
};

struct kvm_cpu {
	int fd;
	struct kvm_run *run; /* shared with the kernel */
	size_t run_size;
	struct kvm_sregs reset; /* as KVM has made it */
};

/* On failure, too, kvm_close() and kvm_close_cpu() are to be called. `apic`: the guest is to find a
 * local APIC. */
int kvm_open(struct kvm *k, const struct memory *m, unsigned cpus, struct failure *f);
int kvm_open_cpu(struct kvm_cpu *c, const struct kvm *k, uint8_t id, bool apic, struct failure *f);
void kvm_close(struct kvm *k);
void kvm_close_cpu(struct kvm_cpu *c);

/* Sets the registers for the kernel's entry. */
int kvm_enter(struct kvm_cpu *c, const struct image_entry *entry, struct failure *f);

/* Instructions of kernel code that it runs in a second, 0: unknown. Opens the device itself. */
uint64_t kvm_speed(void);

/* What INIT and then a start-up message do to a processor: whatever it was about is forgotten; it
 * begins in real mode in a page of 4 KiB. For the vCPU's own thread; -errno. */
int kvm_init(struct kvm_cpu *c);
int kvm_startup(struct kvm_cpu *c, uint8_t page);

/* Forgets whatever the guest had made of the vCPU but its registers, which are kvm_enter()'s or
 * kvm_startup()'s. For the vCPU's own thread. */
int kvm_reset(struct kvm_cpu *c, struct failure *f);

#endif
