/* SPDX-License-Identifier: MIT */
#include "wire/host_frame.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct host_frame_vm *host_frame_add(struct host_frame *f, size_t n_vcpus)
{
	struct host_frame_vm *vm = &f->vms[f->n_vms];

	*vm = (struct host_frame_vm){.n_vcpus = n_vcpus};
	vm->vcpus = calloc(n_vcpus + 1, sizeof(*vm->vcpus));
	if (!vm->vcpus)
		return NULL;
	f->n_vms++;
	return vm;
}

const struct host_frame_vm *host_frame_find(const struct host_frame *f,
					    const struct host_frame_vm *now, size_t *hint)
{
	for (size_t i = 0; f && i < f->n_vms; i++) {
		size_t at = (*hint + i) % f->n_vms;
		const struct host_frame_vm *vm = &f->vms[at];

		if (vm->pid != now->pid || vm->since != now->since)
			continue;
		*hint = at + 1;
		return vm;
	}
	return NULL;
}

bool host_frame_same_blame(const struct host_frame_blame *a, const struct host_frame_blame *b)
{
	return a->kind == b->kind && a->pid == b->pid && !strcmp(a->name, b->name);
}

void host_frame_vm_done(struct host_frame_vm *vm)
{
	free(vm->vcpus);
	free(vm->blames);
	free(vm->pages);
	free(vm->interrupts.delays);
	free(vm->exits);
}

/* Without memory *ok becomes false. */
static void *copy_list(const void *from, size_t n, size_t size, bool *ok)
{
	void *copy = n ? malloc(n * size) : NULL;

	*ok &= copy || !n;
	return copy ? memcpy(copy, from, n * size) : NULL;
}

#define COPY(list, n) copy_list(list, n, sizeof(*(list)), &ok)

int host_frame_vm_copy(const struct host_frame_vm *from, struct host_frame_vm *ret)
{
	struct host_frame_vm vm = *from;
	bool ok = true;

	vm.vcpus = COPY(from->vcpus, from->n_vcpus);
	vm.blames = COPY(from->blames, from->n_blames);
	vm.pages = COPY(from->pages, from->n_pages);
	vm.interrupts.delays = COPY(from->interrupts.delays, from->interrupts.n_delays);
	vm.exits = COPY(from->exits, from->n_exits);
	if (!ok) {
		host_frame_vm_done(&vm);
		return -ENOMEM;
	}
	*ret = vm;
	return 0;
}

void host_frame_done(struct host_frame *f)
{
	for (size_t i = 0; i < f->n_vms; i++)
		host_frame_vm_done(&f->vms[i]);
	free(f->vms);
	free(f->unmeasured);
	*f = (struct host_frame){.vms = NULL};
}

bool host_frame_has_page(const struct host_frame_vm *vm)
{
	for (size_t i = 0; i < vm->n_pages; i++)
		if (!vm->pages[i].why[0])
			return true;
	return false;
}

void host_frame_list(const struct host_frame *f, struct failure *ret)
{
	size_t n = 0;

	for (size_t i = 0; i < f->n_vms; i++) {
		if (f->vms[i].ended)
			continue;
		failure_list(ret, f->vms[i].name);
		n++;
	}
	if (!n)
		failure_list(ret, "none");
}

int host_frame_carry(struct host_frame *from, struct host_frame *to)
{
	struct host_frame_vm *vms = reallocarray(to->vms, to->n_vms + from->n_vms + 1,
						 sizeof(*vms));
	size_t left = 0;

	if (!vms)
		return -ENOMEM;
	to->vms = vms;
	for (size_t i = 0; i < from->n_vms; i++) {
		if (from->vms[i].ended)
			to->vms[to->n_vms++] = from->vms[i];
		else
			from->vms[left++] = from->vms[i];
	}
	from->n_vms = left;
	return 0;
}
