/* SPDX-License-Identifier: MIT */
#include "wire/host_frame.h"

#include <stdlib.h>

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

void host_frame_vm_done(struct host_frame_vm *vm)
{
	free(vm->vcpus);
	free(vm->blames);
	free(vm->pages);
	free(vm->interrupts.delays);
}

void host_frame_done(struct host_frame *f)
{
	for (size_t i = 0; i < f->n_vms; i++)
		host_frame_vm_done(&f->vms[i]);
	free(f->vms);
	free(f->unmeasured);
	*f = (struct host_frame){.vms = NULL};
}
