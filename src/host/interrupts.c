/* SPDX-License-Identifier: MIT */
#include "host/interrupts.h"

#include "base/units.h"
#include "host/vcpu_programs.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

extern const struct bpf_image bpf_image_interrupts;

/* ---- figures ---- */

uint64_t interrupt_bound(unsigned bucket)
{
	return bucket < INTERRUPT_BUCKETS - 1 ? NS_PER_US << bucket : UINT64_MAX;
}

void interrupt_delays_add(struct interrupt_delays *sum, const struct interrupt_delays *more)
{
	sum->n += more->n;
	sum->ns += more->ns;
	sum->at_once += more->at_once;
	sum->merged += more->merged;
	sum->longest = u64_max(sum->longest, more->longest);
	for (int i = 0; i < INTERRUPT_BUCKETS; i++)
		sum->buckets[i] += more->buckets[i];
}

double interrupt_quantile(const struct interrupt_delays *d, double q)
{
	double want = q * (double)d->n, seen = 0;

	for (unsigned i = 0; i < INTERRUPT_BUCKETS; i++) {
		double in = (double)d->buckets[i];
		double from = i ? (double)interrupt_bound(i - 1) : 0;
		double to = (double)u64_min(interrupt_bound(i), u64_max(d->longest, 1));

		if (in > 0 && seen + in >= want)
			return to > from ? from + (to - from) * (want - seen) / in : from;
		seen += in;
	}
	return (double)d->longest;
}

/* ---- the programs ---- */

/* Those whose tracepoints a kernel without KVM doesn't have. */
static const char *const optional[] = {"on_irq", "on_msi", "on_accept", "on_call"};
#define EMULATED 3 /* of these: for VMs without KVM */

struct interrupts_programs {
	struct bpf_object *object;
	struct bpf_links links;
	struct bpf_link *more[ARRAY_SIZE(optional)]; /* NULL: not there */
	struct interrupts_vcpu *vcpus;		     /* [VCPU_SLOTS], mapped */
	struct interrupts_vm *vms;		     /* [VCPU_PROCESSES], mapped */
	int targets;				     /* descriptor of the hash */
	struct interrupts_globals *globals;	     /* mapped */
	size_t globals_bytes;
};

#define VCPUS_BYTES (VCPU_SLOTS * sizeof(struct interrupts_vcpu)) /* both whole pages */
#define VMS_BYTES   (VCPU_PROCESSES * sizeof(struct interrupts_vm))

static int prepare(struct bpf_object *object, void *data, struct failure *f)
{
	int err = vcpu_programs_share(data, object);

	if (err)
		return failure_errno(f, err, "BPF program interrupts: the ledger's maps");
	for (size_t i = 0; i < ARRAY_SIZE(optional); i++)
		bpf_program__set_autoattach(bpf_object__find_program_by_name(object, optional[i]),
					    false);
	return 0;
}

static void *map(const struct bpf_object *object, const char *name, size_t bytes)
{
	void *base = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED,
			  bpf_image_map(object, name), 0);

	return base == MAP_FAILED ? NULL : base;
}

static int map_all(struct interrupts_programs *p, struct failure *f)
{
	void *globals;
	int err = bpf_image_globals(p->object, sizeof(*p->globals), f, &globals, &p->globals_bytes);

	if (err)
		return err;
	p->globals = globals;
	p->vcpus = map(p->object, "interrupts", VCPUS_BYTES);
	p->vms = map(p->object, "vms", VMS_BYTES);
	p->targets = bpf_image_map(p->object, "targets");
	if (!p->vcpus || !p->vms || p->targets < 0)
		return failure_errno(f, -ENOMEM, "BPF program interrupts: its maps");
	return 0;
}

static void attach_more(struct interrupts_programs *p, enum interrupts_of whose)
{
	size_t n = whose == INTERRUPTS_OF_ALL ? ARRAY_SIZE(optional) : EMULATED;

	for (size_t i = 0; i < n; i++)
		p->more[i] = bpf_program__attach(
			bpf_object__find_program_by_name(p->object, optional[i]));
}

static int start(struct interrupts_programs *p, const struct vcpu_programs *ledger,
		 enum interrupts_of whose, struct failure *f)
{
	int err = bpf_image_load(&bpf_image_interrupts, prepare, (void *)ledger, f, &p->object);

	if (!err)
		err = map_all(p, f);
	if (!err)
		err = bpf_links_attach(p->object, f, &p->links);
	if (!err)
		attach_more(p, whose);
	return err;
}

int interrupts_open(const struct vcpu_programs *ledger, enum interrupts_of whose, struct failure *f,
		    struct interrupts_programs **ret)
{
	struct interrupts_programs *p = calloc(1, sizeof(*p));
	int err = p ? start(p, ledger, whose, f)
		    : failure_errno(f, -ENOMEM, "BPF program interrupts");

	if (err)
		interrupts_close(p);
	else
		*ret = p;
	return err;
}

struct interrupts_programs *interrupts_close(struct interrupts_programs *p)
{
	if (!p)
		return NULL;
	for (size_t i = 0; i < ARRAY_SIZE(optional); i++)
		bpf_link__destroy(p->more[i]);
	bpf_links_destroy(&p->links);
	if (p->vcpus)
		munmap(p->vcpus, VCPUS_BYTES);
	if (p->vms)
		munmap(p->vms, VMS_BYTES);
	if (p->globals)
		munmap(p->globals, p->globals_bytes);
	bpf_object__close(p->object);
	free(p);
	return NULL;
}

void interrupts_enter(struct interrupts_programs *p, uint32_t process, uint32_t index, uint32_t n,
		      uint32_t slot)
{
	const struct interrupts_target target = {.process = process, .apic = index};

	memset(&p->vcpus[slot], 0, sizeof(p->vcpus[slot]));
	bpf_map_update_elem(p->targets, &target, &slot, BPF_ANY);
	__atomic_store_n(&p->vms[process].only, n == 1 ? slot + 1 : 0, __ATOMIC_RELEASE);
}

void interrupts_leave(struct interrupts_programs *p, uint32_t process, uint32_t index)
{
	const struct interrupts_target target = {.process = process, .apic = index};

	bpf_map_delete_elem(p->targets, &target);
	__atomic_store_n(&p->vms[process].only, 0, __ATOMIC_RELEASE);
}

void interrupts_read(const struct interrupts_programs *p, uint32_t slot,
		     struct interrupt_delays *ret)
{
	const struct interrupts_vcpu *v = &p->vcpus[slot];

	*ret = (struct interrupt_delays){.n = __atomic_load_n(&v->n, __ATOMIC_RELAXED),
					 .ns = __atomic_load_n(&v->ns, __ATOMIC_RELAXED),
					 .at_once = __atomic_load_n(&v->at_once, __ATOMIC_RELAXED),
					 .merged = __atomic_load_n(&v->merged, __ATOMIC_RELAXED),
					 .longest = __atomic_load_n(&v->longest, __ATOMIC_RELAXED)};
	for (int i = 0; i < INTERRUPT_BUCKETS; i++)
		ret->buckets[i] = __atomic_load_n(&v->buckets[i], __ATOMIC_RELAXED);
}

uint64_t interrupts_lost(const struct interrupts_programs *p)
{
	return __atomic_load_n(&p->globals->lost, __ATOMIC_RELAXED);
}
