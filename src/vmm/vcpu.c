/* SPDX-License-Identifier: MIT */
/*
 * The vCPU's thread. Each turn: read the clocks, let ticks fall due, offer an interrupt, run the
 * guest until it wants something. A timer signal ends KVM_RUN when the next tick is due; while the
 * thread does not run it is merely pending, and the first turn afterwards sees how long that was.
 */
#include "vmm/board.h"

#include "base/clock.h"
#include "base/units.h"
#include "vmm/sandbox.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define WAKE SIGUSR1

/* For the signal's handler: whose KVM_RUN is to end. */
static _Thread_local struct kvm_run *volatile running;

static void on_wake(int number)
{
	(void)number;
	if (running)
		running->immediate_exit = 1;
}

static uint64_t clock_cpu(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (uint64_t)t.tv_sec * NS_PER_SEC + (uint64_t)t.tv_nsec;
}

static void read_clocks(struct board *m)
{
	uint64_t cpu = clock_cpu();

	timers_reading(m, clock_mono(), cpu);
}

/* What the guest has written, once there is a line of it, or enough, or nothing else to do. */
static void flush(struct board *m, bool all)
{
	struct serial *s = &m->serial;
	size_t used = s->out_used, done = 0;
	uint8_t text[sizeof(s->out)];

	if (!used || (!all && used < sizeof(s->out) / 2 && s->out[used - 1] != '\n'))
		return;
	memcpy(text, s->out, used);
	s->out_used = 0;
	pthread_mutex_unlock(&m->lock);
	while (done < used) {
		ssize_t n = write(m->output, text + done, used - done);

		if (n < 0 && errno != EINTR)
			break;
		done += n > 0 ? (size_t)n : 0;
		if (__atomic_load_n(&m->end, __ATOMIC_RELAXED))
			break;
	}
	pthread_mutex_lock(&m->lock);
}

static void tick(struct board *m)
{
	if (timers_fire(m))
		flush(m, true);
}

/* The signal for the next tick. None is needed while the guest has not taken the last one. */
static void set_alarm(struct board *m)
{
	uint64_t next = timers_next(m);
	struct itimerspec t = {0};

	if (next == m->alarm)
		return;
	m->alarm = next;
	if (next != TICK_NEVER) {
		t.it_value.tv_sec = (time_t)(next / NS_PER_SEC);
		t.it_value.tv_nsec = (long)(next % NS_PER_SEC);
	}
	timer_settime(m->timer, TIMER_ABSTIME, &t, NULL);
}

/* Injects what is pending if the guest takes interrupts now, or asks to be told when it does. */
static int offer_interrupt(struct board *m)
{
	struct kvm_run *run = m->kvm.run;
	struct kvm_interrupt i;

	run->request_interrupt_window = 0;
	if (!pic_pending(&m->pic))
		return 0;
	if (run->ready_for_interrupt_injection && run->if_flag) {
		i.irq = pic_acknowledge(&m->pic);
		if (ioctl(m->kvm.vcpu, KVM_INTERRUPT, &i))
			return failure_errno(&m->broken, -errno, "KVM_INTERRUPT");
	}
	run->request_interrupt_window = pic_pending(&m->pic);
	return 0;
}

/* Sleeps until a tick is due or somebody kicks. */
static void halt(struct board *m)
{
	uint64_t next = timers_next(m), now = clock_mono();
	struct timespec t = {0};
	sigset_t wake, before;

	flush(m, true);
	if (next != TICK_NEVER) {
		t.tv_sec = (time_t)(u64_sub_floor(next, now) / NS_PER_SEC);
		t.tv_nsec = (long)(u64_sub_floor(next, now) % NS_PER_SEC);
	}
	sigemptyset(&wake);
	sigaddset(&wake, WAKE);
	pthread_sigmask(SIG_BLOCK, &wake, &before);
	pthread_mutex_unlock(&m->lock);
	if (!m->kvm.run->immediate_exit)
		ppoll(NULL, 0, next == TICK_NEVER ? NULL : &t, &before);
	pthread_mutex_lock(&m->lock);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	m->kvm.run->immediate_exit = 0;
	timers_idle(m, u64_min(next, clock_mono()));
}

static void on_halt(struct board *m)
{
	if (!m->kvm.run->if_flag) {
		m->end = BOARD_HALTED;
		return;
	}
	while (!m->end && !pic_pending(&m->pic)) {
		halt(m);
		read_clocks(m);
		tick(m);
		board_raise(m);
	}
}

