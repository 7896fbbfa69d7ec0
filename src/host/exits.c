/* SPDX-License-Identifier: MIT */
#include "host/exits.h"

#include "base/cleanup.h"
#include "base/tracefs.h"
#include "base/units.h"
#include "host/vcpu_programs.h"

#include <errno.h>
#include <linux/kvm.h>
#include <linux/perf_event.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

extern const struct bpf_image bpf_image_exits;

/* ---- what reasons mean ---- */

static const struct {
	const char *name, *help;
} classes[EXIT_CLASSES] = {
	[EXIT_OTHER] = {"other", "anything else"},
	[EXIT_HALT] = {"halt", "the guest is idle"},
	[EXIT_PORT] = {"port", "port I/O"},
	[EXIT_MMIO] = {"mmio", "a device in memory"},
	[EXIT_MSR] = {"msr", "a model-specific register, the local timer's among them"},
	[EXIT_APIC] = {"apic", "the interrupt controller"},
	[EXIT_TIMER] = {"timer", "the guest's timer ran out"},
	[EXIT_INTERRUPT] = {"interrupt", "an interrupt of the host"},
	[EXIT_WINDOW] = {"window", "the guest can take an interrupt now"},
	[EXIT_PAUSE] = {"pause", "the guest spins for a lock"},
	[EXIT_MEMORY] = {"memory", "a page that is not there"},
	[EXIT_CPUID] = {"cpuid", "the CPUID instruction"},
	[EXIT_CONTROL] = {"control", "control, debug and descriptor registers"},
	[EXIT_HYPERCALL] = {"hypercall", "a call of the guest's kernel"},
	[EXIT_EXCEPTION] = {"exception", "an exception in the guest"},
	[EXIT_SIGNAL] = {"signal", "a signal or a kick ended KVM_RUN"},
};

/* Ranges of reasons, by the numbers of Intel's and AMD's manuals (isa 1 and 2). */
static const struct {
	uint16_t isa, from, to;
	uint8_t class;
} reasons[] = {
	{1, 0, 0, EXIT_EXCEPTION},
	{1, 1, 1, EXIT_INTERRUPT},
	{1, 7, 8, EXIT_WINDOW},
	{1, 10, 10, EXIT_CPUID},
	{1, 12, 12, EXIT_HALT},
	{1, 18, 18, EXIT_HYPERCALL},
	{1, 28, 29, EXIT_CONTROL},
	{1, 30, 30, EXIT_PORT},
	{1, 31, 32, EXIT_MSR},
	{1, 36, 36, EXIT_HALT},
	{1, 40, 40, EXIT_PAUSE},
	{1, 43, 45, EXIT_APIC},
	{1, 46, 47, EXIT_CONTROL},
	{1, 48, 48, EXIT_MEMORY},
	{1, 49, 49, EXIT_MMIO},
	{1, 52, 52, EXIT_TIMER},
	{1, 55, 55, EXIT_CONTROL},
	{1, 56, 56, EXIT_APIC},
	{1, 67, 68, EXIT_HALT},
	{1, 84, 85, EXIT_MSR},
	{2, 0x000, 0x03f, EXIT_CONTROL},
	{2, 0x040, 0x05f, EXIT_EXCEPTION},
	{2, 0x060, 0x061, EXIT_INTERRUPT},
	{2, 0x064, 0x064, EXIT_WINDOW},
	{2, 0x065, 0x06d, EXIT_CONTROL},
	{2, 0x072, 0x072, EXIT_CPUID},
	{2, 0x074, 0x074, EXIT_WINDOW},
	{2, 0x077, 0x077, EXIT_PAUSE},
	{2, 0x078, 0x078, EXIT_HALT},
	{2, 0x07b, 0x07b, EXIT_PORT},
	{2, 0x07c, 0x07c, EXIT_MSR},
	{2, 0x081, 0x081, EXIT_HYPERCALL},
	{2, 0x08b, 0x08c, EXIT_HALT},
	{2, 0x08d, 0x08d, EXIT_CONTROL},
	{2, 0x0a6, 0x0a6, EXIT_HALT},
	{2, 0x400, 0x400, EXIT_MEMORY},
	{2, 0x401, 0x402, EXIT_APIC},
};

