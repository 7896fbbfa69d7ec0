/* SPDX-License-Identifier: MIT */
/*
 * The guardian: a process of its own that alone may write cgroups, so that the daemon, which talks
 * to VMs and clients, may not. It is root, with one capability and few system calls. It gets
 * orders over a socket, finds the VM's cgroup itself, records what it changes before it does
 * (record.h), and puts everything back when the daemon is gone, however it went: its end of the
 * socket is closed then. It does so, too, when it has heard nothing for GUARD_PATIENCE.
 */
#ifndef ENFORCE_GUARD_H
#define ENFORCE_GUARD_H

#include "enforce/cgroup.h"
#include "enforce/enforcer.h"

#define GUARD_PATIENCE (10 * NS_PER_SEC)

struct guard;

/* Starts it. With all privileges, before there are threads; `file` is the record's, and outlives it. */
int guard_open(const struct cgroup_host *h, const char *file, struct failure *f,
	       struct guard **ret);

/* As in struct enforcer. */
int guard_apply(struct guard *g, const struct enforce_order *orders, size_t n);
int guard_take(struct guard *g, void (*got)(const struct enforce_outcome *o, void *data),
	       void *data);

/* Waits until everything is as it was. NULL accepted. */
void guard_close(struct guard *g);

#endif
