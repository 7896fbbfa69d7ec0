/* SPDX-License-Identifier: MIT */
/*
 * A virtual machine of 2006: processors with local APICs, 8259 and 8254, a CMOS clock, a serial
 * port, VMDesched's port. A thread for each vCPU, which runs the guest, its devices and its ticks,
 * so that whatever a guest makes of them is paid for with its own CPU time; and the caller's, which
 * waits for input. `lock` is held whenever one of them looks at the machine, never while its guest
 * code runs, and never while a thread waits for anything or does what a guest may ask for without
 * bound (work.c). What devices ask for goes by the 8259s to vCPU 0.
 */
#ifndef VMM_BOARD_H
#define VMM_BOARD_H

#include "vmm/acpi.h"
#include "vmm/kvm.h"
#include "vmm/pic.h"
#include "vmm/pit.h"
#include "vmm/rtc.h"
#include "vmm/serial.h"
#include "vmm/vcpu.h"
#include "vmm/virtio_devices.h"

#define BOARD_CPUS_MAX 16

enum board_end {
	BOARD_RUNS,
	BOARD_POWEROFF,
	BOARD_RESET,
	BOARD_STOPPED, /* by us */
	BOARD_HALTED,  /* the guest halted for good, with interrupts off */
	BOARD_FAULT,   /* triple fault */
	BOARD_BROKEN,  /* KVM cannot go on: `broken` says why */
	BOARD_ENDS,
};

extern const char *const board_end_names[BOARD_ENDS];

struct board {
	struct memory memory;
	struct kvm kvm;
	struct image_entry entry;
	struct pic pic;
	struct pit pit;
	struct rtc rtc;
	struct serial serial;
	struct acpi acpi;
	struct block block; /* fd -1: no disk */
	struct balloon balloon;
	struct entropy entropy;
	struct ticker ticker;	    /* the 8254's; its time is vCPU 0's, also while it is off */
	struct ticker clock_ticker; /* the CMOS clock's, likewise */
	uint64_t second_at;	    /* mono: when that has a second that is wanted, 0: it has not */
	struct vcpu cpu[BOARD_CPUS_MAX];
	unsigned cpus;
	struct image_file kernel, initrd; /* .name NULL: none */
	char command[IMAGE_COMMAND_MAX];
	bool reboots;  /* when it is reset; otherwise that ends it */
	bool stopping; /* the user wants it to end: what is being read for a reset need not be */
	uint64_t resets;

	pid_t process;
	int output;	      /* where the serial port goes */
	int output_error;     /* the first of it, -errno */
	uint64_t output_lost; /* bytes that were not written, for that or since the machine ended */
	pthread_mutex_t lock; /* by board_lock() */
	pthread_mutex_t gate; /* see there; taken before it */
	bool gated;
	pthread_mutex_t output_lock; /* taken before `lock` */
	uint64_t now;		     /* mono: the last reading of any vCPU's thread */
	uint64_t ready_at;	     /* mono: the first KVM_RUN began; 0: not yet */
	bool told;		     /* vCPU 0 knows what the 8259s and the 8254 want of it */
	unsigned started, threads;   /* vCPUs' threads; of them, not through */
	unsigned parked;	     /* of these, at rest until the machine begins anew */
	int ended;		     /* an eventfd: one is */
	enum board_end end;
	struct failure broken;
};

/* The lock. A vCPU's thread takes it by board_lock(), the caller's by board_lock_first(): that goes
 * before all vCPUs that do not have it yet, so that they, however many and busy, keep it no longer
 * than each needs it once. */
void board_lock(struct board *m);
void board_lock_first(struct board *m);
void board_unlock(struct board *m);

/* A millisecond without the lock. */
void board_nap(struct board *m);

/* Writes what the guest has sent by its serial port, once there is a line of it, or enough, or
 * `all`. Lets go of the lock meanwhile. */
void board_flush(struct board *m, bool all);

/* What the guest's accesses do; the lock is held. All ones where there is nothing. False: not yet
 * (virtio_write()). */
void board_port_write(struct board *m, uint16_t port, unsigned size, uint32_t value);
uint32_t board_port_read(struct board *m, uint16_t port, unsigned size);
bool board_memory_write(struct board *m, uint64_t at, unsigned size, uint64_t value);
uint64_t board_memory_read(struct board *m, uint64_t at, unsigned size);

/* The virtio device at a place, NULL if there is none. */
#define BOARD_PLACES 3
struct virtio *board_virtio(struct board *m, unsigned place);

/* Raises what devices ask for; after each of the above. */
void board_raise(struct board *m);

/* Power-up of the devices and the vCPUs; what was counted stays. */
void board_reset(struct board *m);

/* Puts what is to boot into memory that is all zeros (restart.c). */
int board_load(struct board *m, struct failure *f);

/* A reset or a triple fault has ended it, and this machine begins anew after that. */
static inline bool board_restarts(const struct board *m)
{
	return m->reboots && (m->end == BOARD_RESET || m->end == BOARD_FAULT);
}

/* Begins anew. No vCPU runs; lets go of the lock meanwhile. */
void board_restart(struct board *m);

/* Of all timers, from now on. */
void board_set_policy(struct board *m, enum tick_policy policy);

/* The 8254 and the CMOS clock (timers.c), on behalf of vCPU 0's thread: what ticker.h has for one.
 * timers_fire() raises interrupts itself; timers_next() is when it does again, unless the guest
 * does something. */
void timers_reading(struct board *m, uint64_t mono, uint64_t cpu);
void timers_idle(struct board *m, uint64_t until);
bool timers_fire(struct board *m);
uint64_t timers_next(const struct board *m);
bool timers_raised(const struct board *m); /* an interrupt is on its way to the guest */

/* The vCPUs' threads (threads.c): starts them; wakes them so that they see what has changed. */
int board_start(struct board *m, struct failure *f);
void board_kick(struct board *m);

/* Those that are not through. board_join() is for when none is left. */
unsigned board_threads(struct board *m);
void board_join(struct board *m);

#endif
