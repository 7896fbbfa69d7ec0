/* SPDX-License-Identifier: MIT */
#include "vmm/kvm.h"

#include "base/cleanup.h"
#include "base/units.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#define DEVICE	      "/dev/kvm"
#define CPUID_ENTRIES 256
#define HYPERVISOR    0x40000000u /* the first of the hypervisor's leaves */
#define FLAGS_NONE    2
#define CR0_PROTECTED 0x11	 /* ET PE */
#define CR0_LONG      0x80050033 /* PG AM WP NE ET MP PE */
#define CR4_PAE	      0x20
#define EFER_LONG     0x500	 /* LMA LME */
#define APIC_ENABLED  (1u << 11) /* of IA32_APIC_BASE */
#define EDX_APIC      (1u << 9)
#define EDX_SIBLINGS  (1u << 28)
#define ECX_X2APIC    (1u << 21)
#define ECX_TOPOLOGY  (1u << 22) /* of leaf 0x80000001 */
#define ECX_DEADLINE  (1u << 24)
#define ECX_GUEST     (1u << 31)

enum {
	MSR_TSC = 0x10,
	MSR_SYSENTER_CS = 0x174,
	MSR_SYSENTER_ESP,
	MSR_SYSENTER_EIP,
	MSR_PAT = 0x277,
};
#define MSR_STAR	   0xc0000081u
#define MSR_LSTAR	   0xc0000082u
#define MSR_CSTAR	   0xc0000083u
#define MSR_FMASK	   0xc0000084u
#define MSR_KERNEL_GS_BASE 0xc0000102u

static int open_device(struct kvm *k, struct failure *f)
{
	k->system = open(DEVICE, O_RDWR | O_CLOEXEC);
	if (k->system >= 0)
		return 0;
	if (errno == EACCES)
		return failure_set(f, -EACCES,
				   DEVICE " may not be opened; join its group, kvm "
					  "on most systems, or run as root");
	if (errno == ENOENT || errno == ENODEV || errno == ENXIO)
		return failure_set(f, -errno,
				   "there is no working " DEVICE
				   "; load kvm-intel or kvm-amd, or run this where virtual "
				   "machines may be nested");
	return failure_errno(f, -errno, DEVICE);
}

/* The ledger page: a slot of its own. What a guest writes there comes to us, and goes nowhere. */
static int add_page(struct kvm *k, const struct memory *m, struct failure *f)
{
	struct kvm_userspace_memory_region region = {
		.slot = 1,
		.flags = KVM_MEM_READONLY,
		.guest_phys_addr = MEMORY_PAGE,
		.memory_size = m->page_size,
		.userspace_addr = (uint64_t)(uintptr_t)m->page};

	if (ioctl(k->vm, KVM_SET_USER_MEMORY_REGION, &region))
		return failure_errno(f, -errno,
				     DEVICE ": a page that the guest may only read; go without "
					    "--page");
	return 0;
}

static int create(struct kvm *k, const struct memory *m, unsigned cpus, struct failure *f)
{
	struct kvm_userspace_memory_region region = {
		.memory_size = m->size, .userspace_addr = (uint64_t)(uintptr_t)m->base};
	int most, err;

	if (ioctl(k->system, KVM_GET_API_VERSION, 0) != KVM_API_VERSION)
		return failure_set(f, -ENOTSUP, DEVICE " is not of version %d", KVM_API_VERSION);
	k->vm = ioctl(k->system, KVM_CREATE_VM, 0);
	if (k->vm < 0)
		return failure_errno(f, -errno, DEVICE ": no new VM");
	if (ioctl(k->vm, KVM_SET_USER_MEMORY_REGION, &region))
		return failure_errno(f, -errno, DEVICE ": guest memory");
	err = m->page ? add_page(k, m, f) : 0;
	if (err)
		return err;
	most = ioctl(k->vm, KVM_CHECK_EXTENSION, KVM_CAP_MAX_VCPUS);
	if ((unsigned)most < cpus)
		return failure_set(f, -ENOTSUP,
				   DEVICE " gives a virtual machine %d vCPUs; ask for no more "
					  "with --cpus",
				   most);
	return 0;
}

/* A processor in a package of its own, with nothing that its local APIC does not have, and no
 * hypervisor that a kernel would ask for a clock. */
