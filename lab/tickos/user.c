/* SPDX-License-Identifier: MIT */
/* What runs in user mode, in the page that user mode may touch. */
#include "tickos.h"

#define DATA  __attribute__((section(".user.data")))
#define CODE  __attribute__((section(".user.text"), noreturn))
#define STEPS 1024

DATA struct user users[CPUS_MAX];

/* A unit is the same amount of work for everybody, some microseconds of it. */
CODE void user_work(uint64_t *units)
{
	uint64_t x = 1;

	for (;;) {
		for (int i = 0; i < STEPS; i++)
			__asm__ volatile("imul $0x5851f42d, %0, %0\n\tadd $1, %0" : "+r"(x));
		(*(volatile uint64_t *)units)++;
	}
}
