/* SPDX-License-Identifier: MIT */
/* A timeline of every vCPU's states as a Chrome trace (JSON), which Perfetto and chrome://tracing
 * show: a VM is a process, a vCPU a thread, a state a slice; times in it are microseconds. */
#ifndef SIM_TRACE_H
#define SIM_TRACE_H

#include "sim/engine.h"

struct trace;

/* Keeps `window` ns (UINT64_MAX: all), from `from` ns after now on. */
int trace_open(struct sim *s, const char *path, uint64_t from, uint64_t window, struct failure *f,
	       struct trace **ret);
void trace_state(struct trace *t, uint32_t vcpu, uint64_t now, enum ledger_state state);
/* Ends all slices, frees `t` in any case. */
int trace_close(struct trace *t, struct sim *s, struct failure *f);

#endif
