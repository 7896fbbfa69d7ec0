/* SPDX-License-Identifier: MIT */
/*
 * What a vCPU's thread does. Each turn: let ticks fall due, offer an interrupt, run the guest until
 * it wants something, read the clocks. A timer signal ends KVM_RUN when the next tick is due; while
 * the thread does not run it is merely pending, and the first turn afterwards sees how long that
 * was. The same signal from another thread says that something has changed.
 */
#include "vmm/vcpu_thread.h"

#include "base/clock.h"
#include "base/units.h"
#include "vmm/output.h"
#include "vmm/restart.h"
#include "vmm/timers.h"
#include "vmm/vcpu_access.h"
#include "vmm/vcpu_interrupts.h"
#include "vmm/vcpu_ticks.h"
#include "vmm/work.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <unistd.h>

static uint64_t clock_cpu(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (uint64_t)t.tv_sec * NS_PER_SEC + (uint64_t)t.tv_nsec;
}

static void read_clocks(struct vcpu *v)
{
	struct machine *m = v->machine;
	uint64_t cpu = clock_cpu(), mono = clock_mono();

	m->board.bus.now = u64_max(m->board.bus.now, mono);
	ticker_reading(&v->ticker, mono, cpu);
	if (!v->id)
		timers_reading(&m->board, mono, cpu);
}

/* The signal for the next tick. None is needed while the guest has not taken the last one. */
static void set_alarm(struct vcpu *v)
{
	uint64_t next = vcpu_next(v);
	struct itimerspec t = {0};

	if (next == v->alarm)
		return;
	v->alarm = next;
	if (next != TICK_NEVER) {
		t.it_value.tv_sec = (time_t)(next / NS_PER_SEC);
		t.it_value.tv_nsec = (long)(next % NS_PER_SEC);
	}
	timer_settime(v->timer, TIMER_ABSTIME, &t, NULL);
}

/* Injects what is pending if the guest takes interrupts now, or asks to be told when it does. */
static int offer_interrupt(struct vcpu *v)
{
	struct kvm_run *run = v->kvm.run;
	struct kvm_interrupt i;

	if (v->apic.nmi && ioctl(v->kvm.fd, KVM_NMI))
		return failure_errno(&v->machine->broken, -errno, "KVM_NMI");
	v->apic.nmi = false;
	run->request_interrupt_window = 0;
	if (!vcpu_pending(v))
		return 0;
	if (run->ready_for_interrupt_injection && run->if_flag) {
		i.irq = vcpu_acknowledge(v);
		if (ioctl(v->kvm.fd, KVM_INTERRUPT, &i))
			return failure_errno(&v->machine->broken, -errno, "KVM_INTERRUPT");
	}
	run->request_interrupt_window = vcpu_pending(v);
	vcpu_tell_first(v); /* what it has just taken is not asked for any more */
	return 0;
}

/* What the devices and the clocks want of the guest. */
static void raise_interrupts(struct vcpu *v)
{
	v->wake = v->signalled = false;
	if (vcpu_tick(v))
		output_flush(v->machine, true);
	vcpu_tell(v);
}

/* Sleeps until a tick is due or a signal comes. */
static void sleep_once(struct vcpu *v)
{
	struct machine *m = v->machine;
	uint64_t next = vcpu_next(v), now = clock_mono();
	struct timespec t = {0};
	sigset_t wake, before;

	if (next != TICK_NEVER) {
		t.tv_sec = (time_t)(u64_sub_floor(next, now) / NS_PER_SEC);
		t.tv_nsec = (long)(u64_sub_floor(next, now) % NS_PER_SEC);
	}
	sigemptyset(&wake);
	sigaddset(&wake, VCPU_WAKE);
	pthread_sigmask(SIG_BLOCK, &wake, &before);
	machine_unlock(m);
	if (!v->kvm.run->immediate_exit)
		ppoll(NULL, 0, next == TICK_NEVER ? NULL : &t, &before);
	machine_lock(m);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	v->kvm.run->immediate_exit = 0;
	next = u64_min(next, clock_mono());
	ticker_idle(&v->ticker, next);
	if (!v->id)
		timers_idle(&m->board, next);
	read_clocks(v);
}

