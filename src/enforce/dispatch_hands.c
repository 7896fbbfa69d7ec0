/* SPDX-License-Identifier: MIT */
#include "enforce/dispatch_hands.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define KICK_PRIORITY 1 /* the dispatcher's is above */

int hand_open(const struct dispatch_host *host, const char *top, pid_t tid, uint64_t usual_slice,
	      struct hand *ret)
{
	struct hand h = {.tid = tid, .cpu = HANDS_ANYWHERE};
	char path[CGROUP_PATH + 256];
	int err = thread_class_get(tid, usual_slice, &h.class);

	*ret = (struct hand){.freeze = -1};
	if (!err)
		err = thread_mask_get(tid, &h.mask);
	if (err)
		return err;
	dispatch_freezer(host, top, 't', tid, path, sizeof(path));
	h.freeze = open(path, O_WRONLY | O_CLOEXEC | O_NOFOLLOW);
	if (h.freeze < 0)
		return -errno;
	h.idle_class = thread_class_idle(&h.class);
	*ret = h;
	return 0;
}

void hand_hold(int freeze, bool hold)
{
	/* A cgroup that is gone has nobody to hold. */
	if (pwrite(freeze, hold ? "1" : "0", 1, 0) < 0)
		return;
}

static bool set_held(struct hand *h, bool held)
{
	if (h->held == held)
		return false;
	hand_hold(h->freeze, held);
	h->held = held;
	return true;
}

static bool set_idle(struct hand *h, bool idle)
{
	if (h->idle == idle)
		return false;
	thread_class_set(h->tid, idle ? &h->idle_class : &h->class);
	h->idle = idle;
	return true;
}

static bool pin(struct hand *h, uint32_t cpu)
{
	struct thread_mask one = thread_mask_of(cpu);

	if (h->cpu == cpu)
		return false;
	thread_mask_set(h->tid, cpu == HANDS_ANYWHERE ? &h->mask : &one);
	h->cpu = cpu;
	return true;
}

void hand_close(struct hand *h)
{
	if (h->tid) {
		set_held(h, false);
		set_idle(h, false);
		pin(h, HANDS_ANYWHERE);
		close(h->freeze);
	}
	*h = (struct hand){.freeze = -1};
}

bool hand_take_off(struct hand *h, enum plan_wish wish)
{
	bool changed = false;

	if (wish == PLAN_HOLD)
		return set_held(h, true);
	if (wish != PLAN_WAIT)
		return false;
	changed |= set_idle(h, true);
	changed |= pin(h, HANDS_ANYWHERE);
	changed |= set_held(h, false);
	return changed;
}

bool hand_put_on(struct hand *h, enum plan_wish wish, uint32_t cpu)
{
	bool changed = false;

	if (wish == PLAN_RUN) {
		changed |= pin(h, cpu);
		changed |= set_idle(h, false);
		changed |= set_held(h, false);
	} else if (wish == PLAN_FREE) {
		changed |= set_held(h, false);
		changed |= set_idle(h, false);
	}
	return changed;
}

/* ---- kicks ---- */

struct kicks {
	uint32_t n;
	sem_t sems[];
};

static void *kicker(void *sem)
{
	for (;;)
		sem_wait(sem);
	return NULL;
}

static int start(sem_t *sem, uint32_t cpu)
{
	const struct sched_param param = {.sched_priority = KICK_PRIORITY};
	struct thread_mask mask = thread_mask_of(cpu);
	pthread_attr_t attr;
	pthread_t thread;
	int err;

	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, 65536);
	pthread_attr_setinheritsched(&attr, PTHREAD_EXPLICIT_SCHED);
	pthread_attr_setschedpolicy(&attr, SCHED_FIFO);
	pthread_attr_setschedparam(&attr, &param);
	pthread_attr_setaffinity_np(&attr, sizeof(mask), (const cpu_set_t *)&mask);
	err = pthread_create(&thread, &attr, kicker, sem);
	pthread_attr_destroy(&attr);
	return -err;
}

int kicks_open(const uint32_t *cpus, uint32_t n, struct kicks **ret)
{
	struct kicks *k = calloc(1, sizeof(*k) + n * sizeof(k->sems[0]));
	int err = 0;

	if (!k)
		return -ENOMEM;
	for (uint32_t i = 0; i < n && !err; i++) {
		sem_init(&k->sems[i], 0, 0);
		err = start(&k->sems[i], cpus[i]);
		k->n += !err;
	}
	*ret = k; /* it stays: its threads can't be had back */
	return err;
}

void kicks_kick(struct kicks *k, uint32_t i)
{
	if (i < k->n)
		sem_post(&k->sems[i]);
}
