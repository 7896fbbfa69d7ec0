/* SPDX-License-Identifier: MIT */
/*
 * The vCPU threads of a QEMU that are neither KVM's nor called like vCPUs: its monitor is asked, if
 * its command line has a QMP socket and nobody is connected there. A QEMU talks to one client at a
 * time: so this one is never there for long, and never in the place of the owner; libvirt's monitor
 * is left alone in any case.
 *
 * The socket's path is looked up without following links or entering any mount from a directory of
 * the system's own, so that no file system of somebody else's is touched; and it must be that very
 * process that answers.
 */
#ifndef HOST_FIND_MONITOR_H
#define HOST_FIND_MONITOR_H

#include "host/host_vm.h"

/* Takes 0.2 s at most. -ENOENT and why in `f`, which says what to do. */
int host_find_monitor(pid_t pid, struct failure *f, struct host_vm *ret);

/* The path of the i-th QMP socket that QEMU listens on by its command line; -ENOENT behind the last.
 * For host_find_monitor() and tests. */
struct words;
int monitor_path(const struct words *w, unsigned i, char *ret, size_t size);

#endif