/* Something has come that ends the vCPU's sleep. */
static bool is_called(const struct vcpu *v)
{
	if (v->state == VCPU_WAITS)
		return v->apic.init || v->apic.startup;
	return v->apic.init || v->apic.nmi || (v->kvm.run->if_flag && vcpu_pending(v));
}

/* No vCPU will ever do anything again. */
static bool is_over(const struct machine *m)
{
	for (unsigned i = 0; i < m->cpus; i++) {
		const struct vcpu *v = &m->cpu[i];

		if (v->state == VCPU_RUNS || is_called(v) ||
		    (v->state == VCPU_HALTED && v->kvm.run->if_flag))
			return false;
	}
	return true;
}

static void sleep_until_called(struct vcpu *v)
{
	struct machine *m = v->machine;

	output_flush(m, true);
	for (;;) {
		raise_interrupts(v);
		if (m->end || is_called(v))
			return;
		if (is_over(m))
			m->end = MACHINE_HALTED;
		else
			sleep_once(v);
	}
}

static void on_halt(struct vcpu *v)
{
	v->state = VCPU_HALTED;
	sleep_until_called(v);
	v->state = VCPU_RUNS;
}

/* One exit may bring more for the serial port than that holds. */
static void make_room(struct machine *m)
{
	while (serial_is_full(&m->board.serial) && !m->end)
		output_flush(m, true);
}

static void on_port(struct vcpu *v)
{
	const struct kvm_run *run = v->kvm.run;
	uint8_t *data = (uint8_t *)v->kvm.run + run->io.data_offset;
	unsigned size = run->io.size;

	for (uint32_t i = 0; i < run->io.count && !v->machine->end; i++, data += size) {
		uint32_t value = 0;

		if (run->io.direction == KVM_EXIT_IO_OUT) {
			make_room(v->machine);
			memcpy(&value, data, size);
			vcpu_port_write(v, run->io.port, size, value);
		} else {
			value = vcpu_port_read(v, run->io.port, size);
			memcpy(data, &value, size);
		}
	}
}

static void on_memory(struct vcpu *v)
{
	struct kvm_run *run = v->kvm.run;
	uint64_t value = 0;

	if (run->mmio.is_write) {
		memcpy(&value, run->mmio.data, run->mmio.len);
		while (!vcpu_memory_write(v, run->mmio.phys_addr, run->mmio.len, value) &&
		       !v->machine->end)
			machine_nap(v->machine);
		work_run(v);
	} else {
		value = vcpu_memory_read(v, run->mmio.phys_addr, run->mmio.len);
		memcpy(run->mmio.data, &value, run->mmio.len);
	}
}

static void handle_exit(struct vcpu *v)
{
	const struct kvm_run *run = v->kvm.run;
	struct machine *m = v->machine;

	switch (run->exit_reason) {
	case KVM_EXIT_IO:
		on_port(v);
		break;
	case KVM_EXIT_MMIO:
		on_memory(v);
		break;
	case KVM_EXIT_HLT:
		on_halt(v);
		break;
	case KVM_EXIT_SHUTDOWN:
		m->end = MACHINE_FAULT;
		break;
	case KVM_EXIT_IRQ_WINDOW_OPEN:
	case KVM_EXIT_INTR:
	case KVM_EXIT_SET_TPR:
		break;
	case KVM_EXIT_FAIL_ENTRY:
		machine_break(m, "entry refused, reason",
			      (unsigned)run->fail_entry.hardware_entry_failure_reason);
		break;
	case KVM_EXIT_INTERNAL_ERROR:
		machine_break(m, "internal error, suberror", run->internal.suberror);
		break;
	default:
		machine_break(m, "exit reason", run->exit_reason);
	}
	output_flush(m, false);
}

