/* SPDX-License-Identifier: MIT */
/*
 * One VM's move from host to host, by pre-copy: its memory is sent while it runs, then what it has
 * written meanwhile, and so on until the rest takes no longer than the downtime that is allowed (or
 * this gets nowhere); then it stands still (WAIT) for the rest, and goes on at the other host.
 * Sending costs CPU time on both: each has a mover, a VM of one vCPU that competes like others, so
 * that busy hosts move slowly.
 */
#ifndef SIM_MOVES_H
#define SIM_MOVES_H

#include "sim/engine.h"

#define MOVE_STEP (10 * UINT64_C(1000000)) /* ns of the day: how often a copy is looked after */

struct end {
	struct sim *sim;
	uint32_t vm;
	uint32_t mover; /* vCPU */
};

enum move_phase { MOVE_COPIES, MOVE_RESTS, MOVE_DONE };

struct move {
	struct end from, to;
	enum move_phase phase;
	double left; /* bytes of this round to send */
	uint32_t rounds;
	uint64_t run;	  /* ns that the VM had run when the round began */
	uint64_t stopped; /* ns: since when it stands still */
	uint64_t next;	  /* ns: call move_step() then */
	bool *works;	  /* of each vCPU, while it stands still: it has work */
};

extern const struct workload_row workload_mover;

/* Whether a VM may move: no host is given to it, and its guest doesn't count ticks. */
bool move_possible(const struct vm_spec *vm);

/* The hosts' sims have the same time now. What the VM reserves is kept on both until it has moved.
 * -ENOMEM, or -ENOSPC or -E2BIG if the other host can't have it. */
int move_begin(struct move *m, struct end from, struct end to);
/* The time `next` has come on both hosts. */
void move_step(struct move *m);
/* One that copies is given up; one that rests has arrived. */
void move_cut_short(struct move *m);
void move_end(struct move *m); /* frees what it holds */

/* What the VM as a whole and its vCPUs remember goes along; it is absent where it was. */
void move_identity(struct end from, struct end to);

#endif
