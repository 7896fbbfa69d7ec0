/* SPDX-License-Identifier: MIT */
/*
 * One vCPU: what it has for itself - registers in KVM, a local APIC with a timer, VMDesched's port
 * - and the thread that runs it (vcpu.c). What its guest code reaches goes through here: to what it
 * has for itself, and behind that to the board. The board's lock is held.
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

struct board;

enum vcpu_state {
	VCPU_RUNS,
	VCPU_HALTED,
	VCPU_WAITS, /* for another one to start it */
};

struct vcpu {
	struct board *board;
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

/* All that its thread does, until the machine has ended (vcpu.c). */
void vcpu_run(struct vcpu *v);

/* What virtio devices have to do, until there is no more or the machine has ended (work.c). Lets go
 * of the lock meanwhile. */
void vcpu_work(struct vcpu *v);

/* Raises what devices ask for, and wakes the vCPUs that this is for. */
void vcpu_tell(struct vcpu *v);

/* KVM cannot go on, for this reason. */
void vcpu_broken(struct board *m, const char *what, unsigned number);

/* Its ticks and what it said to VMDesched's port, as before it began. */
void vcpu_forget(struct vcpu *v);

/* Power-up: vCPU 0 runs, the others wait. */
void vcpu_reset(struct vcpu *v, struct board *m, uint8_t id);

/* All ones where there is nothing. False: not yet (virtio_write()). */
void vcpu_port_write(struct vcpu *v, uint16_t port, unsigned size, uint32_t value);
uint32_t vcpu_port_read(struct vcpu *v, uint16_t port, unsigned size);
bool vcpu_memory_write(struct vcpu *v, uint64_t at, unsigned size, uint64_t value);
uint64_t vcpu_memory_read(struct vcpu *v, uint64_t at, unsigned size);

/* The ticks that it counts, which VMDesched's port is about: those of its local APIC if that gives
 * any, else vCPU 0's are the 8254's. */
struct ticker *vcpu_ticker(struct vcpu *v);

/* Raises a tick if one is due as of the last reading, and the guest has taken the one before. */
bool vcpu_tick(struct vcpu *v);

/* When vcpu_tick() will have something to do at the earliest, or TICK_NEVER. */
uint64_t vcpu_next(const struct vcpu *v);

/* An interrupt waits for it; its vector, which is now being served. */
bool vcpu_pending(const struct vcpu *v);
uint8_t vcpu_acknowledge(struct vcpu *v);

/* What the guest says in VMDesched's page; after each exit, before ticks are looked at. */
void vcpu_look(struct vcpu *v);

/* VMDesched's page, as of now. */
void vcpu_publish(struct vcpu *v);

#endif
