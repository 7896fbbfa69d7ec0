/* SPDX-License-Identifier: MIT */
/*
 * idle_vms VMS VCPUS: as many processes that look like QEMU's, vm0 and on, with as many threads that
 * look like vCPUs and sleep, until it is killed.
 */
#include "base/units.h"

#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

static void *vcpu(void *number)
{
	char name[16];

	snprintf(name, sizeof(name), "CPU %u/TCG", (unsigned)(uintptr_t)number % 1000);
	prctl(PR_SET_NAME, name);
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
	pause();
	return 0;
}

int main(int argc, char **argv)
{
	if (argc == 4 && !strcmp(argv[1], "-name"))
		return be_vm((unsigned)atoi(argv[3]));
	for (int i = 0; argc == 3 && i < atoi(argv[1]); i++) {
		char name[16];

		snprintf(name, sizeof(name), "vm%d", i);
		if (!fork()) {
			execl("/proc/self/exe", "qemu", "-name", name, argv[2], NULL);
			_exit(127);
		}
	}
	while (wait(NULL) > 0)
		;
	return 0;
}
