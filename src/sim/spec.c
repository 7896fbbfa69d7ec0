/* SPDX-License-Identifier: MIT */
#include "sim/spec.h"

double vm_spec_load(const struct vm_spec *vm)
{
	return vm->demand > 0 ? vm->demand / vm_spec_active(vm) : vm->load;
}

uint32_t vm_spec_active(const struct vm_spec *vm)
{
	return vm->active ? vm->active : vm->vcpus;
}