static void trim(struct kvm_cpuid_entry2 *e, uint8_t id, bool apic)
{
	switch (e->function) {
	case 1:
		e->ebx = (e->ebx & 0xffff) | 1u << 16 | (uint32_t)id << 24;
		e->ecx &= ~(ECX_X2APIC | ECX_DEADLINE | ECX_GUEST);
		e->edx &= ~(EDX_SIBLINGS | EDX_APIC);
		e->edx |= apic ? EDX_APIC : 0;
		break;
	case 4: /* caches: no vCPUs share any */
		e->eax &= 0x3fff;
		break;
	case 0x0b: /* topology: as leaf 1 has it */
	case 0x1f:
		e->eax = e->ebx = e->ecx = 0;
		e->edx = id;
		break;
	case 0x80000001:
		e->ecx &= ~ECX_TOPOLOGY;
		break;
	case 0x80000008:
		e->ecx = 0;
		break;
	}
}

static int set_cpuid(struct kvm_cpu *v, const struct kvm *k, uint8_t id, bool apic,
		     struct failure *f)
{
	union {
		struct kvm_cpuid2 list;
		uint8_t room[sizeof(struct kvm_cpuid2) +
			     CPUID_ENTRIES * sizeof(struct kvm_cpuid_entry2)];
	} u = {.list.nent = CPUID_ENTRIES};
	struct kvm_cpuid2 *c = &u.list;
	uint32_t kept = 0;

	if (ioctl(k->system, KVM_GET_SUPPORTED_CPUID, c))
		return failure_errno(f, -errno, DEVICE ": what processor it has");
	for (uint32_t i = 0; i < c->nent; i++) {
		if (c->entries[i].function >> 28 == HYPERVISOR >> 28)
			continue;
		c->entries[kept] = c->entries[i];
		trim(&c->entries[kept++], id, apic);
	}
	c->nent = kept;
	if (ioctl(v->fd, KVM_SET_CPUID2, c))
		return failure_errno(f, -errno, DEVICE ": the vCPU's processor");
	return 0;
}

int kvm_open(struct kvm *k, const struct memory *m, unsigned cpus, struct failure *f)
{
	int err;

	*k = (struct kvm){.system = -1, .vm = -1};
	err = open_device(k, f);
	return err ? err : create(k, m, cpus, f);
}

void kvm_close(struct kvm *k)
{
	close_fd(&k->vm);
	close_fd(&k->system);
	*k = (struct kvm){.system = -1, .vm = -1};
}

int kvm_open_cpu(struct kvm_cpu *c, const struct kvm *k, uint8_t id, bool apic, struct failure *f)
{
	int size = ioctl(k->system, KVM_GET_VCPU_MMAP_SIZE, 0);
	void *run;

	*c = (struct kvm_cpu){.fd = ioctl(k->vm, KVM_CREATE_VCPU, id)};
	if (c->fd < 0)
		return failure_errno(f, -errno, DEVICE ": vCPU %u", id);
	if (size < (int)sizeof(*c->run))
		return failure_set(f, -ENOTSUP, DEVICE ": a vCPU's shared page of %d bytes", size);
	run = mmap(NULL, (size_t)size, PROT_READ | PROT_WRITE, MAP_SHARED, c->fd, 0);
	if (run == MAP_FAILED)
		return failure_errno(f, -errno, DEVICE ": the vCPU's shared page");
	c->run = run;
	c->run_size = (size_t)size;
	if (ioctl(c->fd, KVM_GET_SREGS, &c->reset))
		return failure_errno(f, -errno, DEVICE ": the vCPU's registers");
	if (!apic)
		c->reset.apic_base &= ~(uint64_t)APIC_ENABLED; /* some KVM's CPUID follows it */
	return set_cpuid(c, k, id, apic, f);
}

void kvm_close_cpu(struct kvm_cpu *c)
{
	if (c->run)
		munmap(c->run, c->run_size);
	close_fd(&c->fd);
	*c = (struct kvm_cpu){.fd = -1};
}

static void set_segments(struct kvm_sregs *s, bool long_mode)
{
	struct kvm_segment data = {.limit = 0xffffffff,
				   .selector = 0x18,
				   .present = 1,
				   .type = 3,
				   .db = 1,
				   .s = 1,
				   .g = 1};

	s->ds = s->es = s->fs = s->gs = s->ss = data;
	data.selector = 0x10;
	data.type = 11;
	data.l = long_mode;
	data.db = !long_mode;
	s->cs = data;
	s->gdt.base = IMAGE_GDT;
	s->gdt.limit = 31;
	s->idt.limit = 0;
}

