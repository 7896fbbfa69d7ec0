/* SPDX-License-Identifier: MIT */
/*
 * One vCPU: what it has for itself - registers in KVM, a local APIC with a timer, VMDesched's port
 * - and the thread that runs it. What a vCPU does is in vcpu_thread.h; what its guest code reaches,
 * in vcpu_access.h; its ticks and interrupts, in vcpu_ticks.h and vcpu_interrupts.h. For all of
 * these the machine's lock is held.
 */
#ifndef VMM_VCPU_H
#define VMM_VCPU_H

#include "vmm/kvm.h"
#include "vmm/lapic.h"
#include "vmm/port.h"
#include "vmm/ticker.h"

#include <pthread.h>
#include <signal.h>
#include <time.h>

#define VCPU_WAKE SIGUSR1 /* ends its thread's KVM_RUN or sleep */

struct machine;

enum vcpu_state {
	VCPU_RUNS,
	VCPU_HALTED,
	VCPU_WAITS, /* for another one to start it */
};

struct vcpu {
	struct machine *machine;
	uint8_t id;
	struct kvm_cpu kvm;
	struct lapic apic;
	struct ticker ticker; /* the local APIC's periodic timer */
	struct port port;
	enum vcpu_state state;
	uint64_t exits;

	bool wake;	/* something has changed for it that its thread has not seen */
	bool signalled; /* ... and it is being told */
	pthread_t thread;
	pid_t tid; /* 0: it is not there yet, and will look for itself */
	timer_t timer;
	uint64_t alarm; /* when it goes off, TICK_NEVER: not */
};

#endif
