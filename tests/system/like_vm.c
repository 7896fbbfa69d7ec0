/* SPDX-License-Identifier: MIT */
/*
 * like_vm -name NAME [FILE]: a process that looks like a VM with two vCPUs, which share one CPU of
 * the host: the first one works all the time, the second one a fifth of it. With FILE (like_vm.h) it
 * does what stands there, and leaves there what it used; without, it works until it is killed.
 */
#include "like_vm.h"

#include "base/clock.h"
#include "base/proc.h"
#include "base/units.h"

#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

static struct like_vm alone = {.order = LIKE_VM_RUN};
static struct like_vm *vm = &alone;

static struct like_vm_times own_times(void)
{
	struct like_vm_times t = {0};
	struct timespec ts;
	uint64_t run;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
	t.cpu = (uint64_t)ts.tv_sec * NS_PER_SEC + (uint64_t)ts.tv_nsec;
	if (proc_read_schedstat(getpid(), gettid(), &run, &t.waited))
		t.waited = UINT64_MAX;
	return t;
}

/* Looks at the clock; *last is when it did so before. */
static uint64_t look(uint64_t *last, uint64_t *jump)
{
	uint64_t now = clock_mono();

	*jump = u64_max(*jump, now - *last);
	*last = now;
	return now;
}

static void *vcpu(void *number)
{
	size_t n = (size_t)(uintptr_t)number;
	uint64_t last, jump = 0;
	char name[16];

	snprintf(name, sizeof(name), "CPU %zu/TCG", n % 10);
	prctl(PR_SET_NAME, name);
	vm->tid[n] = gettid();
	vm->before[n] = own_times();
	atomic_fetch_add(&vm->ready, 1);
	like_vm_wait(vm, LIKE_VM_IDLE);
	last = vm->ordered;
	while (atomic_load(&vm->order) == LIKE_VM_RUN) {
		for (uint64_t end = look(&last, &jump) + NS_PER_MS; look(&last, &jump) < end;)
			;
		if (n)
			usleep(4000);
	}
	vm->after[n] = own_times();
	look(&last, &jump);
	if (!n)
		vm->jump = jump;
	atomic_fetch_add(&vm->stopped, 1);
	like_vm_wait(vm, LIKE_VM_STOP);
	return NULL;
}

/* To the last CPU that there is for it. */
static void pin(void)
{
	int cpu = CPU_SETSIZE;
	cpu_set_t set;

	sched_getaffinity(0, sizeof(set), &set);
	while (cpu > 0 && !CPU_ISSET(--cpu, &set))
		;
	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	sched_setaffinity(0, sizeof(set), &set);
}

int main(int argc, char **argv)
{
	int fd = argc > 3 ? open(argv[3], O_RDWR | O_CLOEXEC) : -1;
	pthread_t threads[LIKE_VM_VCPUS];

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	setpriority(PRIO_PROCESS, 0, 5); /* not to starve who looks */
	pin();
	if (fd >= 0)
		vm = mmap(NULL, sizeof(*vm), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (vm == MAP_FAILED)
		return 1;
	for (size_t i = 0; i < LIKE_VM_VCPUS; i++)
		if (pthread_create(&threads[i], NULL, vcpu, (void *)(uintptr_t)i))
			return 1;
	for (size_t i = 0; i < LIKE_VM_VCPUS; i++)
		pthread_join(threads[i], NULL);
	return 0;
}
