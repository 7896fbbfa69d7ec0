/* SPDX-License-Identifier: MIT */
/* What tests ask of the enforcer sched_ext (enforcer.h). */
#ifndef ENFORCE_ENFORCER_SCHED_EXT_H
#define ENFORCE_ENFORCER_SCHED_EXT_H

#include "bpf/sched_ext.h"
#include "enforce/enforcer.h"

/* Whether this host is a virtual machine itself, where the kernel's watchdog waits for longer;
 * negative: look. */
extern int sched_ext_virtual;

/* What has happened since it was opened. */
struct sched_ext_globals sched_ext_figures(const void *state);

#endif