static void on_port(struct board *m)
{
	const struct kvm_run *run = m->kvm.run;
	uint8_t *data = (uint8_t *)m->kvm.run + run->io.data_offset;
	unsigned size = run->io.size;

	for (uint32_t i = 0; i < run->io.count && !m->end; i++, data += size) {
		uint32_t value = 0;

		if (run->io.direction == KVM_EXIT_IO_OUT) {
			memcpy(&value, data, size);
			board_port_write(m, run->io.port, size, value);
		} else {
			value = board_port_read(m, run->io.port, size);
			memcpy(data, &value, size);
		}
	}
}

static void on_memory(struct board *m)
{
	struct kvm_run *run = m->kvm.run;
	uint64_t value = 0;

	if (run->mmio.is_write) {
		memcpy(&value, run->mmio.data, run->mmio.len);
		board_memory_write(m, run->mmio.phys_addr, run->mmio.len, value);
	} else {
		value = board_memory_read(m, run->mmio.phys_addr, run->mmio.len);
		memcpy(run->mmio.data, &value, run->mmio.len);
	}
}

static void broken(struct board *m, const char *what, unsigned number)
{
	m->end = BOARD_BROKEN;
	failure_set(&m->broken, -EIO, "this /dev/kvm cannot run the guest: %s %u", what, number);
}

static void handle_exit(struct board *m)
{
	const struct kvm_run *run = m->kvm.run;

	switch (run->exit_reason) {
	case KVM_EXIT_IO:
		on_port(m);
		break;
	case KVM_EXIT_MMIO:
		on_memory(m);
		break;
	case KVM_EXIT_HLT:
		on_halt(m);
		break;
	case KVM_EXIT_SHUTDOWN:
		m->end = BOARD_FAULT;
		break;
	case KVM_EXIT_IRQ_WINDOW_OPEN:
	case KVM_EXIT_INTR:
		break;
	case KVM_EXIT_FAIL_ENTRY:
		broken(m, "entry refused, reason",
		       (unsigned)run->fail_entry.hardware_entry_failure_reason);
		break;
	case KVM_EXIT_INTERNAL_ERROR:
		broken(m, "internal error, suberror", run->internal.suberror);
		break;
	default:
		broken(m, "exit reason", run->exit_reason);
	}
	flush(m, false);
}

/* One entry into the guest. */
static void run_guest(struct board *m)
{
	int err;

	pthread_mutex_unlock(&m->lock);
	err = ioctl(m->kvm.vcpu, KVM_RUN, 0) ? errno : 0;
	pthread_mutex_lock(&m->lock);
	m->kvm.run->immediate_exit = 0;
	m->exits++;
	read_clocks(m);
	if (err == EINTR || err == EAGAIN) {
		m->alarm = 0; /* it may have been the alarm */
		return;
	}
	if (err)
		broken(m, "KVM_RUN failed, error", (unsigned)err);
	else
		handle_exit(m);
}

/* The timer's signal goes to the thread itself, so the thread has to make it. */
static int make_timer(struct board *m)
{
	struct sigevent e = {.sigev_notify = SIGEV_THREAD_ID, .sigev_signo = WAKE};

	e._sigev_un._tid = gettid();
	return timer_create(CLOCK_MONOTONIC, &e, &m->timer) ? -errno : 0;
}

static void run(struct board *m)
{
	while (!m->end) {
		port_look(&m->port, board_timers(m), &m->memory);
		board_raise(m);
		tick(m);
		set_alarm(m);
		if (offer_interrupt(m)) {
			m->end = BOARD_BROKEN;
			break;
		}
		port_publish(&m->port, board_timers(m), timers_raised(m), &m->memory);
		run_guest(m);
		if (m->end) {
			flush(m, true);
			board_restart(m);
		}
	}
	flush(m, true);
}

static void *vcpu_main(void *data)
{
	struct board *m = data;
	uint64_t one = 1;

	pthread_mutex_lock(&m->lock);
	running = m->kvm.run;
	if (make_timer(m))
		broken(m, "no timer, error", (unsigned)errno);
	else if (sandbox_enter(SANDBOX_VCPU))
		broken(m, "no seccomp, error", (unsigned)errno);
	m->ready_at = clock_mono();
	read_clocks(m);
	run(m);
	running = NULL;
	pthread_mutex_unlock(&m->lock);
	while (write(m->ended, &one, sizeof(one)) < 0 && errno == EINTR)
		;
	return NULL;
}

int board_start(struct board *m, struct failure *f)
{
	struct sigaction a = {.sa_handler = on_wake};
	int err;

	sigaction(WAKE, &a, NULL);
	err = -pthread_create(&m->thread, NULL, vcpu_main, m);
	if (err)
		return failure_errno(f, err, "the vCPU's thread");
	pthread_setname_np(m->thread, "CPU 0/KVM");
	return 0;
}

void board_kick(struct board *m)
{
	pthread_kill(m->thread, WAKE);
}
