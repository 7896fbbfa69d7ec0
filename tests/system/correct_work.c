/* SPDX-License-Identifier: MIT */
/*
 * correct_work: three processes that count units of one kind of work, for test_correct_vm.c.
 * `wave` and `tide` work for some seconds and rest for some, `bursty` works for 2 ms and sleeps 9.
 * A line a second tells the counts: "UNITS time wave tide bursty".
 */
#include "base/clock.h"
#include "base/units.h"

#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

enum { WAVE, TIDE, BURSTY, KINDS };

static const char *const names[KINDS] = {"wave", "tide", "bursty"};

/* A chain of dependent steps in registers, about 20 us under TCG. */
static void unit(_Atomic uint64_t *count)
{
	uint32_t x = 2463534242u;

	for (int i = 0; i < 5000; i++) {
		x ^= x << 13;
		x ^= x >> 17;
		x ^= x << 5;
		__asm__ volatile("" : "+r"(x));
	}
	atomic_fetch_add_explicit(count, 1, memory_order_relaxed);
}

static void rest(uint64_t ns)
{
	nanosleep(&(struct timespec){(time_t)(ns / NS_PER_SEC), (long)(ns % NS_PER_SEC)}, NULL);
}

/* By the wall's clock, so that the load does not depend on who else is on the CPU. */
static void work(_Atomic uint64_t *count, uint64_t ns)
{
	uint64_t until = clock_mono() + ns;

	while (clock_mono() < until)
		unit(count);
}

/* As much work, however long it takes. */
static void work_units(_Atomic uint64_t *count, uint64_t units)
{
	while (units--)
		unit(count);
}

static uint64_t units_in(uint64_t ns)
{
	_Atomic uint64_t count = 0;

	work(&count, 100 * NS_PER_MS);
	return u64_max(count * ns / (100 * NS_PER_MS), 1);
}

static void live(int kind, _Atomic uint64_t *count)
{
	uint64_t burst = units_in(2 * NS_PER_MS);
	uint32_t seed = (uint32_t)kind;

	prctl(PR_SET_NAME, names[kind]);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (;;) {
		seed = seed * 1103515245 + 12345;
		if (kind == BURSTY) {
			work_units(count, burst);
			rest(9 * NS_PER_MS);
		} else {
			work(count, (1 + seed / 65536 % 6) * NS_PER_SEC);
			rest((2 + seed / 524288 % 6) * NS_PER_SEC);
		}
	}
}

int main(void)
{
	_Atomic uint64_t *counts = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
					MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (counts == MAP_FAILED)
		return 1;
	for (int i = 0; i < KINDS; i++)
		if (fork() == 0)
			live(i, &counts[i]);
	for (;;) {
		printf("UNITS %.3f %llu %llu %llu\n", ns_to_s(clock_real()),
		       (unsigned long long)counts[WAVE], (unsigned long long)counts[TIDE],
		       (unsigned long long)counts[BURSTY]);
		fflush(stdout);
		rest(NS_PER_SEC);
	}
}
