/* SPDX-License-Identifier: MIT */
#include "guest/switches.h"

#include "base/cpu.h"
#include "bpf/object.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

extern const struct bpf_image bpf_image_switches;

struct switches {
	struct bpf_object *object;
	struct bpf_links links;
	struct ring_buffer *ring;
	struct switches_shared *shared; /* changes under us */
	size_t shared_size;
	switches_fn fn;
	void *data;
};

static const char *const steal_names[SWITCHES_STEAL_ROWS] = {
	[SWITCHES_STEAL_NONE] = "none",
	[SWITCHES_STEAL_KVM] = "kvm steal_time",
	[SWITCHES_STEAL_XEN] = "xen runstate",
	[SWITCHES_STEAL_VMWARE] = "vmware steal clock",
	[SWITCHES_STEAL_RQ_TASK] = "rq.prev_steal_time_rq",
	[SWITCHES_STEAL_RQ_TICK] = "rq.prev_steal_time",
};

const char *switches_steal_name(enum switches_steal row)
{
	return row < SWITCHES_STEAL_ROWS ? steal_names[row] : "none";
}

/* KVM says in CPUID that it keeps a steal clock, Xen always has one; it may read 0 as long as
 * nothing was stolen. The kernel's own variables of the others are there and stay 0. */
static bool promised(enum switches_steal row)
{
	char signature[12] = "";
	bool kvm = cpu_kvm_features() & CPU_KVM_STEAL_TIME;
	bool xen = cpu_hypervisor(signature) && !memcmp(signature, "XenVMMXenVMM", 12);

	switch (row) {
	case SWITCHES_STEAL_KVM:
		return kvm;
	case SWITCHES_STEAL_XEN:
		return xen;
	case SWITCHES_STEAL_RQ_TASK:
	case SWITCHES_STEAL_RQ_TICK:
		return kvm || xen;
	default:
		return false;
	}
}

enum switches_steal switches_steal_row(const struct switches *s)
{
	for (enum switches_steal row = SWITCHES_STEAL_KVM; row < SWITCHES_STEAL_ROWS; row++)
		if ((s->shared->probed_rows & (1u << row)) &&
		    (s->shared->probed_steal[row] || promised(row)))
			return row;
	return SWITCHES_STEAL_NONE;
}

bool switches_kernel_subtracts(const struct switches *s)
{
	return (s->shared->probed_rows & (1u << SWITCHES_STEAL_RQ_TASK)) &&
	       (s->shared->probed_steal[SWITCHES_STEAL_RQ_TASK] ||
		promised(SWITCHES_STEAL_RQ_TASK));
}

static int on_record(void *ctx, void *record, size_t size)
{
	struct switches *s = ctx;

	return size >= sizeof(struct switches_head) ? s->fn(record, size, s->data) : 0;
}

int switches_open(struct failure *f, struct switches **ret)
{
	struct switches *s = calloc(1, sizeof(*s));
	int err;

	if (!s)
		return failure_errno(f, -ENOMEM, "switches");
	err = bpf_image_load(&bpf_image_switches, NULL, NULL, f, &s->object);
	if (!err)
		err = bpf_image_globals(s->object, sizeof(*s->shared), f, (void **)&s->shared,
					&s->shared_size);
	if (!err && (err = bpf_image_call(s->object, "probe", NULL, 0)))
		failure_errno(f, err, "BPF program probe");
	if (!err) {
		s->ring = ring_buffer__new(bpf_image_map(s->object, "events"), on_record, s, NULL);
		if (!s->ring)
			err = failure_errno(f, -errno, "BPF ring buffer");
	}
	if (err) {
		switches_close(s);
		return err;
	}
	*ret = s;
	return 0;
}

struct switches *switches_close(struct switches *s)
{
	if (!s)
		return NULL;
	bpf_links_destroy(&s->links);
	ring_buffer__free(s->ring);
	if (s->shared)
		munmap(s->shared, s->shared_size);
	bpf_object__close(s->object);
	free(s);
	return NULL;
}

int switches_attach(struct switches *s, enum switches_steal steal, struct failure *f)
{
	s->shared->steal_row = steal;
	return bpf_links_attach(s->object, f, &s->links);
}

int switches_read_steal(struct switches *s, unsigned cpu, uint64_t *ret)
{
	struct switches_steal_query query = {.cpu = cpu};
	int err;

	if (cpu >= SWITCHES_CPUS_MAX)
		return -ENODATA;
	if (s->shared->steal_row >= SWITCHES_STEAL_RQ_TASK && !s->shared->rq[cpu])
		return -ENODATA;
	err = bpf_image_call(s->object, "read_steal", &query, sizeof(query));
	if (!err)
		*ret = query.steal;
	return err;
}

int switches_drain(struct switches *s, switches_fn fn, void *data)
{
	s->fn = fn;
	s->data = data;
	return ring_buffer__consume(s->ring);
}

int switches_fd(const struct switches *s)
{
	return ring_buffer__epoll_fd(s->ring);
}

uint64_t switches_lost(const struct switches *s)
{
	return s->shared->lost_switches;
}

void switches_counters(const struct switches *s, struct switches_counters *ret)
{
	*ret = (struct switches_counters){.lost_switches = s->shared->lost_switches,
					  .lost_lives = s->shared->lost_lives};
	bpf_object_cost(s->object, &ret->bpf_runs, &ret->bpf_ns);
}
