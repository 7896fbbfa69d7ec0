/* SPDX-License-Identifier: MIT */
/*
 * VMDesched as it once was: the process that is there to be charged. In a guest that counts its
 * ticks, on a monitor that keeps those of the time when the guest did not run (vmdesched(7)), it
 * looks at each tick whether there is a backlog, and takes it: each reading of the port brings one
 * timer interrupt, which finds this process running.
 *
 * Nothing happens where there is no such port, or where somebody else has it.
 */
#ifndef VMDESCHED_BACKLOG_H
#define VMDESCHED_BACKLOG_H

#include "base/failure.h"

#include <stdbool.h>

/* Gets the port, and the lowest realtime priority: it is to run as soon as ticks are owed, before
 * those who would be charged for them otherwise. Wants CAP_SYS_RAWIO and CAP_SYS_NICE, of which
 * backlog_run() needs neither. -ENODEV: there is no such port. */
int backlog_open(struct failure *f);

/* Until it is ended by a signal, or fails. `set_clock`: sets the clock when the monitor has given a
 * backlog up, which wants CAP_SYS_TIME. */
int backlog_run(bool set_clock, struct failure *f);

#endif
