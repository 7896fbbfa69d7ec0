/* SPDX-License-Identifier: MIT */
/*
 * The screen about a host: its VMs and their vCPUs. The states of a vCPU sum up to the time for
 * which it was there in the interval, exactly; a VM is the sum of its vCPUs, and has the overhead
 * besides. One that came in the interval counts from then on, one that ended up to then.
 */
#ifndef SCREEN_HOST_H
#define SCREEN_HOST_H

#include "screen/subject.h"

extern const struct row_kind row_vm, row_vcpu;

/* What it wanted and did not run, per vCPU, as trails of the VMs. */
void host_leave_trails(const struct host_frame *from, const struct host_frame *to,
		       struct trails *t);

/* As model_make(); never -ESTALE. */
int host_model(const struct host_frame *from, const struct host_frame *to,
	       const struct model_view *view, struct model *ret);

/* The columns of the ledger's states, in the order of esxtop's: *ret_n of them. */
const struct column *host_state_columns(size_t *ret_n);

#endif
