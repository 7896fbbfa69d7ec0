/* SPDX-License-Identifier: MIT */
#include "host/tally.h"

#include "base/units.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct host_frame_vm *find_vm(const struct host_frame *f,
					   const struct host_frame_vm *vm)
{
	for (size_t i = 0; f && i < f->n_vms; i++)
		if (f->vms[i].pid == vm->pid && f->vms[i].since == vm->since)
			return &f->vms[i];
	return NULL;
}

/* The VM's, which is made where there is none. NULL without memory. */
static struct tally_vm *tally_of(struct tally *t, const struct host_frame_vm *vm)
{
	struct tally_vm *vms;

	for (size_t i = 0; i < t->n; i++)
		if (t->vms[i].pid == vm->pid && t->vms[i].since == vm->since)
			return &t->vms[i];
	vms = realloc(t->vms, (t->n + 1) * sizeof(*vms));
	if (!vms)
		return NULL;
	t->vms = vms;
	vms[t->n] = (struct tally_vm){.pid = vm->pid, .process = vm->process, .since = vm->since};
	memcpy(vms[t->n].name, vm->name, sizeof(vm->name));
	memcpy(vms[t->n].called, vm->called, sizeof(vm->called));
	memcpy(vms[t->n].uuid, vm->uuid, sizeof(vm->uuid));
	memcpy(vms[t->n].id, vm->id, sizeof(vm->id));
	return &vms[t->n++];
}

static uint64_t ns_before(const struct host_frame_vm *old, const struct host_frame_blame *row)
{
	for (size_t i = 0; old && i < old->n_blames; i++)
		if (host_frame_same_blame(&old->blames[i], row))
			return old->blames[i].ns;
	return 0;
}

static int add_row(struct tally_vm *vm, const struct host_frame_blame *row)
{
	struct host_frame_blame *rows;

	for (size_t i = 0; i < vm->n; i++) {
		if (!host_frame_same_blame(&vm->rows[i], row))
			continue;
		vm->rows[i].ns += row->ns;
		vm->rows[i].longest = u64_max(vm->rows[i].longest, row->longest);
		return 0;
	}
	rows = realloc(vm->rows, (vm->n + 1) * sizeof(*rows));
	if (!rows)
		return -ENOMEM;
	vm->rows = rows;
	rows[vm->n++] = *row;
	return 0;
}

static const struct host_frame_vcpu *find_vcpu(const struct host_frame_vm *vm,
					       const struct host_frame_vcpu *vcpu)
{
	for (size_t i = 0; vm && i < vm->n_vcpus; i++)
		if (vm->vcpus[i].tid == vcpu->tid && vm->vcpus[i].index == vcpu->index)
			return &vm->vcpus[i];
	return NULL;
}

/* Ready time; *wall is raised by the time in all states. */
static uint64_t add_vcpus(const struct host_frame_vm *old, const struct host_frame_vm *now,
			  uint64_t *wall)
{
	uint64_t ready = 0;

	for (size_t i = 0; i < now->n_vcpus; i++) {
		const struct host_frame_vcpu *v = &now->vcpus[i], *before = find_vcpu(old, v);

		for (int s = 0; s < LEDGER_STATES; s++) {
			uint64_t ns = u64_sub_floor(v->ns[s], before ? before->ns[s] : 0);

			*wall += ns;
			ready += s == LEDGER_READY ? ns : 0;
		}
	}
	return ready;
}

static int add_vm(struct tally *t, const struct host_frame_vm *old, const struct host_frame_vm *now)
{
	struct tally_vm *vm = tally_of(t, now);
	uint64_t ready, booked = 0;
	int err = 0;

	if (!vm)
		return -ENOMEM;
	ready = add_vcpus(old, now, &vm->wall);
	vm->ready += ready;
	vm->ended = now->ended;
	for (size_t i = 0; i < now->n_blames && !err; i++) {
		struct host_frame_blame row = now->blames[i];

		row.ns = u64_sub_floor(row.ns, ns_before(old, &row));
		booked += row.ns;
		if (row.ns)
			err = add_row(vm, &row);
	}
	if (!err && booked < ready)
		err = add_row(vm, &(struct host_frame_blame){.kind = CULPRIT_UNKNOWN,
							     .name = "unknown",
							     .ns = ready - booked});
	return err;
}

int tally_add(struct tally *t, const struct host_frame *old, const struct host_frame *now)
{
	int err = 0;

	for (size_t i = 0; i < now->n_vms && !err; i++)
		err = add_vm(t, find_vm(old, &now->vms[i]), &now->vms[i]);
	t->span += now->elapsed - (old ? old->elapsed : 0);
	return err;
}

static int compare(const void *a, const void *b)
{
	const struct host_frame_blame *x = a, *y = b;

	return (x->ns < y->ns) - (x->ns > y->ns);
}

static int compare_vms(const void *a, const void *b)
{
	const struct tally_vm *x = a, *y = b;

	if (x->ready != y->ready)
		return x->ready < y->ready ? 1 : -1;
	return strcmp(x->name, y->name);
}

void tally_sort(struct tally *t)
{
	if (t->n)
		qsort(t->vms, t->n, sizeof(*t->vms), compare_vms);
	for (size_t i = 0; i < t->n; i++)
		if (t->vms[i].n)
			qsort(t->vms[i].rows, t->vms[i].n, sizeof(*t->vms[i].rows), compare);
}

void tally_done(struct tally *t)
{
	for (size_t i = 0; i < t->n; i++)
		free(t->vms[i].rows);
	free(t->vms);
	*t = (struct tally){.vms = NULL};
}
