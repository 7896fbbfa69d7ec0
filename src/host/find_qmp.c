/* SPDX-License-Identifier: MIT */
/*
 * vCPU threads as QEMU itself says: query-cpus-fast. In round robin all vCPUs of a TCG guest share
 * one thread, which then stands for all of them.
 */
#include "base/cleanup.h"
#include "host/find.h"
#include "host/finder.h"
#include "host/qmp.h"
#include "host/vm_name.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>

static void drop_json(json_t **j)
{
	json_decref(*j);
}

static void close_qmp(struct qmp **q)
{
	qmp_close(*q);
}

static int put(struct host_vm *vm, const json_t *cpu)
{
	json_int_t tid = json_integer_value(json_object_get(cpu, "thread-id"));
	json_int_t index = json_integer_value(json_object_get(cpu, "cpu-index"));
	int err;

	if (tid <= 0 || tid > INT_MAX || index < 0 || index >= HOST_VCPUS_MAX)
		return -EBADMSG;
	err = host_vm_put(vm, (pid_t)tid, (uint32_t)index);
	return err == -EEXIST ? 0 : err;
}

static int take_answer(struct host_vm *vm, const json_t *answer)
{
	const json_t *cpu;
	size_t i;

	if (!json_is_array(answer) || json_array_size(answer) > HOST_VCPUS_MAX)
		return -EBADMSG;
	json_array_foreach((json_t *)answer, i, cpu)
	{
		int err = put(vm, cpu);

		if (err)
			return err;
	}
	return host_vm_finish(vm, "qmp");
}

/* The threads must be of that process: a monitor is not asked about others. */
static int check_threads(const struct host_vm *vm)
{
	for (uint32_t i = 0; i < vm->n_vcpus; i++) {
		char path[64];

		snprintf(path, sizeof(path), "/proc/%d/task/%d", vm->pid, vm->vcpus[i].tid);
		if (access(path, F_OK) != 0)
			return -ESRCH;
	}
	return 0;
}

int host_find_qmp_on(struct qmp *q, pid_t pid, uint64_t timeout_ns, struct failure *f,
		     struct host_vm *ret)
{
	_cleanup_(drop_json) json_t *answer = NULL;
	struct host_vm vm;
	int err = qmp_command(q, "query-cpus-fast", NULL, timeout_ns, f, &answer);

	if (err)
		return err;
	vm_name_start(&vm, pid);
	err = take_answer(&vm, answer);
	if (err)
		failure_errno(f, err, "QMP, query-cpus-fast: no list of vCPU threads came");
	else if ((err = check_threads(&vm)))
		failure_set(f, err, "QMP, query-cpus-fast: its threads are not of process %d", pid);
	if (err) {
		host_vm_done(&vm);
		return err;
	}
	*ret = vm;
	return 0;
}

int host_find_qmp(int fd, pid_t pid, uint64_t timeout_ns, struct failure *f, struct host_vm *ret)
{
	_cleanup_(close_qmp) struct qmp *q = NULL;
	int err = qmp_open(fd, timeout_ns, f, &q);

	return err ? err : host_find_qmp_on(q, pid, timeout_ns, f, ret);
}
