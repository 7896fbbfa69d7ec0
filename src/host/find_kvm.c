/* SPDX-License-Identifier: MIT */
/*
 * vCPU threads by KVM's file descriptors. /proc/PID/fd says which descriptors are vCPUs
 * ("anon_inode:kvm-vcpu:N"); a thread that blocks in ioctl(KVM_RUN) on one of them is its thread.
 * A thread that runs cannot be asked what it does, so threads are looked at a few times, and those
 * that never block are taken by name. The vCPU's number is the one in the thread's name where it
 * has one, since N is an APIC id in QEMU.
 */
#include "base/cleanup.h"
#include "base/proc.h"
#include "bpf/vcpu_state.h"
#include "host/finder.h"
#include "host/thread.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define LOOKS	      10
#define LOOK_PAUSE_NS 1000000

struct vcpu_fd {
	int fd;
	uint32_t id;
	pid_t tid; /* 0: not yet known */
};

struct search {
	struct host_vm *vm;
	struct vcpu_fd *fds;
	size_t n;
	size_t unknown; /* of the n */
};

static int add_fd(struct search *s, int fd, uint32_t id)
{
	struct vcpu_fd *fds = realloc(s->fds, (s->n + 1) * sizeof(*fds));

	if (!fds)
		return -ENOMEM;
	fds[s->n++] = (struct vcpu_fd){.fd = fd, .id = id};
	s->fds = fds;
	s->unknown++;
	return 0;
}

static bool has_id(const struct search *s, uint32_t id)
{
	for (size_t i = 0; i < s->n; i++) {
		if (s->fds[i].id == id)
			return true;
	}
	return false;
}

/* proc_each_id() leaves out "0": fine, a monitor's descriptor 0 is no vCPU. */
static int look_at_fd(pid_t fd, void *data)
{
	static const char prefix[] = "anon_inode:kvm-vcpu:";
	char path[64], target[64], *end;
	struct search *s = data;
	unsigned long id;
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/%d/fd/%d", s->vm->pid, fd);
	n = readlink(path, target, sizeof(target) - 1);
	if (n < 0)
		return 0; /* closed by now */
	target[n] = '\0';
	if (strncmp(target, prefix, sizeof(prefix) - 1) != 0)
		return 0;
	id = strtoul(target + sizeof(prefix) - 1, &end, 10);
	/* A descriptor may be duplicated; a vCPU counts once. */
	if (*end || id >= HOST_VCPUS_MAX || has_id(s, (uint32_t)id))
		return 0;
	return s->n < HOST_VCPUS_MAX ? add_fd(s, fd, (uint32_t)id) : 0;
}

static int look_at_call(pid_t tid, void *data)
{
	struct search *s = data;
	struct thread_call call;
	int err = thread_read_call(s->vm->pid, tid, &call);

	if (err || call.worker)
		return host_is_want(err) ? err : 0;
	if (call.number != __NR_ioctl || (uint32_t)call.arg[1] != VCPU_KVM_RUN)
		return 0;
	for (size_t i = 0; i < s->n; i++) {
		if ((uint64_t)s->fds[i].fd != call.arg[0] || s->fds[i].tid)
			continue;
		s->fds[i].tid = tid;
		s->unknown--;
	}
	return 0;
}

static int put_known(struct search *s)
{
	for (size_t i = 0; i < s->n; i++) {
		uint32_t index = s->fds[i].id;
		int err;

		if (!s->fds[i].tid)
			continue;
		host_vcpu_of_thread(s->vm->pid, s->fds[i].tid, &index);
		err = host_vm_put(s->vm, s->fds[i].tid, index);
		if (err && err != -EEXIST)
			return err;
	}
	return 0;
}

/* There are as many vCPUs as descriptors, at most. */
static int put_named(pid_t tid, void *data)
{
	struct search *s = data;
	uint32_t index;
	int err;

	if (s->vm->n_vcpus >= s->n)
		return 0;
	err = host_vcpu_of_thread(s->vm->pid, tid, &index);
	if (err)
		return host_is_want(err) ? err : 0;
	err = host_vm_put(s->vm, tid, index);
	return err == -EEXIST ? 0 : err;
}

static int find_threads(struct search *s)
{
	const struct timespec pause = {.tv_nsec = LOOK_PAUSE_NS};
	char path[64];
	int err = 0;

	snprintf(path, sizeof(path), "/proc/%d/task", s->vm->pid);
	for (int i = 0; i < LOOKS && s->unknown && !err; i++) {
		if (i)
			nanosleep(&pause, NULL);
		err = proc_each_id(path, look_at_call, s);
	}
	if (!err)
		err = put_known(s);
	if (!err && s->unknown)
		err = proc_each_id(path, put_named, s);
	return !err && !s->vm->n_vcpus ? -EAGAIN : err;
}

static int find(struct host_vm *vm, struct failure *f)
{
	struct search s = {.vm = vm};
	char path[64];
	int err;

	(void)f;
	snprintf(path, sizeof(path), "/proc/%d/fd", vm->pid);
	err = proc_each_id(path, look_at_fd, &s);
	if (!err)
		err = s.n ? find_threads(&s) : -ENOENT;
	free(s.fds);
	return err;
}

const struct host_finder host_finder_kvm = {"kvm-fd", find};
