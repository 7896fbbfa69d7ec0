/* SPDX-License-Identifier: MIT */
/*
 * fake_vms VMS VCPUS [WAKES]: as many processes that look like QEMU's, vm0 and on, each with as many
 * threads that look like vCPUs, until it is killed. A thread halts, or with WAKES wakes up so often a
 * second and works for 10 us; with `spin` it works all the time.
 */
#include "base/clock.h"
#include "base/units.h"

#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define WORK_NS (10 * NS_PER_US)

static uint64_t pause_ns; /* between two works; 0: none, UINT64_MAX: for ever */

static uint64_t pause_of(const char *wakes)
{
	uint64_t rate = wakes ? strtoull(wakes, NULL, 10) : 0;

	if (!wakes)
		return UINT64_MAX;
	return rate ? NS_PER_SEC / rate : 0;
}

/* As a vCPU of QEMU's halts: on a condition. */
static void halt_until(uint64_t at)
{
	static _Thread_local pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
	static _Thread_local pthread_cond_t cond = PTHREAD_COND_INITIALIZER;
	struct timespec due = {(time_t)(at / NS_PER_SEC), (long)(at % NS_PER_SEC)};

	pthread_mutex_lock(&lock);
	while (!pthread_cond_clockwait(&cond, &lock, CLOCK_MONOTONIC, &due))
		;
	pthread_mutex_unlock(&lock);
}

/* Threads that start together wake up apart. */
static void work(unsigned number)
{
	uint64_t due = clock_mono() +
		       ((uint64_t)getpid() * 7919 + number * 104729) % 1000 * (pause_ns / 1000);

	for (;; due += pause_ns) {
		if (pause_ns)
			halt_until(due);
		for (uint64_t end = clock_mono() + WORK_NS; clock_mono() < end;)
			;
	}
}

static void *vcpu(void *number)
{
	unsigned n = (unsigned)(uintptr_t)number;
	char name[16];

	snprintf(name, sizeof(name), "CPU %u/TCG", n % 1000);
	prctl(PR_SET_NAME, name);
	if (pause_ns != UINT64_MAX)
		work(n);
	for (;;)
		pause();
	return NULL;
}

static int be_vm(unsigned vcpus)
{
	pthread_attr_t small;
	pthread_t thread;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	pthread_attr_init(&small);
	pthread_attr_setstacksize(&small, 64 * KIB);
	for (unsigned i = 0; i < vcpus; i++)
		if (pthread_create(&thread, &small, vcpu, (void *)(uintptr_t)i))
			return 1;
	for (;;)
		pause();
	return 0;
}

int main(int argc, char **argv)
{
	if (argc >= 4 && !strcmp(argv[1], "-name")) {
		pause_ns = pause_of(argv[4]);
		return be_vm((unsigned)atoi(argv[3]));
	}
	for (int i = 0; argc >= 3 && i < atoi(argv[1]); i++) {
		char name[16];

		snprintf(name, sizeof(name), "vm%d", i);
		if (!fork()) {
			execl("/proc/self/exe", "qemu", "-name", name, argv[2], argv[3], NULL);
			_exit(127);
		}
	}
	while (wait(NULL) > 0)
		;
	return 0;
}
