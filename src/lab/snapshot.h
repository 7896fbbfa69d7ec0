/* SPDX-License-Identifier: MIT */
/*
 * The agent's answer to {"get":"snapshot"} (schema desched-agent/1), and what happened between two
 * of them. Figures are cumulative since the agent's start; fields that are not known here are left
 * alone, so that an agent may say more.
 */
#ifndef LAB_SNAPSHOT_H
#define LAB_SNAPSHOT_H

#include "base/failure.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#define LAB_SNAPSHOT_PROCESSES_MAX 4096

struct lab_snapshot_process {
	int pid;
	int64_t true_ns; /* with children, as all here */
	int64_t descheduled;
	int64_t wait;
};

struct lab_snapshot {
	char source[16];
	bool kernel_subtracts;
	int64_t true_ns, vmdesched, descheduled, idle_descheduled,
		unaccounted; /* the guest's totals; unaccounted with what is idle */
	bool has_interval;
	int64_t low, high;
	double clock_error_s;
	uint64_t mono; /* ns, the guest's CLOCK_MONOTONIC: of these figures; 0: it does not say */
	struct lab_snapshot_process *processes; /* owned */
	int n_processes;
};

/* -EBADMSG, -ENOMEM; on success free with lab_snapshot_done(). */
int lab_snapshot_parse(const json_t *answer, struct failure *f, struct lab_snapshot *ret);
void lab_snapshot_done(struct lab_snapshot *s);

/* NULL for a process that is not in it. */
const struct lab_snapshot_process *lab_snapshot_find(const struct lab_snapshot *s, int pid);

#endif
