/* SPDX-License-Identifier: MIT */
/*
 * How long the vCPUs of each VM waited for a CPU: a wait is the READY time from when a vCPU wanted
 * to run, or was preempted, until it ran; 0 where it ran at once. Waits that last until the end
 * count as well. Costs time and memory, so it is measured only where someone wants to know.
 */
#ifndef SIM_WAITS_H
#define SIM_WAITS_H

#include "sim/engine.h"
#include "sim/quantiles.h"

struct waits;

/* Counts from now on, as s->waits. Puts itself before the core's watch, which goes on. */
int waits_start(struct sim *s);
/* Ends the waits that go on. */
void waits_end(struct waits *w, uint64_t now);
const struct quantiles *waits_of(const struct waits *w, uint32_t vm);
/* Counts a VM's waits on another host as its own here. */
void waits_merge(struct waits *to, uint32_t vm, const struct waits *from, uint32_t other);
struct waits *waits_free(struct waits *w); /* NULL accepted; returns NULL */

/* Bytes that it takes for a host. */
uint64_t waits_bytes(const struct scenario *scenario);

#endif