/* Two registers that the guest reaches in KVM as well: the priority as CR8, the base as an MSR. */
static void apic_from_kvm(struct vcpu *v)
{
	const struct kvm_run *run = v->kvm.run;

	if (run->cr8 != v->apic.priority >> 4)
		v->apic.priority = (uint8_t)(run->cr8 << 4);
	v->apic.base = run->apic_base;
}

/* One entry into the guest. */
static void run_guest(struct vcpu *v)
{
	struct machine *m = v->machine;
	int err;

	v->kvm.run->cr8 = v->apic.priority >> 4;
	machine_unlock(m);
	err = ioctl(v->kvm.fd, KVM_RUN, 0) ? errno : 0;
	machine_lock(m);
	v->kvm.run->immediate_exit = 0;
	v->exits++;
	read_clocks(v);
	apic_from_kvm(v);
	if (err == EINTR || err == EAGAIN) {
		v->alarm = 0; /* it may have been the alarm */
		return;
	}
	if (err)
		machine_break(m, "KVM_RUN failed, error", (unsigned)err);
	else
		handle_exit(v);
}

/* INIT: back to where it was before it was started. vCPU 0 was not started, and restarts. */
static int on_init(struct vcpu *v)
{
	v->apic.init = false;
	if (!v->id) {
		v->machine->end = MACHINE_RESET;
		return 0;
	}
	lapic_init(&v->apic);
	vcpu_forget(v);
	if (v->state == VCPU_WAITS)
		return 0;
	v->state = VCPU_WAITS;
	return kvm_init(&v->kvm);
}

static int on_startup(struct vcpu *v)
{
	bool waits = v->state == VCPU_WAITS;

	v->apic.startup = false;
	v->state = VCPU_RUNS;
	return waits ? kvm_startup(&v->kvm, v->apic.page) : 0;
}

/* What other vCPUs have sent that is no interrupt. */
static void take_messages(struct vcpu *v)
{
	int err = 0;

	while (!v->machine->end) {
		if (v->apic.init)
			err = on_init(v);
		else if (v->apic.startup)
			err = on_startup(v);
		else if (v->state == VCPU_WAITS)
			sleep_until_called(v);
		else
			return;
		if (err)
			machine_break(v->machine, "a vCPU cannot be started, error",
				      (unsigned)-err);
	}
}

/* Ends what all others are about, and rests for a moment. */
static void rest(const struct vcpu *v)
{
	struct machine *m = v->machine;

	for (unsigned i = 0; i < m->cpus; i++) {
		if (i != v->id && m->cpu[i].tid)
			tgkill(m->process, m->cpu[i].tid, VCPU_WAKE);
	}
	machine_nap(m);
}

/* After a reset all vCPUs are brought to rest, each by its own thread; when the last one is, vCPU 0
 * restarts. */
static void restart(struct vcpu *v)
{
	struct machine *m = v->machine;
	uint64_t resets = m->resets;

	output_flush(m, true);
	if (kvm_reset(&v->kvm, &m->broken))
		m->end = MACHINE_BROKEN;
	m->parked++;
	while (machine_restarts(m) && m->resets == resets) {
		if (!v->id && m->parked == m->threads)
			machine_restart(m);
		else
			rest(v);
	}
	m->parked--;
	v->alarm = 0;
	read_clocks(v);
}

static void run_to_end(struct vcpu *v)
{
	struct machine *m = v->machine;

	while (!m->end) {
		take_messages(v);
		vcpu_look(v);
		raise_interrupts(v);
		if (m->end)
			break;
		set_alarm(v);
		if (offer_interrupt(v)) {
			m->end = MACHINE_BROKEN;
			break;
		}
		vcpu_publish(v);
		run_guest(v);
	}
}

void vcpu_run(struct vcpu *v)
{
	struct machine *m = v->machine;

	read_clocks(v);
	run_to_end(v);
	while (machine_restarts(m)) {
		restart(v);
		run_to_end(v);
	}
	output_flush(m, true);
}
