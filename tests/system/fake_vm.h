/* SPDX-License-Identifier: MIT */
/*
 * A process that looks like a VM to the host's finders and scheduler, and knows itself where its
 * time went: a thread called "CPU 0/TCG" that does what a TCG vCPU does, and helpers. All of it,
 * and a competitor process, are pinned to one CPU.
 */
#ifndef SYSTEM_FAKE_VM_H
#define SYSTEM_FAKE_VM_H

#include "base/clock.h"
#include "base/units.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define FAULTS	      20
#define FAULT_WAIT_NS (15 * NS_PER_MS)

enum fake_mode {
	FAKE_MIXED,  /* works, idles in a condition wait, waits for a lock */
	FAKE_FAULTS, /* touches pages that come late (userfaultfd) */
	FAKE_SPIN,   /* works until told to end its vCPU */
};

/* Shared with the child, which only adds to it. */
struct fake_shared {
	_Atomic pid_t vcpu;	   /* thread id, once it runs */
	_Atomic uint64_t idle_ns;  /* wall time within condition waits */
	_Atomic uint64_t lock_ns;  /* wall time within waits for the lock */
	_Atomic uint64_t fault_ns; /* wall time that the fault handler let its victim wait */
	_Atomic int faults;	   /* handled; -1: no userfaultfd here */
	_Atomic int go;		   /* the faults may begin; in FAKE_SPIN: end the vCPU thread */
};

struct fake_vm {
	pid_t pid, competitor; /* competitor 0: none */
	int cpu;
	struct fake_shared *shared;
};

/* The child's. */
static struct {
	struct fake_shared *shared;
	pthread_mutex_t idle_mutex, lock;
	pthread_cond_t interrupt;
	bool pending; /* under idle_mutex */
} fake = {
	.idle_mutex = PTHREAD_MUTEX_INITIALIZER,
	.lock = PTHREAD_MUTEX_INITIALIZER,
	.interrupt = PTHREAD_COND_INITIALIZER,
};

static inline void fake_spin(uint64_t ns)
{
	uint64_t end = clock_mono() + ns;

	while (clock_mono() < end)
		;
}

static inline void fake_start_vcpu(void)
{
	prctl(PR_SET_NAME, "CPU 0/TCG");
	atomic_store(&fake.shared->vcpu, gettid());
}

static inline void *fake_mixed_vcpu(void *data)
{
	(void)data;
	fake_start_vcpu();
	for (;;) {
		uint64_t before;

		fake_spin(4 * NS_PER_MS);
		pthread_mutex_lock(&fake.idle_mutex);
		before = clock_mono();
		while (!fake.pending)
			pthread_cond_wait(&fake.interrupt, &fake.idle_mutex);
		fake.pending = false;
		atomic_fetch_add(&fake.shared->idle_ns, clock_mono() - before);
		pthread_mutex_unlock(&fake.idle_mutex);
		before = clock_mono();
		pthread_mutex_lock(&fake.lock);
		atomic_fetch_add(&fake.shared->lock_ns, clock_mono() - before);
		pthread_mutex_unlock(&fake.lock);
	}
	return NULL;
}

/* Holds the lock for a while, then lets go and interrupts the idle guest while it holds it
 * again. */
static inline void *fake_main_loop(void *data)
{
	(void)data;
	for (;;) {
		usleep(8000);
		pthread_mutex_lock(&fake.lock);
		pthread_mutex_lock(&fake.idle_mutex);
		fake.pending = true;
		pthread_cond_signal(&fake.interrupt);
		pthread_mutex_unlock(&fake.idle_mutex);
		usleep(6000);
		pthread_mutex_unlock(&fake.lock);
	}
	return NULL;
}

static inline void *fake_short_life(void *data)
{
	(void)data;
	fake_spin(2 * NS_PER_MS);
	return NULL;
}

/* Overhead: threads that work a little and end. */
static inline void *fake_workers(void *data)
{
	(void)data;
	for (;;) {
		pthread_t t;

		if (!pthread_create(&t, NULL, fake_short_life, NULL))
			pthread_join(t, NULL);
		usleep(10000);
	}
	return NULL;
}

static inline void *fake_fault_vcpu(void *pages)
{
	fake_start_vcpu();
	while (!atomic_load(&fake.shared->go))
		fake_spin(NS_PER_MS);
	for (int i = 0; i < FAULTS; i++) {
		((volatile char *)pages)[i * 4096] = 1;
		fake_spin(2 * NS_PER_MS);
	}
	for (;;)
		fake_spin(NS_PER_MS);
	return NULL;
}

