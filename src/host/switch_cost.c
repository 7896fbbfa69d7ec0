/* SPDX-License-Identifier: MIT */
#include "host/switch_cost.h"

#include "base/cleanup.h"
#include "base/clock.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <unistd.h>

#define BATCHES 20
#define ROUNDS	500 /* of a batch: two switches each */

struct player {
	int in, out;		   /* descriptors */
	bool first;		   /* writes before it reads */
	uint64_t cpu[BATCHES + 1]; /* ns, the thread's, between batches */
	int err;
};

static void close_pipe(const int (*p)[2])
{
	for (int i = 0; i < 2; i++) {
		if ((*p)[i] >= 0)
			close((*p)[i]);
	}
}

/* One byte goes to and fro: its owner runs, the other one sleeps. */
static int pass(const struct player *p)
{
	char byte = 0;

	if (p->first && write(p->out, &byte, 1) != 1)
		return -EPIPE;
	if (read(p->in, &byte, 1) != 1)
		return -EPIPE;
	return p->first || write(p->out, &byte, 1) == 1 ? 0 : -EPIPE;
}

static void *play(void *data)
{
	struct player *p = data;

	for (int b = 0; b < BATCHES && !p->err; b++) {
		p->cpu[b] = clock_thread();
		for (int i = 0; i < ROUNDS && !p->err; i++)
			p->err = pass(p);
	}
	p->cpu[BATCHES] = clock_thread();
	return NULL;
}

static int start_beside(pthread_t *t, struct player *p, int cpu)
{
	pthread_attr_t attr;
	cpu_set_t set;
	int err;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	pthread_attr_init(&attr);
	err = pthread_attr_setaffinity_np(&attr, sizeof(set), &set);
	if (!err)
		err = pthread_create(t, &attr, play, p);
	pthread_attr_destroy(&attr);
	return -err;
}

/* So that who reads there finds the end. */
static void end_writing(int *fd)
{
	close(*fd);
	*fd = -1;
}

int switch_cost(struct mean *ret)
{
	_cleanup_(close_pipe) int there[2] = {-1, -1}, back[2] = {-1, -1};
	struct player a, b;
	struct mean m = {0};
	pthread_t t[2];
	int cpu = sched_getcpu(), err;

	if (cpu < 0 || pipe(there) || pipe(back))
		return -errno;
	a = (struct player){.in = back[0], .out = there[1], .first = true};
	b = (struct player){.in = there[0], .out = back[1]};
	err = start_beside(&t[0], &a, cpu);
	if (err)
		return err;
	err = start_beside(&t[1], &b, cpu);
	if (err)
		end_writing(&back[1]);
	pthread_join(t[0], NULL);
	if (!err)
		pthread_join(t[1], NULL);
	for (int i = 1; i < BATCHES && !err; i++) /* the first one warms up */
		mean_add(&m, (double)(a.cpu[i + 1] - a.cpu[i] + b.cpu[i + 1] - b.cpu[i]) /
				     (2.0 * ROUNDS));
	if (!err)
		*ret = m;
	return err;
}
