/* SPDX-License-Identifier: MIT */
/* Control groups in the account. */
#ifndef GUEST_ACCOUNT_CGROUP_H
#define GUEST_ACCOUNT_CGROUP_H

#include "base/hash.h"
#include "guest/amounts.h"

#define ACCOUNT_CGROUPS_MAX 1024u /* beyond: the oldest that is empty goes to "(other)" */

/* A control group, by its path as proc_read_cgroup() has it. */
struct account_cgroup {
	char *path; /* as its owner named it: any bytes but 0 and newline */
	struct amounts amounts;
	uint32_t n_tasks; /* in it now, with those that are gone and still pinned */
	UT_hash_handle hh;
};

/* Where tasks are before anybody has said where. */
#define CGROUP_ROOT "/"

/* Puts a task into a group and takes it out of the one that it was in, *at; NULL: out. */
void account_cgroup_enter(struct account_cgroup **at, struct account_cgroup *c);

/* The group of that path, made if need be; "(other)" when there are too many, NULL without
 * memory. *folded counts the groups that it took over. */
struct account_cgroup *account_cgroup_get(struct account_cgroup **groups, uint64_t *folded,
					  const char *path);
void account_cgroup_free_all(struct account_cgroup **groups);

#endif
