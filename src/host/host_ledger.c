/* SPDX-License-Identifier: MIT */
#include "host/host_ledger.h"

#include "base/rows.h"
#include "base/units.h"
#include "host/source.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define VMS_MAX 1024

/* Best first. */
static const struct host_source *const sources[] = {
	&source_bpf,
	&source_schedstat,
};

struct entry {
	void *vm; /* the source's; NULL: free */
	uint32_t n_vcpus;
	bool *ended; /* [n_vcpus]: the end was reported */
	uint64_t overhead_ns;
};

struct host_ledger {
	const struct host_source *source;
	void *state;
	bool exits, interrupts; /* they are recorded */
	struct entry entries[VMS_MAX];
};

const char *host_source_name(size_t i)
{
	return i < ARRAY_SIZE(sources) ? sources[i]->name : NULL;
}

static int open_source(struct host_ledger *h, const char *name, struct failure *f)
{
	char names[64];
	int err = 0;

	for (size_t i = 0; i < ARRAY_SIZE(sources); i++) {
		if (name && strcmp(name, sources[i]->name) != 0)
			continue;
		h->source = sources[i];
		err = sources[i]->open(f, &h->state);
		if (!err)
			return 0;
	}
	if (err)
		return err;
	names_of(host_source_name, names, sizeof(names));
	return failure_set(f, -EINVAL, "no source '%s'; expected %s", name, names);
}

int host_ledger_open(const char *source, struct failure *f, struct host_ledger **ret)
{
	struct host_ledger *h = calloc(1, sizeof(*h));
	int err;

	if (!h)
		return failure_errno(f, -ENOMEM, "host ledger");
	err = open_source(h, source, f);
	if (err) {
		free(h);
		return err;
	}
	*ret = h;
	return 0;
}

struct host_ledger *host_ledger_close(struct host_ledger *h)
{
	if (!h)
		return NULL;
	for (int id = 0; id < VMS_MAX; id++)
		host_ledger_remove(h, id);
	h->source->close(h->state);
	free(h);
	return NULL;
}

const char *host_ledger_source(const struct host_ledger *h)
{
	return h->source->name;
}

bool host_ledger_has_gaps(const struct host_ledger *h)
{
	return h->source->has_gaps;
}

static int free_id(const struct host_ledger *h)
{
	for (int id = 0; id < VMS_MAX; id++) {
		if (!h->entries[id].vm)
			return id;
	}
	return -ENOSPC;
}

int host_ledger_add(struct host_ledger *h, const struct host_vm *vm, struct failure *f, int *ret_id)
{
	struct entry e = {.n_vcpus = vm->n_vcpus};
	int id = free_id(h), err;

	if (!vm->n_vcpus)
		return failure_set(f, -EINVAL, "VM %s has no vCPUs", vm->name);
	if (id < 0)
		return failure_set(f, id, "VM %s: %d VMs are in the ledger, which is full",
				   vm->name, VMS_MAX);
	e.ended = calloc(vm->n_vcpus, sizeof(*e.ended));
	if (!e.ended)
		return failure_errno(f, -ENOMEM, "VM %s", vm->name);
	err = h->source->add(h->state, id, vm, f, &e.vm);
	if (err) {
		free(e.ended);
		return err;
	}
	h->entries[id] = e;
	*ret_id = id;
	return 0;
}

static bool has_entry(const struct host_ledger *h, int id)
{
	return id >= 0 && id < VMS_MAX && h->entries[id].vm;
}

void host_ledger_remove(struct host_ledger *h, int id)
{
	struct entry *e = has_entry(h, id) ? &h->entries[id] : NULL;

	if (!e)
		return;
	h->source->remove(h->state, e->vm);
	free(e->ended);
	*e = (struct entry){.vm = NULL};
}

int host_ledger_poll(struct host_ledger *h, host_gap_fn fn, void *data)
{
	return h->source->poll ? h->source->poll(h->state, fn, data) : 0;
}

int host_ledger_read(struct host_ledger *h, int id, uint32_t vcpu, struct ledger *ret)
{
	struct entry *e = has_entry(h, id) ? &h->entries[id] : NULL;
	int err;

	if (!e || vcpu >= e->n_vcpus)
		return -EINVAL;
	err = h->source->read(h->state, e->vm, vcpu, ret);
	if (err != -ESRCH)
		return err;
	if (e->ended[vcpu])
		return 0;
	e->ended[vcpu] = true;
	return -ESRCH;
}

bool host_ledger_ended(const struct host_ledger *h, int id, uint32_t vcpu)
{
	const struct entry *e = has_entry(h, id) ? &h->entries[id] : NULL;

	return e && vcpu < e->n_vcpus && e->ended[vcpu];
}

