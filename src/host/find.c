/* SPDX-License-Identifier: MIT */
#include "host/find.h"

#include "base/proc.h"
#include "base/units.h"
#include "host/finder.h"
#include "host/vm_name.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct host_finder *const finders[] = {
	&host_finder_kvm,
	&host_finder_thread_names,
};

/* The process that a thread belongs to. */
static int read_process_of(pid_t tid, pid_t *ret)
{
	char path[64], text[4096];
	const char *line;
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/%d/status", tid);
	n = file_read(path, text, sizeof(text));
	if (n < 0)
		return n == -ENOENT ? -ESRCH : (int)n;
	line = strstr(text, "\nTgid:");
	if (!line || sscanf(line, "\nTgid: %d", ret) != 1)
		return -EBADMSG;
	return 0;
}

static int run_finders(pid_t pid, struct failure *f, struct host_vm *ret)
{
	int worst = -ENOENT;

	for (size_t i = 0; i < ARRAY_SIZE(finders); i++) {
		struct host_vm vm;
		int err;

		vm = (struct host_vm){.pid = pid};
		err = finders[i]->find(&vm, f);
		if (!err)
			err = host_vm_finish(&vm, finders[i]->name);
		if (!err) {
			vm_name_start(ret, pid);
			ret->n_vcpus = vm.n_vcpus;
			ret->vcpus = vm.vcpus;
			ret->found_by = vm.found_by;
			return 0;
		}
		host_vm_done(&vm);
		if (err != -ENOENT)
			worst = err;
	}
	return worst;
}

static int find_failure(pid_t pid, struct failure *f, int err)
{
	if (err == -ESRCH)
		return failure_set(f, err, "no process %d", pid);
	if (err == -EACCES || err == -EPERM)
		return failure_set(f, -EACCES, "process %d may not be looked into; run as root",
				   pid);
	if (err == -EAGAIN)
		return failure_set(
			f, err,
			"process %d has KVM vCPUs, but which of its threads run them could "
			"not be seen, since they never block and are not called like "
			"vCPUs; try again",
			pid);
	if (err == -ENOENT)
		return failure_set(f, err,
				   "process %d has no vCPU threads: no KVM vCPUs, and no thread "
				   "called like one (QEMU: -name NAME,debug-threads=on)",
				   pid);
	return failure_errno(f, err, "process %d", pid);
}

int host_find_pid(pid_t pid, struct failure *f, struct host_vm *ret)
{
	pid_t process;
	int err = read_process_of(pid, &process);

	if (!err && process != pid)
		return failure_set(f, -ENOENT, "%d is a thread of process %d; give that", pid,
				   process);
	if (!err)
		err = run_finders(pid, f, ret);
	return err ? find_failure(pid, f, err) : 0;
}

struct all {
	struct host_vm *vms;
	size_t n;
};

static int add_if_vm(pid_t pid, void *data)
{
	struct all *all = data;
	struct host_vm *vms, vm;

	if (run_finders(pid, NULL, &vm))
		return 0; /* no VM, gone, or not ours to see */
	vms = realloc(all->vms, (all->n + 1) * sizeof(*vms));
	if (!vms) {
		host_vm_done(&vm);
		return -ENOMEM;
	}
	vms[all->n++] = vm;
	all->vms = vms;
	return 0;
}

static int settle_names(const struct all *all)
{
	struct host_vm **vms = calloc(all->n + 1, sizeof(*vms));

	if (!vms)
		return -ENOMEM;
	for (size_t i = 0; i < all->n; i++)
		vms[i] = &all->vms[i];
	vm_name_settle_all(vms, all->n);
	free(vms);
	return 0;
}

int host_find_all(struct host_vm **ret, size_t *ret_n)
{
	struct all all = {NULL, 0};
	int err = proc_each_id("/proc", add_if_vm, &all);

	if (!err)
		err = settle_names(&all);
	if (err) {
		host_vms_free(all.vms, all.n);
		return err;
	}
	*ret = all.vms;
	*ret_n = all.n;
	return 0;
}

const char *host_find_name(size_t i)
{
	static struct host_vm *vms;
	static size_t n;

	if (!vms && host_find_all(&vms, &n))
		return NULL;
	if (i >= n)
		return NULL;
	return strncmp(vms[i].name, "pid ", 4) ? vms[i].name : vms[i].name + 4;
}