static const struct {
	uint8_t reason, class;
} user_reasons[] = {
	{KVM_EXIT_EXCEPTION, EXIT_EXCEPTION},
	{KVM_EXIT_IO, EXIT_PORT},
	{KVM_EXIT_HYPERCALL, EXIT_HYPERCALL},
	{KVM_EXIT_DEBUG, EXIT_EXCEPTION},
	{KVM_EXIT_HLT, EXIT_HALT},
	{KVM_EXIT_MMIO, EXIT_MMIO},
	{KVM_EXIT_IRQ_WINDOW_OPEN, EXIT_WINDOW},
	{KVM_EXIT_INTR, EXIT_SIGNAL},
	{KVM_EXIT_SET_TPR, EXIT_APIC},
	{KVM_EXIT_TPR_ACCESS, EXIT_APIC},
	{KVM_EXIT_IOAPIC_EOI, EXIT_APIC},
	{KVM_EXIT_X86_RDMSR, EXIT_MSR},
	{KVM_EXIT_X86_WRMSR, EXIT_MSR},
};

const char *exit_class_name(enum exit_class c)
{
	return classes[c].name;
}

const char *exit_class_help(enum exit_class c)
{
	return classes[c].help;
}

enum exit_class exit_class_of(uint32_t isa, uint32_t reason)
{
	for (size_t i = 0; i < ARRAY_SIZE(reasons); i++) {
		if (reasons[i].isa == isa && reason >= reasons[i].from && reason <= reasons[i].to)
			return reasons[i].class;
	}
	return EXIT_OTHER;
}

enum exit_class exit_class_of_user(uint32_t reason)
{
	for (size_t i = 0; i < ARRAY_SIZE(user_reasons); i++) {
		if (user_reasons[i].reason == reason)
			return user_reasons[i].class;
	}
	return EXIT_OTHER;
}

/* ---- the programs ---- */

struct exits_programs {
	struct bpf_object *object;
	struct bpf_links links;
	struct bpf_link *exit;	  /* of kvm_exit */
	struct exits_vcpu *vcpus; /* [VCPU_SLOTS], mapped */
};

#define VCPUS_BYTES (VCPU_SLOTS * sizeof(struct exits_vcpu)) /* whole pages: see exits_vcpu */

static int prepare(struct bpf_object *object, void *data, struct failure *f)
{
	int err = vcpu_programs_share(data, object);

	if (err)
		return failure_errno(f, err, "BPF program exits: the ledger's maps");
	bpf_program__set_autoattach(bpf_object__find_program_by_name(object, "on_exit"), false);
	return 0;
}

static int set_globals(const struct exits_programs *p, const char *format, struct failure *f)
{
	struct exits_globals *g;
	size_t bytes;
	void *map;
	int err = bpf_image_globals(p->object, sizeof(*g), f, &map, &bytes);

	if (err)
		return err;
	g = map;
	if (!tracefs_field(format, "unsigned int exit_reason", &g->reason_at) ||
	    !tracefs_field(format, "u32 isa", &g->isa_at))
		err = failure_set(f, -EPROTO,
				  "this kernel's kvm_exit has no exit_reason and isa in its "
				  "record");
	for (uint32_t isa = 0; isa < EXITS_ISAS; isa++) {
		for (uint32_t reason = 0; reason < EXITS_REASONS; reason++)
			g->class_of[isa][reason] = (uint8_t)exit_class_of(isa, reason);
	}
	for (uint32_t reason = 0; reason < ARRAY_SIZE(g->user_class_of); reason++)
		g->user_class_of[reason] = (uint8_t)exit_class_of_user(reason);
	munmap(map, bytes);
	return err;
}

