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
	for (uint32_t i = 0; i < l->n_cpus; i++)
		l->taken[i] = __atomic_load_n(&l->cpus[i].head, __ATOMIC_ACQUIRE);
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

/* False for a record that was overwritten before or while it was copied. */
static bool copy_record(const struct run_log *l, uint32_t cpu, uint64_t number,
			struct blame_record *ret)
{
	const struct blame_record *from =
		&l->records[(size_t)cpu * l->size + (number & (l->size - 1))];

	*ret = *(const volatile struct blame_record *)from;
	__atomic_thread_fence(__ATOMIC_ACQUIRE);
	return __atomic_load_n(&l->cpus[cpu].head, __ATOMIC_RELAXED) - number < l->size;
}

int run_log_take(struct run_log *l, uint32_t cpu,
		 void (*fn)(const struct blame_record *record, void *data), void *data,
		 struct blame_cpu *ret_now, uint64_t *ret_until)
{
	uint64_t *taken = &l->taken[cpu], until = 0;
	struct blame_cpu now;
	int err = read_cpu(&l->cpus[cpu], &now, &until);

	if (now.head - *taken > l->size) {
		l->lost += now.head - *taken - l->size;
		*taken = now.head - l->size;
	}
	for (; *taken < now.head; (*taken)++) {
		struct blame_record record;

		if (copy_record(l, cpu, *taken, &record))
			fn(&record, data);
		else
			l->lost++;
	}
	if (err)
		return err;
	*ret_now = now;
	*ret_until = until;
	return 0;
}
