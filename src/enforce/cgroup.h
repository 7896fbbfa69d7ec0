/* SPDX-License-Identifier: MIT */
/*
 * The `cpu` controller of cgroups, of version 1 or 2: where a VM is in it, and its weight, quota,
 * period and burst, which have the same meaning and other names, units and bounds in each version.
 * Paths are as in /proc/PID/cgroup, "/" the first; a path comes from the kernel and may hold any
 * byte but a newline.
 */
#ifndef ENFORCE_CGROUP_H
#define ENFORCE_CGROUP_H

#include "base/failure.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define CGROUP_PATH 512

struct cgroup_host {
	int version;	 /* 1, 2 */
	char root[128];	 /* before /proc; "" */
	char mount[192]; /* of the hierarchy, `root` before it */
};

struct cgroup_values {
	int64_t weight;	  /* of version 1 (1024 is usual, 2 .. 262144) or 2 (100, 1 .. 10000) */
	int64_t quota_us; /* in each period; -1: none */
	int64_t period_us;
	int64_t burst_us; /* -1: this kernel has none */
};

/* -EOPNOTSUPP: there is no such controller, and why. */
int cgroup_host(const char *root, struct failure *why, struct cgroup_host *ret);

/* A weight of so many threads that have the usual one, in the version's bounds. */
int64_t cgroup_weight(const struct cgroup_host *h, double threads);
double cgroup_weight_threads(const struct cgroup_host *h, int64_t weight);

/* Quota, period and burst that let `cpus` CPUs be used, in periods of `period_ns` or, where the
 * quota would be less than the kernel takes, longer ones. The rest of *to stays as it is. */
void cgroup_limit(double cpus, uint64_t period_ns, uint64_t credit_ns, struct cgroup_values *to);

/* A file of a cgroup, as text. `f` names it. */
int cgroup_get(const struct cgroup_host *h, const char *path, const char *file, char *ret,
	       size_t size);
int cgroup_put(const struct cgroup_host *h, const char *path, const char *file, const char *text,
	       struct failure *f);

int cgroup_read(const struct cgroup_host *h, const char *path, struct cgroup_values *ret);

/* Writes what differs from `from`, in an order that the kernel takes. What it refuses: -errno, with
 * the name of the file; some of the rest may be written. */
int cgroup_write(const struct cgroup_host *h, const char *path, const struct cgroup_values *from,
		 const struct cgroup_values *to, struct failure *f);

/*
 * Where all threads of a process are: the innermost systemd unit (scope or service) around them, or
 * else the innermost cgroup. `*ret_own`: nobody is in there but this process, its children and, in
 * a scope that is named as a machine's, its helpers. -ESRCH; -ENAMETOOLONG.
 */
int cgroup_of(const struct cgroup_host *h, pid_t pid, char ret[CGROUP_PATH], bool *ret_own);

/* A cgroup for one process below `from`, which isn't its own. -EOPNOTSUPP and why where a cgroup of
 * version 2 can't have one: it holds processes, and isn't the first. */
int cgroup_path_for(const struct cgroup_host *h, const char *from, pid_t pid, uint64_t start_ns,
		    struct failure *why, char ret[CGROUP_PATH]);
int cgroup_make(const struct cgroup_host *h, const char *path); /* one that is there is fine */
int cgroup_move(const struct cgroup_host *h, pid_t pid, const char *path);

/* Moves everybody in `path` to `to` or, where that is gone, what is above it, and removes `path`.
 * 0 where it is gone already; -EBUSY where there are cgroups below it. */
int cgroup_dissolve(const struct cgroup_host *h, const char *path, const char *to);

#endif
