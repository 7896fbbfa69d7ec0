/* SPDX-License-Identifier: MIT */
#include "host/host_vm.h"

#include "base/cleanup.h"
#include "base/text.h"
#include "base/units.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int host_vm_put(struct host_vm *vm, pid_t tid, uint32_t index)
{
	struct host_vcpu *vcpus;

	if (index >= HOST_VCPUS_MAX)
		return -ERANGE;
	for (uint32_t i = 0; i < vm->n_vcpus; i++) {
		if (vm->vcpus[i].index == index || vm->vcpus[i].tid == tid)
			return -EEXIST;
	}
	vcpus = realloc(vm->vcpus, (vm->n_vcpus + 1) * sizeof(*vcpus));
	if (!vcpus)
		return -ENOMEM;
	vcpus[vm->n_vcpus++] = (struct host_vcpu){.tid = tid, .index = index};
	vm->vcpus = vcpus;
	return 0;
}

static int by_index(const void *a, const void *b)
{
	uint32_t x = ((const struct host_vcpu *)a)->index;
	uint32_t y = ((const struct host_vcpu *)b)->index;

	return x < y ? -1 : x > y;
}

int host_vm_finish(struct host_vm *vm, const char *found_by)
{
	if (!vm->n_vcpus)
		return -ENOENT;
	qsort(vm->vcpus, vm->n_vcpus, sizeof(vm->vcpus[0]), by_index);
	vm->found_by = found_by;
	return 0;
}

void host_vm_done(struct host_vm *vm)
{
	free(vm->vcpus);
	vm->vcpus = NULL;
	vm->n_vcpus = 0;
}

void host_vms_free(struct host_vm *vms, size_t n)
{
	for (size_t i = 0; i < n; i++)
		host_vm_done(&vms[i]);
	free(vms);
}

void host_printable(const char *from, char *ret, size_t size)
{
	size_t used = 0;

	while (*from) {
		const char *start = from;
		uint32_t ch = utf8_next(&from);
		bool good = ch != '?' && text_is_harmless(ch);
		size_t take = good ? (size_t)(from - start) : 1;

		if (used + take >= size)
			break;
		memcpy(ret + used, good ? start : "?", take);
		used += take;
	}
	ret[used] = '\0';
}
