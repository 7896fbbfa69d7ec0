/* SPDX-License-Identifier: MIT */
/* Control groups in the account; for account.c and account_cgroup.c only. */
#ifndef GUEST_ACCOUNT_CGROUP_H
#define GUEST_ACCOUNT_CGROUP_H

#include "guest/account.h"

/* Where tasks are before anybody has said where. */
#define CGROUP_ROOT "/"

/* Puts the task into a group and takes it out of the one that it was in; NULL: out. */
void cgroup_enter(struct account_task *t, struct account_cgroup *c);

/* The group of that path, made if need be; "(other)" when there are too many, NULL without
 * memory. */
struct account_cgroup *cgroup_get(struct account *a, const char *path);
void cgroup_free_all(struct account *a);

#endif
