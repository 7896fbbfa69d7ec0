/* SPDX-License-Identifier: MIT */
/*
 * vCPU threads dispatched by the scheduler's core in a process of its own (dispatcher.h), which a
 * guardian watches (dispatch_guardian.h).
 */
#include "enforce/enforcer.h"

#include "enforce/dispatch_guardian.h"
#include "enforce/guard.h"
#include "enforce/keys.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

static int probe(const char *root, struct failure *why)
{
	struct dispatch_host h;
	char path[160];
	int err = dispatch_host(root, why, &h);

	if (err)
		return err;
	snprintf(path, sizeof(path), "%s/sys/kernel/btf/vmlinux", root);
	if (access(path, F_OK))
		return failure_set(why, -EOPNOTSUPP,
				   "it reads run times by BPF, and this kernel has no BTF");
	if (geteuid())
		return failure_set(why, -EPERM, "it takes root to change threads' classes");
	if (access(h.hold.mount, W_OK) || access(h.cpu.mount, W_OK))
		return failure_errno(why, -errno,
				     "%s or %s can't be written; it takes CAP_DAC_OVERRIDE, and "
				     "ProtectControlGroups=no of a unit",
				     h.hold.mount, h.cpu.mount);
	return 0;
}

static void recover(void (*say)(const char *line, void *data), void *data)
{
	struct dispatch_host h;
	char line[80];
	size_t n = dispatch_host("", NULL, &h)
			   ? 0
			   : dispatch_undo_record(&h, DISPATCH_RECORD, say, data);

	snprintf(line, sizeof(line), "put back the threads of %zu VM%s that were dispatched", n,
		 n == 1 ? "" : "s");
	if (n)
		say(line, data);
}

static int open_dispatch(struct failure *f, void **ret)
{
	struct dispatch_host h;
	struct guard *g = NULL;
	int err = dispatch_host("", f, &h);
	pid_t other = dispatch_owner(DISPATCH_RECORD);

	if (!err && other)
		return failure_set(f, -EBUSY,
				   "another deschedd enforces already; its guardian is process %d",
				   (int)other);
	if (!err)
		err = guard_open(dispatch_guardian,
				 &(struct dispatch_guardian_work){&h, DISPATCH_RECORD}, f, &g);
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

static void close_dispatch(void *state)
{
	guard_close(state);
}

const struct enforcer enforcer_dispatch = {
	.name = "dispatch",
	.guarantees = "shares, reservations, limits, groups and co-scheduling by dispatching vCPU "
		      "threads "
		      "every millisecond; a limit holds vCPUs, not a VM's other threads, which are "
		      "charged "
		      "and capped",
	.cannot =
		"dispatch VMs whose vCPUs are pinned or real-time, save up burst credit, or keep a "
		"VM's CPUs from the host's own tasks",
	.keys = 1u << VM_KEY_SHARES | 1u << VM_KEY_RESERVATION | 1u << VM_KEY_LIMIT |
		1u << VM_KEY_GROUP | 1u << VM_KEY_COSCHED,
	.probe = probe,
	.recover = recover,
	.open = open_dispatch,
	.apply = apply,
	.take = take,
	.close = close_dispatch,
};
