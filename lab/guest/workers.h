/* SPDX-License-Identifier: MIT */
/*
 * The workers of one run, from init's side: parked, released, stopped, read.
 *
 * Readings are taken while the guest is quiet, before workers_start() and after workers_stop(), so
 * that reading them does not fall into what they measure.
 */
#ifndef LAB_GUEST_WORKERS_H
#define LAB_GUEST_WORKERS_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define WORKERS_MAX 16

/* Starts one worker for each name, on the CPU that stands in the same place of `cpus` if there is
 * one, and waits until all are parked. Returns NULL, or what is wrong. */
const char *workers_prepare(const json_t *kinds, const json_t *cpus, uint64_t unit_ns);

void workers_start(void);

/* Waits until all have stopped. Returns NULL, or what is wrong. */
const char *workers_stop(void);

/* [{"kind","pid","units","reported_s","cpu_s","ticks_s","top_s","alive"}]; a new reference. What
 * top says is asked for only `with_top`: it costs time. */
json_t *workers_read(bool with_top);

/* CPU time, ns, of all other processes that are alive, as the kernel says, without init and
 * `except`. */
uint64_t workers_others_ns(pid_t except);

/* Kills and reaps all. */
void workers_end(void);

/* To be told of every child that init has reaped. */
void workers_reaped(pid_t pid);

#endif