void host_ledger_end(struct host_ledger *h, int id, uint32_t vcpu)
{
	const struct entry *e = has_entry(h, id) ? &h->entries[id] : NULL;

	if (e && vcpu < e->n_vcpus && h->source->end)
		h->source->end(h->state, e->vm, vcpu);
}

uint64_t host_ledger_since(const struct host_ledger *h, int id, uint32_t vcpu)
{
	const struct entry *e = has_entry(h, id) ? &h->entries[id] : NULL;

	if (!e || vcpu >= e->n_vcpus || !h->source->since)
		return 0;
	return h->source->since(h->state, e->vm, vcpu);
}

uint64_t host_ledger_gaps_lost(const struct host_ledger *h, int id, uint32_t vcpu)
{
	const struct entry *e = has_entry(h, id) ? &h->entries[id] : NULL;

	if (!e || vcpu >= e->n_vcpus || !h->source->gaps_lost)
		return 0;
	return h->source->gaps_lost(h->state, e->vm, vcpu);
}

int host_ledger_overhead(struct host_ledger *h, int id, uint64_t *ret_ns)
{
	struct entry *e = has_entry(h, id) ? &h->entries[id] : NULL;
	uint64_t ns;
	int err;

	if (!e)
		return -EINVAL;
	err = h->source->overhead(h->state, e->vm, &ns);
	if (err)
		return err;
	e->overhead_ns = u64_max(e->overhead_ns, ns);
	*ret_ns = e->overhead_ns;
	return 0;
}

uint32_t host_ledger_cpus(const struct host_ledger *h)
{
	return h->source->cpus ? h->source->cpus(h->state) : 0;
}

int host_ledger_record(struct host_ledger *h, enum host_record what, struct failure *f)
{
	if (!h->source->record)
		return failure_set(
			f, -EOPNOTSUPP,
			"source %s doesn't record who was on the CPU while a vCPU waited; "
			"that takes BPF",
			h->source->name);
	return h->source->record(h->state, what, f);
}

int host_ledger_runs(struct host_ledger *h, const struct host_runs_fns *fns)
{
	return h->source->runs ? h->source->runs(h->state, fns) : 0;
}

bool host_ledger_waiting(const struct host_ledger *h, int id, uint32_t vcpu, struct host_wait *ret)
{
	const struct entry *e = has_entry(h, id) ? &h->entries[id] : NULL;

	return e && vcpu < e->n_vcpus && h->source->waiting &&
	       h->source->waiting(h->state, e->vm, vcpu, ret);
}

int host_ledger_count_exits(struct host_ledger *h, struct failure *f)
{
	int err;

	if (h->exits)
		return 0;
	if (!h->source->count_exits)
		return failure_set(f, -EOPNOTSUPP, "source %s doesn't count exits",
				   h->source->name);
	err = h->source->count_exits(h->state, f);
	h->exits = !err;
	return err;
}

int host_ledger_exits(const struct host_ledger *h, int id, uint32_t vcpu, struct vcpu_exits *ret)
{
	const struct entry *e = has_entry(h, id) ? &h->entries[id] : NULL;

	if (!e || vcpu >= e->n_vcpus)
		return -EINVAL;
	if (!h->exits)
		return -ENODATA;
	h->source->exits(h->state, e->vm, vcpu, ret);
	return 0;
}

int host_ledger_record_interrupts(struct host_ledger *h, enum interrupts_of whose,
				  struct failure *f)
{
	int err;

	if (h->interrupts || whose == INTERRUPTS_OF_NONE)
		return 0;
	if (!h->source->record_interrupts)
		return failure_set(f, -EOPNOTSUPP, "source %s doesn't record interrupts",
				   h->source->name);
	err = h->source->record_interrupts(h->state, whose, f);
	h->interrupts = !err;
	return err;
}

int host_ledger_interrupts(const struct host_ledger *h, int id, uint32_t vcpu,
			   struct interrupt_delays *ret)
{
	const struct entry *e = has_entry(h, id) ? &h->entries[id] : NULL;

	if (!e || vcpu >= e->n_vcpus)
		return -EINVAL;
	if (!h->interrupts)
		return -ENODATA;
	h->source->interrupts(h->state, e->vm, vcpu, ret);
	return 0;
}

void host_ledger_counters(struct host_ledger *h, struct host_ledger_counters *ret)
{
	*ret = (struct host_ledger_counters){0};
	if (h->source->counters)
		h->source->counters(h->state, ret);
}
