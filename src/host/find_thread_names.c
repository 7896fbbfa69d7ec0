/* SPDX-License-Identifier: MIT */
/* vCPU threads by their names, which anybody can give to a thread: the last resort. */
#include "base/proc.h"
#include "base/units.h"
#include "host/finder.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

static const struct {
	const char *before; /* the vCPU's number */
	const char *behind;
} patterns[] = {
	{"CPU ", "/KVM"},    /* QEMU with debug-threads=on, as libvirt starts it */
	{"CPU ", "/TCG"},    /* QEMU, one thread a vCPU */
	{"fc_vcpu ", ""},    /* Firecracker */
	{"vcpu", ""},	     /* cloud-hypervisor */
	{"kvm-vcpu-", ""},   /* kvmtool */
	{"crosvm_vcpu", ""}, /* crosvm */
};

/* QEMU's round robin: one thread for all vCPUs. */
static const char all_vcpus[] = "ALL CPUs/TCG";

static int match(const char *name, const char *before, const char *behind, uint32_t *ret)
{
	size_t n = strlen(before);
	uint32_t index = 0;

	if (strncmp(name, before, n) != 0 || !isdigit((unsigned char)name[n]))
		return -ENOENT;
	for (name += n; isdigit((unsigned char)*name); name++) {
		index = index * 10 + (uint32_t)(*name - '0');
		if (index >= HOST_VCPUS_MAX)
			return -ENOENT;
	}
	if (strcmp(name, behind) != 0)
		return -ENOENT;
	*ret = index;
	return 0;
}

int host_vcpu_of_name(const char *name, uint32_t *ret_index)
{
	if (!strcmp(name, all_vcpus)) {
		*ret_index = 0;
		return 0;
	}
	for (size_t i = 0; i < ARRAY_SIZE(patterns); i++) {
		if (!match(name, patterns[i].before, patterns[i].behind, ret_index))
			return 0;
	}
	return -ENOENT;
}

int host_vcpu_of_thread(pid_t pid, pid_t tid, uint32_t *ret_index)
{
	char path[64], name[PROC_COMM_SIZE];
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/%d/task/%d/comm", pid, tid);
	n = file_read(path, name, sizeof(name));
	if (n < 0)
		return (int)n;
	if (n > 0 && name[n - 1] == '\n')
		name[n - 1] = '\0';
	return host_vcpu_of_name(name, ret_index);
}

static int look_at(pid_t tid, void *data)
{
	struct host_vm *vm = data;
	uint32_t index;
	int err = host_vcpu_of_thread(vm->pid, tid, &index);

	if (err)
		return host_is_want(err) ? err : 0;
	err = host_vm_put(vm, tid, index);
	return err == -EEXIST ? 0 : err; /* two threads of one name: the older one has it */
}

static int find(struct host_vm *vm, struct failure *f)
{
	char path[64];

	(void)f;
	snprintf(path, sizeof(path), "/proc/%d/task", vm->pid);
	return proc_each_id(path, look_at, vm);
}

const struct host_finder host_finder_thread_names = {"names", find};
