/* SPDX-License-Identifier: MIT */
/*
 * A guardian: a process of its own that alone may change how VMs are scheduled, so that the daemon,
 * which talks to VMs and clients, may not. It is root, with few capabilities and system calls
 * (guard_process.h). It gets orders over a socket (guard_wire.h), records what it changes before it
 * does, and puts everything back when the daemon is gone, however it went: its end of the socket is
 * closed then. It does so, too, when it has heard nothing for GUARD_PATIENCE. Each row that changes
 * anything has one of its own; this is the daemon's side of them all.
 */
#ifndef ENFORCE_GUARD_H
#define ENFORCE_GUARD_H

#include "base/units.h"
#include "enforce/enforcer.h"

#define GUARD_PATIENCE (10 * NS_PER_SEC)

struct guard;

/* The guardian's life: serves the socket, undoes everything at the end. */
typedef void guard_life(const void *work, int fd);

/* Starts it. With all privileges, before there are threads. It never returns from `life`. */
int guard_open(guard_life *life, const void *work, struct failure *f, struct guard **ret);

/* As in struct enforcer. */
int guard_apply(struct guard *g, const struct enforce_orders *orders);
int guard_take(struct guard *g, void (*got)(const struct enforce_outcome *o, void *data),
	       void *data);

/* Waits until everything is as it was. NULL accepted. */
void guard_close(struct guard *g);

#endif
