/* SPDX-License-Identifier: MIT */
/*
 * The engine: one host in virtual time. It plays the guests (workload.h), lets the core decide
 * (policy/core.h), and moves from one event to the next. Everything is reproducible: the same
 * scenario and seed give the same nanoseconds.
 */
#ifndef SIM_ENGINE_H
#define SIM_ENGINE_H

#include "base/failure.h"
#include "sim/scenario.h"
#include "sim/sim.h"

/* 0; -ENOMEM; or what core_start() refuses, with the reason in `f`. `host` numbers the hosts of a
 * scenario: each has random numbers of its own. */
int sim_new(const struct scenario *scenario, uint64_t seed, uint32_t host, struct failure *f,
	    struct sim **ret);
struct sim *sim_free(struct sim *s); /* NULL accepted; returns NULL */

/* The core has the VM from now on, idle, with what it reserves: 0, or what core_vm_add()
 * refuses. */
int sim_vm_come(struct sim *s, uint32_t vm);

/* Runs to `end` ns, events at `end` excluded. */
void sim_run(struct sim *s, uint64_t end);

/* Counts from now on. */
void sim_restart_counters(struct sim *s);

/* Brings all counters up to now. */
void sim_settle(struct sim *s);

/* Changes of the scenario that were not admitted (scenario_changes.h). */
uint64_t sim_refusals(const struct sim *s);

/* Bytes that sim_new() will need for one host. */
size_t sim_bytes(const struct scenario *scenario);

#endif
