/* SPDX-License-Identifier: MIT */
/*
 * Inside measuring: how much of a ledger's room the VMs of users without privilege may take. Any
 * process looks like a VM that names its threads so, and a ledger's room is fixed: without a bound
 * one user could fill it, and VMs that come later would not be measured.
 *
 * A user has a number from 1000 on, but for those that distributions give to services (60001 to
 * 65533): libvirt's VMs, and root's, have no bound. Numbers in user namespaces count one by one, so
 * all users together have a bound, too: half of the room.
 */
#ifndef HOST_MEASURE_BOUND_H
#define HOST_MEASURE_BOUND_H

#include "host/measured.h"

#define MEASURE_USER_VMS   256 /* of one user, unless the setup says otherwise */
#define MEASURE_USER_VCPUS 4   /* times as many vCPUs */

/* Whether the user is one of those who have a bound. */
bool measure_bound_has(uid_t uid);

/* -EDQUOT where one more VM of `n_vcpus` vCPUs would be too many of this user's, or of all users'
 * together; `f` says which. */
int measure_bound_check(const struct measurement *m, uid_t uid, uint32_t n_vcpus,
			struct failure *f);

#endif
