/* SPDX-License-Identifier: MIT */
/*
 * Weights and quotas of the VMs' own cgroups, which a guardian writes (guard.h). The kernel's fair
 * class shares by them; nobody is dispatched, and nobody is held back but by the quota.
 */
#include "enforce/enforcer.h"

#include "enforce/guard.h"
#include "enforce/guardian.h"
#include "enforce/keys.h"
#include "enforce/record.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

static int probe(const char *root, struct failure *why)
{
	struct cgroup_host h;
	int err = cgroup_host(root, why, &h);

	if (err)
		return err;
	if (geteuid())
		return failure_set(why, -EPERM, "it takes root to write cgroups");
	if (access(h.mount, W_OK))
		return failure_errno(why, -errno,
				     "%s can't be written; it takes CAP_DAC_OVERRIDE, and "
				     "ProtectControlGroups=no of a unit",
				     h.mount);
	return 0;
}

static void recover(void (*say)(const char *line, void *data), void *data)
{
	struct cgroup_host h;
	char line[80];
	size_t n = cgroup_host("", NULL, &h) ? 0 : record_undo_all(&h, RECORD_FILE, say, data);

	snprintf(line, sizeof(line), "put back what an earlier deschedd had changed of %zu VM%s", n,
		 n == 1 ? "" : "s");
	if (n)
		say(line, data);
}

static int open_cgroup(struct failure *f, void **ret)
{
	struct cgroup_host h;
	struct guard *g = NULL;
	int err = cgroup_host("", f, &h);
	pid_t other = record_owner(RECORD_FILE);

	if (!err && other)
		return failure_set(f, -EBUSY,
				   "another deschedd enforces already; its guardian is process %d",
				   (int)other);
	if (!err)
		err = guard_open(guardian, &(struct guardian_work){&h, RECORD_FILE}, f, &g);
	*ret = g;
	return err;
}

static int apply(void *state, const struct enforce_orders *orders)
{
	return guard_apply(state, orders);
}

static int take(void *state, void (*got)(const struct enforce_outcome *o, void *data), void *data)
{
	return guard_take(state, got, data);
}

static void close_cgroup(void *state)
{
	guard_close(state);
}

const struct enforcer enforcer_cgroup = {
	.name = "cgroup",
	.guarantees =
		"shares and reservations by weights that follow demand once a second, limits by "
		"quotas",
	.cannot = "keep a reservation whole among many busy VMs or for one that sleeps and wakes, "
		  "co-schedule, or weigh VMs of different parent cgroups against each other",
	.keys = 1u << VM_KEY_SHARES | 1u << VM_KEY_RESERVATION | 1u << VM_KEY_LIMIT |
		1u << VM_KEY_BURST_CREDIT | 1u << VM_KEY_GROUP,
	.probe = probe,
	.recover = recover,
	.open = open_cgroup,
	.apply = apply,
	.take = take,
	.close = close_cgroup,
};
