/* SPDX-License-Identifier: MIT */
/*
 * A virtual machine of 2006: processors with local APICs, 8259 and 8254, a CMOS clock, a serial
 * port, VMDesched's port. A thread for each vCPU, which runs the guest, its devices and its ticks,
 * so that whatever a guest makes of them is paid for with its own CPU time; and the caller's, which
 * waits for input. `lock` is held whenever one of them looks at the machine, never while its guest
 * code runs. What devices ask for goes by the 8259s to vCPU 0.
 */
#ifndef VMM_BOARD_H
#define VMM_BOARD_H

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
	struct block block; /* fd -1: no disk */
	struct balloon balloon;
	struct entropy entropy;
	struct ticker ticker; /* the 8254; its time is vCPU 0's */
	struct vcpu cpu[BOARD_CPUS_MAX];
	unsigned cpus;

	pid_t process;
	int output; /* where the serial port goes */
	pthread_mutex_t lock;
	pthread_mutex_t output_lock; /* taken before the other one */
	uint64_t now;		     /* mono: the last reading of any vCPU's thread */
	uint64_t ready_at;	     /* mono: the first KVM_RUN began; 0: not yet */
	bool told;		     /* vCPU 0 knows what the 8259s and the 8254 want of it */
	unsigned started, threads;   /* vCPUs' threads; of them, not through */
	int ended;		     /* an eventfd: one is */
	enum board_end end;
	struct failure broken;
};

/* Power-up. */
void board_reset(struct board *m, unsigned cpus);

/* Of all timers, from now on. */
void board_set_policy(struct board *m, enum tick_policy policy);

/* What the guest's accesses do; the lock is held. All ones where there is nothing. */
void board_port_write(struct board *m, uint16_t port, unsigned size, uint32_t value);
uint32_t board_port_read(struct board *m, uint16_t port, unsigned size);
void board_memory_write(struct board *m, uint64_t at, unsigned size, uint64_t value);
uint64_t board_memory_read(struct board *m, uint64_t at, unsigned size);

/* The virtio device at a place, NULL if there is none. */
#define BOARD_PLACES 3
struct virtio *board_virtio(struct board *m, unsigned place);

/* Raises what devices ask for; after each of the above. */
void board_raise(struct board *m);

/* The vCPUs' threads (vcpu.c): starts them; wakes them so that they see what has changed. */
int board_start(struct board *m, struct failure *f);
void board_kick(struct board *m);
void board_finish(struct board *m); /* one thread is through: until all are */

#endif
