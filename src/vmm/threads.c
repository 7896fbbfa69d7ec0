/* SPDX-License-Identifier: MIT */
/* The vCPUs' threads: how they begin, are woken, and end. What they do is in vcpu.c. */
#include "vmm/board.h"

#include "base/clock.h"
#include "base/units.h"
#include "vmm/sandbox.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <unistd.h>

void board_lock(struct board *m)
{
	if (__atomic_load_n(&m->gated, __ATOMIC_RELAXED)) {
		pthread_mutex_lock(&m->gate);
		pthread_mutex_unlock(&m->gate);
	}
	pthread_mutex_lock(&m->lock);
}

void board_lock_first(struct board *m)
{
	pthread_mutex_lock(&m->gate);
	__atomic_store_n(&m->gated, true, __ATOMIC_RELAXED);
	pthread_mutex_lock(&m->lock);
	__atomic_store_n(&m->gated, false, __ATOMIC_RELAXED);
	pthread_mutex_unlock(&m->gate);
}

void board_unlock(struct board *m)
{
	pthread_mutex_unlock(&m->lock);
}

/* For the signal's handler: whose KVM_RUN is to end. */
static _Thread_local struct kvm_run *volatile running;

static void on_wake(int number)
{
	(void)number;
	if (running)
		running->immediate_exit = 1;
}

/* The timer's signal goes to the thread itself, so the thread has to make it. */
static int make_timer(struct vcpu *v)
{
	struct sigevent e = {.sigev_notify = SIGEV_THREAD_ID, .sigev_signo = VCPU_WAKE};

	e._sigev_un._tid = v->tid;
	return timer_create(CLOCK_MONOTONIC, &e, &v->timer) ? -errno : 0;
}

/* Lets the lock go, and does not look at the machine any more. */
static void leave(struct board *m)
{
	uint64_t one = 1;

	m->threads--;
	while (write(m->ended, &one, sizeof(one)) < 0 && errno == EINTR)
		;
	board_unlock(m);
}

static void *vcpu_main(void *data)
{
	struct vcpu *v = data;
	struct board *m = v->board;

	board_lock(m);
	running = v->kvm.run;
	v->tid = gettid();
	if (make_timer(v))
		vcpu_broken(m, "no timer, error", (unsigned)errno);
	else if (sandbox_enter(SANDBOX_VCPU))
		vcpu_broken(m, "no seccomp, error", (unsigned)errno);
	if (!v->id)
		m->ready_at = clock_mono();
	vcpu_run(v);
	running = NULL;
	leave(m);
	return NULL;
}

static int start(struct vcpu *v, struct failure *f)
{
	int err = -pthread_create(&v->thread, NULL, vcpu_main, v);
	char name[16];

	if (err)
		return failure_errno(f, err, "the thread of vCPU %u", v->id);
	snprintf(name, sizeof(name), "CPU %u/KVM", v->id);
	pthread_setname_np(v->thread, name);
	v->board->threads = ++v->board->started;
	return 0;
}

unsigned board_threads(struct board *m)
{
	unsigned left;

	board_lock_first(m);
	left = m->threads;
	board_unlock(m);
	return left;
}

void board_join(struct board *m)
{
	for (unsigned i = 0; i < m->started; i++)
		pthread_join(m->cpu[i].thread, NULL);
}

/* Those that have begun see that there is an end before they run their guest. */
static void give_up(struct board *m)
{
	struct timespec soon = {.tv_nsec = (long)(10 * NS_PER_MS)};

	while (board_threads(m)) {
		board_kick(m);
		ppoll(NULL, 0, &soon, NULL);
	}
	board_join(m);
}

void board_kick(struct board *m)
{
	for (unsigned i = 0; i < m->started; i++)
		pthread_kill(m->cpu[i].thread, VCPU_WAKE);
}

int board_start(struct board *m, struct failure *f)
{
	struct sigaction a = {.sa_handler = on_wake};
	int err = 0;

	sigaction(VCPU_WAKE, &a, NULL);
	m->process = getpid();
	board_lock(m); /* so that all are there when the first one runs */
	for (unsigned i = 0; i < m->cpus && !err; i++)
		err = start(&m->cpu[i], f);
	if (err)
		m->end = BOARD_STOPPED;
	board_unlock(m);
	if (err)
		give_up(m);
	return err;
}