int kvm_enter(struct kvm_cpu *c, const struct image_entry *entry, struct failure *f)
{
	struct kvm_regs regs = {.rip = entry->at, .rflags = FLAGS_NONE};
	struct kvm_sregs s = c->reset;

	set_segments(&s, entry->long_mode);
	s.cr0 = entry->long_mode ? CR0_LONG : CR0_PROTECTED;
	s.cr3 = entry->long_mode ? IMAGE_PML4 : 0;
	s.cr4 = entry->long_mode ? CR4_PAE : 0;
	s.efer = entry->long_mode ? EFER_LONG : 0;
	regs.rsi = entry->long_mode ? IMAGE_ZERO : 0;
	regs.rbx = entry->long_mode ? 0 : IMAGE_START;
	if (ioctl(c->fd, KVM_SET_SREGS, &s) || ioctl(c->fd, KVM_SET_REGS, &regs))
		return failure_errno(f, -errno, DEVICE ": cannot begin in %s mode",
				     entry->long_mode ? "long" : "protected");
	return 0;
}

/* An access that the monitor has served is over only with the next KVM_RUN, which is made here to
 * return at once; then no event may be on its way. */
int kvm_init(struct kvm_cpu *c)
{
	struct kvm_vcpu_events none = {.flags = KVM_VCPUEVENT_VALID_NMI_PENDING};
	int err;

	c->run->immediate_exit = 1;
	err = ioctl(c->fd, KVM_RUN, 0) && errno != EINTR ? -errno : 0;
	c->run->immediate_exit = 0;
	return !err && ioctl(c->fd, KVM_SET_VCPU_EVENTS, &none) ? -errno : err;
}

int kvm_startup(struct kvm_cpu *c, uint8_t page)
{
	struct kvm_regs regs = {.rflags = FLAGS_NONE};
	struct kvm_sregs s = c->reset;

	s.cs.selector = (uint16_t)(page << 8);
	s.cs.base = (uint64_t)page << 12;
	return ioctl(c->fd, KVM_SET_SREGS, &s) || ioctl(c->fd, KVM_SET_REGS, &regs) ? -errno : 0;
}

/* Registers that an old kernel leaves behind and a new one may meet before it has written them. */
static void reset_msrs(const struct kvm_cpu *c)
{
	static const struct {
		uint32_t index;
		uint64_t value;
	} rows[] = {
		{MSR_SYSENTER_CS, 0}, {MSR_SYSENTER_ESP, 0},   {MSR_SYSENTER_EIP, 0},
		{MSR_STAR, 0},	      {MSR_LSTAR, 0},	       {MSR_CSTAR, 0},
		{MSR_FMASK, 0},	      {MSR_KERNEL_GS_BASE, 0}, {MSR_PAT, 0x0007040600070406},
		{MSR_TSC, 0},
	};
	union {
		struct kvm_msrs list;
		uint8_t room[sizeof(struct kvm_msrs) +
			     ARRAY_SIZE(rows) * sizeof(struct kvm_msr_entry)];
	} u = {.list.nmsrs = ARRAY_SIZE(rows)};
	struct kvm_msrs *l = &u.list;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		l->entries[i] = (struct kvm_msr_entry){.index = rows[i].index,
						       .data = rows[i].value};
	ioctl(c->fd, KVM_SET_MSRS, l); /* as far as this KVM has them */
}

int kvm_reset(struct kvm_cpu *c, struct failure *f)
{
	struct kvm_debugregs debug = {.dr6 = 0xffff0ff0, .dr7 = 0x400};
	struct kvm_fpu fpu = {.fcw = 0x37f, .mxcsr = 0x1f80};
	int err = kvm_init(c);

	if (!err && (ioctl(c->fd, KVM_SET_FPU, &fpu) || ioctl(c->fd, KVM_SET_DEBUGREGS, &debug)))
		err = -errno;
	if (err)
		return failure_errno(f, err, DEVICE ": resetting a vCPU");
	reset_msrs(c);
	return 0;
}
