/* SPDX-License-Identifier: MIT */
/* A guest of a few bytes on this machine's /dev/kvm, with the interrupt controllers in the kernel: its
 * vCPUs begin in real mode at its code. */
#ifndef SYSTEM_KVM_GUEST_H
#define SYSTEM_KVM_GUEST_H

#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <stdint.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#define KVM_GUEST_AT	0x1000
#define KVM_GUEST_BYTES 0x4000
#define KVM_GUEST_VCPUS 2

struct kvm_guest {
	int vm;
	int vcpus[KVM_GUEST_VCPUS];
	uint8_t *memory;
};

static inline int kvm_guest_vcpu(struct kvm_guest *g, int number)
{
	/* Each has its own stack below the code. */
	struct kvm_regs regs = {
		.rip = KVM_GUEST_AT, .rflags = 2, .rsp = KVM_GUEST_AT - 0x100 * (uint64_t)number};
	struct kvm_mp_state runnable = {.mp_state = KVM_MP_STATE_RUNNABLE};
	struct kvm_sregs sregs;
	int vcpu = ioctl(g->vm, KVM_CREATE_VCPU, number);

	if (vcpu < 0 || ioctl(vcpu, KVM_GET_SREGS, &sregs))
		return -errno;
	sregs.cs.base = 0;
	sregs.cs.selector = 0;
	if (ioctl(vcpu, KVM_SET_SREGS, &sregs) || ioctl(vcpu, KVM_SET_REGS, &regs) ||
	    ioctl(vcpu, KVM_SET_MP_STATE, &runnable))
		return -errno;
	g->vcpus[number] = vcpu;
	return 0;
}

static inline int kvm_guest_open(struct kvm_guest *g, const uint8_t *code, size_t size, int n_vcpus)
{
	int kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC), err = 0;
	struct kvm_userspace_memory_region region = {.memory_size = KVM_GUEST_BYTES};

	g->vm = kvm < 0 ? -1 : ioctl(kvm, KVM_CREATE_VM, 0);
	g->memory = mmap(NULL, KVM_GUEST_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
			 -1, 0);
	region.userspace_addr = (uint64_t)(uintptr_t)g->memory;
	if (g->vm < 0 || ioctl(g->vm, KVM_CREATE_IRQCHIP, 0) ||
	    ioctl(g->vm, KVM_SET_USER_MEMORY_REGION, &region))
		return -errno;
	memcpy(g->memory + KVM_GUEST_AT, code, size);
	for (int i = 0; i < n_vcpus && !err; i++)
		err = kvm_guest_vcpu(g, i);
	return err;
}

#endif
