/* SPDX-License-Identifier: MIT */
/* The account's part of a snapshot: CPUs, processes, threads, control groups, and their sums. */
#ifndef GUEST_ACCOUNT_SNAPSHOT_H
#define GUEST_ACCOUNT_SNAPSHOT_H

#include "guest/account.h"
#include "wire/snapshot.h"

/* Into a snapshot that has none of it, and says in kernel_subtracts what kernel this is. -ENOMEM:
 * what is there then is for snapshot_done(). */
int account_snapshot(struct account *a, struct snapshot *s);

#endif
