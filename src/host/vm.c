/* SPDX-License-Identifier: MIT */
#include "host/vm.h"

#include "base/cleanup.h"
#include "base/proc.h"
#include "base/text.h"
#include "base/units.h"
#include "host/finder.h"
#include "host/words.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct host_finder *const finders[] = {
	&finder_kvm,
	&finder_names,
};

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

void printable_copy(const char *from, char *ret, size_t size)
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

/* The value of QEMU's -name: parts end with ',', and ',,' is a comma. */
static int name_of_qemu(const char *value, char *ret, size_t size)
{
	char raw[256];
	size_t used = 0;

	if (!strncmp(value, "guest=", 6))
		value += 6;
	for (; *value && used < sizeof(raw) - 1; value++) {
		if (*value == ',' && *++value != ',')
			break;
		raw[used++] = *value;
	}
	raw[used] = '\0';
	if (!used || !strncmp(raw, "debug-threads=", 14) || !strncmp(raw, "process=", 8))
		return -ENOENT;
	printable_copy(raw, ret, size);
	return 0;
}

static int name_of_id(const char *value, char *ret, size_t size)
{
	if (!*value)
		return -ENOENT;
	printable_copy(value, ret, size);
	return 0;
}

int vm_name_of_words(const struct words *w, char *ret, size_t size)
{
	static const struct {
		const char *option;
		int (*name)(const char *value, char *ret, size_t size);
	} rows[] = {{"name", name_of_qemu}, {"id", name_of_id}};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		size_t at = 0;
		const char *value = words_option(w, rows[i].option, &at);

		if (value)
			return rows[i].name(value, ret, size);
	}
	return -ENOENT;
}

void host_vm_start(struct host_vm *vm, pid_t pid)
{
	struct words words = {.text = NULL};
	struct proc_stat stat;
	const char *uuid;
	size_t at = 0;

	*vm = (struct host_vm){.pid = pid};
	snprintf(vm->name, sizeof(vm->name), "pid %d", pid);
	if (!proc_read_stat(pid, 0, &stat))
		vm->start_ns = stat.start_ns;
	if (words_read(pid, &words))
		return;
	vm_name_of_words(&words, vm->name, sizeof(vm->name));
	uuid = words_option(&words, "uuid", &at);
	if (uuid)
		printable_copy(uuid, vm->uuid, sizeof(vm->uuid));
	words_done(&words);
}

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
			host_vm_start(ret, pid);
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

int host_find_all(struct host_vm **ret, size_t *ret_n)
{
	struct all all = {NULL, 0};
	int err = proc_each_id("/proc", add_if_vm, &all);

	if (err) {
		host_vms_free(all.vms, all.n);
		return err;
	}
	*ret = all.vms;
	*ret_n = all.n;
	return 0;
}
