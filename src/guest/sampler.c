/* SPDX-License-Identifier: MIT */
#include "guest/sampler.h"

#include "base/clock.h"
#include "base/units.h"
#include "bpf/object.h"
#include "bpf/timers.h"

#include <errno.h>
#include <math.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <time.h>

#define QUEUE_SAMPLES 4096
#define STACK_BYTES   (64 * KIB)

struct sampler_thread {
	struct sampler *sampler;
	pthread_t thread;
	unsigned cpu;
	uint64_t random;
	uint64_t due;
	bool started;
};

struct sampler {
	struct bpf_object *object;
	struct bpf_links links;
	struct timers_shared *shared; /* changes under us */
	size_t shared_size;
	uint64_t mean;
	struct sampler_thread *threads;
	unsigned n_threads;
	atomic_bool stop;
	pthread_mutex_t lock; /* of what follows */
	struct sample queue[QUEUE_SAMPLES];
	size_t n;
	uint64_t lost;
};

/* xorshift64*, George Marsaglia, "Xorshift RNGs", Journal of Statistical Software 8(14), 2003. */
static double uniform(uint64_t *state)
{
	*state ^= *state >> 12;
	*state ^= *state << 25;
	*state ^= *state >> 27;
	return ((double)((*state * 0x2545f4914f6cdd1dull) >> 11) + 0.5) * 0x1p-53;
}

static uint64_t next_instant(struct sampler_thread *t)
{
	return t->due + (uint64_t)(-log(uniform(&t->random)) * (double)t->sampler->mean);
}

static void put(struct sampler *s, const struct sample *sample)
{
	pthread_mutex_lock(&s->lock);
	if (s->n < QUEUE_SAMPLES)
		s->queue[s->n++] = *sample;
	else
		s->lost++;
	pthread_mutex_unlock(&s->lock);
}

/* Sleeps until t->due. Fills in when the timer's interrupt was served, and who was there. */
static void sleep_until_due(struct sampler_thread *t, struct timers_fire *ret)
{
	volatile struct timers_fire *fire = &t->sampler->shared->fire[t->cpu];
	struct timespec due = {.tv_sec = (time_t)(t->due / NS_PER_SEC),
			       .tv_nsec = (long)(t->due % NS_PER_SEC)};
	uint32_t before = fire->count;

	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &due, NULL) == EINTR)
		;
	*ret = (struct timers_fire){.time = fire->time, .tid = fire->tid, .count = fire->count};
	if (ret->count == before) /* it passed before the timer was set */
		*ret = (struct timers_fire){.time = t->due};
}

/*
 * The instants that are past already, for which no timer can be set. Those before the interrupt
 * passed while the CPU was away; after it the CPU was there, bringing this thread on its way.
 */
static void catch_up(struct sampler_thread *t, const struct timers_fire *fire)
{
	for (;;) {
		struct sample sample = {.cpu = t->cpu, .tid = (pid_t)fire->tid};

		t->due = next_instant(t);
		if (t->due > clock_mono())
			return;
		sample.due = t->due;
		sample.late = u64_sub_floor(fire->time, t->due);
		put(t->sampler, &sample);
	}
}

static void *sample_cpu(void *data)
{
	struct sampler_thread *t = data;
	struct timers_enlist who = {.cpu = t->cpu};
	struct sched_param param = {.sched_priority = 1};
	cpu_set_t one;

	CPU_ZERO(&one);
	CPU_SET(t->cpu, &one);
	if (pthread_setaffinity_np(pthread_self(), sizeof(one), &one))
		return NULL; /* the CPU is offline */
	pthread_setschedparam(pthread_self(), SCHED_FIFO, &param);
	prctl(PR_SET_TIMERSLACK, 1);
	if (bpf_image_call(t->sampler->object, "enlist", &who, sizeof(who)))
		return NULL;
	t->due = clock_mono();
	t->due = next_instant(t);
	while (!atomic_load(&t->sampler->stop)) {
		struct timers_fire fire;
		struct sample sample = {.cpu = t->cpu, .due = t->due};

		sleep_until_due(t, &fire);
		sample.late = u64_sub_floor(fire.time, t->due);
		sample.tid = (pid_t)fire.tid;
		put(t->sampler, &sample);
		catch_up(t, &fire);
	}
	return NULL;
}

static int start_threads(struct sampler *s, unsigned n_cpus, uint64_t seed)
{
	pthread_attr_t attr;
	sigset_t all, before;
	int err = 0;

	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, STACK_BYTES);
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before); /* signals are the main thread's */
	for (unsigned i = 0; i < n_cpus && !err; i++) {
		struct sampler_thread *t = &s->threads[i];

		*t = (struct sampler_thread){.sampler = s, .cpu = i};
		t->random = (seed ^ (i + 1) * 0x9e3779b97f4a7c15ull) | 1;
		err = -pthread_create(&t->thread, &attr, sample_cpu, t);
		t->started = !err;
	}
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	pthread_attr_destroy(&attr);
	return err;
}

int sampler_open(unsigned n_cpus, uint64_t mean, uint64_t seed, struct failure *f,
		 struct sampler **ret)
{
	extern const struct bpf_image bpf_image_timers;
	struct sampler *s = calloc(1, sizeof(*s));
	int err;

	if (!s)
		return failure_errno(f, -ENOMEM, "source self");
	pthread_mutex_init(&s->lock, NULL);
	s->mean = mean;
	s->n_threads = n_cpus;
	s->threads = calloc(n_cpus, sizeof(*s->threads));
	err = s->threads ? bpf_image_load(&bpf_image_timers, NULL, NULL, f, &s->object)
			 : failure_errno(f, -ENOMEM, "source self");
	if (!err)
		err = bpf_image_globals(s->object, sizeof(*s->shared), f, (void **)&s->shared,
					&s->shared_size);
	if (!err)
		err = bpf_links_attach(s->object, f, &s->links);
	if (!err && (err = start_threads(s, n_cpus, seed)))
		failure_errno(f, err, "source self: sampling threads");
	if (err) {
		sampler_close(s);
		return err;
	}
	*ret = s;
	return 0;
}

struct sampler *sampler_close(struct sampler *s)
{
	if (!s)
		return NULL;
	atomic_store(&s->stop, true);
	for (unsigned i = 0; s->threads && i < s->n_threads; i++)
		if (s->threads[i].started)
			pthread_join(s->threads[i].thread, NULL);
	free(s->threads);
	bpf_links_destroy(&s->links);
	if (s->shared)
		munmap(s->shared, s->shared_size);
	bpf_object__close(s->object);
	pthread_mutex_destroy(&s->lock);
	free(s);
	return NULL;
}

size_t sampler_take(struct sampler *s, struct sample *samples, size_t max)
{
	size_t n;

	pthread_mutex_lock(&s->lock);
	n = s->n < max ? s->n : max;
	memcpy(samples, s->queue, n * sizeof(*samples));
	memmove(s->queue, s->queue + n, (s->n - n) * sizeof(*samples));
	s->n -= n;
	pthread_mutex_unlock(&s->lock);
	return n;
}

uint64_t sampler_lost(struct sampler *s)
{
	uint64_t lost;

	pthread_mutex_lock(&s->lock);
	lost = s->lost;
	pthread_mutex_unlock(&s->lock);
	return lost;
}
