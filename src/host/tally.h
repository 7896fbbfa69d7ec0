/* SPDX-License-Identifier: MIT */
/*
 * Who ran while the vCPUs of VMs waited, summed up over frames (wire/host_frame.h) of whoever
 * measured: what each frame has more than the one before. Pure.
 */
#ifndef HOST_TALLY_H
#define HOST_TALLY_H

#include "wire/host_frame.h"

struct tally_vm {
	pid_t pid, process; /* as in the frames */
	uint64_t since;
	bool ended;
	char name[64], called[64], uuid[40], id[32];
	uint64_t ready, wall; /* ns: of its vCPUs; wall is the sum of all states */
	/* Their ns sum up to `ready`; longest is the most of one wait. */
	struct host_frame_blame *rows;
	size_t n;
};

struct tally {
	struct tally_vm *vms; /* [n]; owned */
	size_t n;
	uint64_t span; /* ns */
};

/* What happened between two frames of one session; `old` NULL: since each VM was first seen.
 * -ENOMEM. */
int tally_add(struct tally *t, const struct host_frame *old, const struct host_frame *now);

/* Those that waited most come first, and for each its culprits by their ns. */
void tally_sort(struct tally *t);

/* Empty again. */
void tally_done(struct tally *t);

#endif
