/* SPDX-License-Identifier: MIT */
/*
 * The counters of VMs that libvirt has, since each was started: for each vCPU how long it ran
 * (time), was runnable and waited (delay), and was queued (wait, which is the same where the kernel
 * keeps it, and all there was before delay), in nanoseconds; disks, interfaces, memory.
 *
 * What lies between two samples of a VM is one sample here. One that lacks a counter of CPU time
 * which was there before is left out, so that the next one is over both intervals; a vCPU that was
 * never there before has been plugged in.
 */
#ifndef DATA_DOMSTATS_H
#define DATA_DOMSTATS_H

#include "data/out.h"

#define DOMSTATS_NONE (-1)

struct domstats {
	struct out *out;
	double *now; /* [n_now], by slot: those under way; NaN: there is none */
	size_t n_now;
	uint32_t entity;       /* whose they are */
	struct domain *domain; /* the same VM's state */
	bool bad;	       /* a value was neither a number nor blank */
	bool cpu_time;	       /* the file has counters of it */
	uint32_t *held;	       /* [n_held] entities whose samples have no time yet */
	size_t n_held, room_held;
};

void domstats_init(struct domstats *d, struct out *out);
void domstats_done(struct domstats *d);
/* Gives back what is in the state of a VM, for out_forget(). */
void domstats_state_done(void *state);

/* Where the value of a counter such as "vcpu.0.time" belongs, or a name such as "block.0.name";
 * DOMSTATS_NONE: nowhere. */
int domstats_slot(struct domstats *d, const char *name);

/* The sample of a VM begins. -ENOMEM. */
int domstats_begin(struct domstats *d, uint32_t entity);
/* Takes a value. -ENOMEM. */
int domstats_set(struct domstats *d, int slot, const char *text);
/* It is complete, and this is its time. 0 or what ends the reading. */
int domstats_sample(struct domstats *d, const struct instant *time);

/* It is complete, and its time comes later. 1 where one was held already, which is lost; 0,
 * -ENOMEM. */
int domstats_hold(struct domstats *d);
/* Time of all that are held; NULL: there is none, they are lost. */
int domstats_release(struct domstats *d, const struct instant *time);

#endif
