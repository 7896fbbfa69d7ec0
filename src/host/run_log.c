/* SPDX-License-Identifier: MIT */
#include "host/run_log.h"

#include "base/clock.h"
#include "base/units.h"

#include <errno.h>
#include <stdlib.h>
#include <time.h>

/* As for slots (source_bpf.c): the clock of BPF programs and ours may differ for an instant. */
#define CLOCK_SKEW_NS NS_PER_US

#define SPINS	 1000 /* then sleep between tries */
#define SLEEPS	 100
#define SLEEP_NS NS_PER_MS

int run_log_open(struct run_log *l)
{
	l->taken = calloc(l->n_cpus, sizeof(*l->taken));
	return l->taken ? 0 : -ENOMEM;
}

void run_log_close(struct run_log *l)
{
	free(l->taken);
	l->taken = NULL;
}

void run_log_skip(struct run_log *l)
{
	for (uint32_t i = 0; i < l->n_cpus; i++) {
		l->taken[i] = __atomic_load_n(&l->cpus[i].head, __ATOMIC_ACQUIRE);
		__atomic_store_n(&l->cpus[i].taken, l->taken[i], __ATOMIC_RELEASE);
	}
}

uint64_t run_log_lost(const struct run_log *l)
{
	uint64_t lost = 0;

	for (uint32_t i = 0; l->taken && i < l->n_cpus; i++)
		lost += __atomic_load_n(&l->cpus[i].lost, __ATOMIC_RELAXED);
	return lost;
}

/* A copy of a CPU's state between two switches, and a time at which it was so. */
static int read_cpu(const struct blame_cpu *from, struct blame_cpu *ret, uint64_t *ret_at)
{
	const struct timespec nap = {.tv_nsec = SLEEP_NS};

	for (int i = 0; i < SPINS + SLEEPS; i++) {
		uint64_t now = clock_mono() - CLOCK_SKEW_NS;
		uint32_t seq = __atomic_load_n(&from->seq, __ATOMIC_ACQUIRE);

		*ret = *(const volatile struct blame_cpu *)from;
		*ret_at = now;
		__atomic_thread_fence(__ATOMIC_ACQUIRE);
		if (!(seq & 1) && __atomic_load_n(&from->seq, __ATOMIC_RELAXED) == seq)
			return 0;
		if (i >= SPINS)
			nanosleep(&nap, NULL);
	}
	return -EAGAIN;
}

int run_log_take(struct run_log *l, uint32_t cpu,
		 void (*fn)(const struct blame_record *record, void *data), void *data,
		 struct blame_cpu *ret_now, uint64_t *ret_until)
{
	uint64_t *taken = &l->taken[cpu], until = 0;
	struct blame_cpu now;
	int err = read_cpu(&l->cpus[cpu], &now, &until);

	for (; *taken < now.head; (*taken)++)
		fn(&l->records[(size_t)cpu * l->size + (*taken & (l->size - 1))], data);
	__atomic_store_n(&l->cpus[cpu].taken, *taken, __ATOMIC_RELEASE);
	if (err)
		return err;
	*ret_now = now;
	*ret_until = until;
	return 0;
}