static inline void fake_serve_faults(int fd, char *pages)
{
	for (int i = 0; i < FAULTS; i++) {
		struct uffd_msg message;
		struct uffdio_zeropage zero = {.range = {.len = 4096}};
		uint64_t before;

		if (read(fd, &message, sizeof(message)) != sizeof(message))
			_exit(1);
		before = clock_mono();
		while (clock_mono() - before < FAULT_WAIT_NS)
			usleep(1000);
		zero.range.start = (uint64_t)(uintptr_t)(pages + i * 4096);
		atomic_fetch_add(&fake.shared->fault_ns, clock_mono() - before);
		if (ioctl(fd, UFFDIO_ZEROPAGE, &zero))
			_exit(1);
		atomic_fetch_add(&fake.shared->faults, 1);
	}
}

static inline void fake_run_faults(void)
{
	struct uffdio_api api = {.api = UFFD_API};
	char *pages = mmap(NULL, FAULTS * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			   -1, 0);
	struct uffdio_register range = {
		.range = {.start = (uint64_t)(uintptr_t)pages, .len = FAULTS * 4096},
		.mode = UFFDIO_REGISTER_MODE_MISSING};
	int fd = (int)syscall(SYS_userfaultfd, O_CLOEXEC | UFFD_USER_MODE_ONLY);
	pthread_t t;

	if (fd < 0 || ioctl(fd, UFFDIO_API, &api) || ioctl(fd, UFFDIO_REGISTER, &range)) {
		atomic_store(&fake.shared->faults, -1);
		return;
	}
	pthread_create(&t, NULL, fake_fault_vcpu, pages);
	fake_serve_faults(fd, pages);
}

static inline void *fake_spin_vcpu(void *data)
{
	(void)data;
	fake_start_vcpu();
	while (!atomic_load(&fake.shared->go))
		fake_spin(NS_PER_MS);
	return NULL;
}

static inline void fake_pin(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	if (sched_setaffinity(0, sizeof(set), &set))
		_exit(1);
}

/* A child that dies with its parent. */
static inline pid_t fake_fork(int cpu)
{
	pid_t pid = fork();

	if (pid)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	fake_pin(cpu);
	return 0;
}

static inline void fake_child(enum fake_mode mode)
{
	pthread_t t;

	if (mode == FAKE_MIXED) {
		pthread_create(&t, NULL, fake_mixed_vcpu, NULL);
		pthread_create(&t, NULL, fake_main_loop, NULL);
		pthread_create(&t, NULL, fake_workers, NULL);
	} else if (mode == FAKE_SPIN) {
		pthread_create(&t, NULL, fake_spin_vcpu, NULL);
	} else {
		fake_run_faults();
	}
	for (;;)
		pause();
}

/* The last CPU that this process may use. */
static inline int fake_cpu(void)
{
	int cpu = CPU_SETSIZE;
	cpu_set_t set;

	sched_getaffinity(0, sizeof(set), &set);
	while (cpu > 0 && !CPU_ISSET(--cpu, &set))
		;
	return cpu;
}

/* Starts the VM; returns when its vCPU thread runs. False when the mode does not work here. */
static inline bool fake_vm_start(struct fake_vm *vm, enum fake_mode mode, bool competitor)
{
	setpriority(PRIO_PROCESS, 0, -20); /* or the VM would starve its observer */
	vm->cpu = fake_cpu();
	vm->competitor = 0;
	vm->shared = mmap(NULL, sizeof(*vm->shared), PROT_READ | PROT_WRITE,
			  MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	fake.shared = vm->shared;
	vm->pid = fake_fork(vm->cpu);
	if (!vm->pid)
		fake_child(mode);
	if (competitor) {
		vm->competitor = fake_fork(vm->cpu);
		while (!vm->competitor)
			fake_spin(NS_PER_SEC);
	}
	while (!atomic_load(&vm->shared->vcpu) && atomic_load(&vm->shared->faults) >= 0)
		usleep(1000);
	return atomic_load(&vm->shared->faults) >= 0;
}

/* From now on vCPU and competitor share the CPU in turns, and others get next to nothing of it. */
static inline bool fake_vm_outranks_others(const struct fake_vm *vm)
{
	const struct sched_param param = {.sched_priority = 1};

	return !sched_setscheduler(vm->shared->vcpu, SCHED_RR, &param) &&
	       !sched_setscheduler(vm->competitor, SCHED_RR, &param);
}

static inline void fake_vm_end(struct fake_vm *vm)
{
	kill(vm->pid, SIGKILL);
	waitpid(vm->pid, NULL, 0);
	if (vm->competitor) {
		kill(vm->competitor, SIGKILL);
		waitpid(vm->competitor, NULL, 0);
	}
	munmap(vm->shared, sizeof(*vm->shared));
}

#endif