/* By number, so that no tracefs need be mounted. */
static struct bpf_link *attach_event(const struct bpf_object *object, const char *name, uint32_t id)
{
	struct perf_event_attr attr = {.type = PERF_TYPE_TRACEPOINT,
				       .size = sizeof(attr),
				       .config = id,
				       .sample_period = 1,
				       .wakeup_events = 1};
	int fd = (int)syscall(SYS_perf_event_open, &attr, -1, 0, -1, PERF_FLAG_FD_CLOEXEC);
	struct bpf_link *link;

	if (fd < 0)
		return NULL;
	link = bpf_program__attach_perf_event(bpf_object__find_program_by_name(object, name), fd);
	if (!link)
		close(fd);
	return link;
}

static int attach(struct exits_programs *p, const char *format, struct failure *f)
{
	uint32_t id;
	int err = bpf_links_attach(p->object, f, &p->links);

	if (err)
		return err;
	if (!tracefs_id(format, &id))
		return failure_set(f, -EPROTO, "the number of kvm_exit is not known");
	p->exit = attach_event(p->object, "on_exit", id);
	return p->exit ? 0 : failure_errno(f, -errno, "BPF program exits: kvm_exit");
}

static int read_format(char *ret, size_t size, struct failure *f)
{
	_cleanup_(close_fd) int dir = tracefs_open();
	int err = dir < 0 ? dir : tracefs_format(dir, "kvm/kvm_exit", ret, size);

	if (err == -ENOENT)
		return failure_set(f, -EOPNOTSUPP, "this kernel has no KVM, or it is not loaded");
	return err ? failure_errno(f, err, "tracefs, for what kvm_exit reports") : 0;
}

static int start(struct exits_programs *p, const struct vcpu_programs *ledger, struct failure *f)
{
	char format[4096];
	void *map;
	int err = read_format(format, sizeof(format), f), fd;

	if (!err)
		err = bpf_image_load(&bpf_image_exits, prepare, (void *)ledger, f, &p->object);
	if (!err)
		err = set_globals(p, format, f);
	if (err)
		return err;
	fd = bpf_image_map(p->object, "exits");
	map = mmap(NULL, VCPUS_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (map == MAP_FAILED)
		return failure_errno(f, -errno, "BPF program exits: its map");
	p->vcpus = map;
	return attach(p, format, f);
}

int exits_open(const struct vcpu_programs *ledger, struct failure *f, struct exits_programs **ret)
{
	struct exits_programs *p = calloc(1, sizeof(*p));
	int err = p ? start(p, ledger, f) : failure_errno(f, -ENOMEM, "BPF program exits");

	if (err)
		exits_close(p);
	else
		*ret = p;
	return err;
}

struct exits_programs *exits_close(struct exits_programs *p)
{
	if (!p)
		return NULL;
	bpf_link__destroy(p->exit);
	bpf_links_destroy(&p->links);
	if (p->vcpus)
		munmap(p->vcpus, VCPUS_BYTES);
	bpf_object__close(p->object);
	free(p);
	return NULL;
}

void exits_clear(struct exits_programs *p, uint32_t slot)
{
	memset(&p->vcpus[slot], 0, sizeof(p->vcpus[slot]));
}

static void read_table(const struct exits_count *from, struct exits_count *to)
{
	for (int i = 0; i < EXIT_CLASSES; i++) {
		to[i].n = __atomic_load_n(&from[i].n, __ATOMIC_RELAXED);
		to[i].ns = __atomic_load_n(&from[i].ns, __ATOMIC_RELAXED);
	}
}

void exits_read(const struct exits_programs *p, uint32_t slot, struct vcpu_exits *ret)
{
	read_table(p->vcpus[slot].kernel, ret->kernel);
	read_table(p->vcpus[slot].user, ret->user);
}
