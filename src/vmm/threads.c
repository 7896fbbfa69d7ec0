/* SPDX-License-Identifier: MIT */
#include "vmm/threads.h"

#include "base/clock.h"
#include "base/units.h"
#include "vmm/sandbox.h"
#include "vmm/vcpu_thread.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <unistd.h>

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
static void leave(struct machine *m)
{
	uint64_t one = 1;

	m->threads--;
	while (write(m->ended, &one, sizeof(one)) < 0 && errno == EINTR)
		;
	machine_unlock(m);
}

static void *vcpu_main(void *data)
{
	struct vcpu *v = data;
	struct machine *m = v->machine;

	machine_lock(m);
	running = v->kvm.run;
	v->tid = gettid();
	if (make_timer(v))
		machine_break(m, "no timer, error", (unsigned)errno);
	else if (sandbox_enter(SANDBOX_VCPU))
		machine_break(m, "no seccomp, error", (unsigned)errno);
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
	v->machine->threads = ++v->machine->started;
	return 0;
}

unsigned threads_left(struct machine *m)
{
	unsigned left;

	machine_lock_first(m);
	left = m->threads;
	machine_unlock(m);
	return left;
}

void threads_join(struct machine *m)
{
	for (unsigned i = 0; i < m->started; i++)
		pthread_join(m->cpu[i].thread, NULL);
}

/* Those that have begun see that there is an end before they run their guest. */
static void give_up(struct machine *m)
{
	struct timespec soon = {.tv_nsec = (long)(10 * NS_PER_MS)};

	while (threads_left(m)) {
		threads_kick(m);
		ppoll(NULL, 0, &soon, NULL);
	}
	threads_join(m);
}

void threads_kick(struct machine *m)
{
	for (unsigned i = 0; i < m->started; i++)
		pthread_kill(m->cpu[i].thread, VCPU_WAKE);
}

int threads_start(struct machine *m, struct failure *f)
{
	struct sigaction a = {.sa_handler = on_wake};
	int err = 0;

	sigaction(VCPU_WAKE, &a, NULL);
	m->process = getpid();
	machine_lock(m); /* so that all are there when the first one runs */
	for (unsigned i = 0; i < m->cpus && !err; i++)
		err = start(&m->cpu[i], f);
	if (err)
		m->end = MACHINE_STOPPED;
	machine_unlock(m);
	if (err)
		give_up(m);
	return err;
}
