/* SPDX-License-Identifier: MIT */
/*
 * The experiment of the source: VMs that count their ticks share one CPU, and what their processes
 * are charged is held to what those really had. One run for each tick policy; and one VM for each
 * that is alone and is paused, to see how long its clock takes to be right again. Beside each
 * figure stands what the simulator says of the same configuration.
 *
 * Truth: the vCPU thread's CPU time by the host's kernel, less what VMDesched took, split by the
 * work units that the processes count themselves. READY: of the same thread, by the host's kernel.
 */
#ifndef TICKS_TICKS_H
#define TICKS_TICKS_H

#include "base/failure.h"
#include "policy/tick.h"

#include <jansson.h>
#include <stdint.h>
#include <stdio.h>

#define TICKS_VMS_MAX 16

enum ticks_pause {
	TICKS_50MS,
	TICKS_1S,
	TICKS_61S,
	TICKS_PAUSES,
};

struct ticks_config {
	uint64_t hz, vms;
	uint64_t seconds; /* ns, of each policy's window */
	int cpu;	  /* -1: the last one allowed */
	int policy;	  /* -1: all */
	bool pauses;
	void (*progress)(const char *what, void *data); /* NULL for none */
	void *data;
};

struct ticks_account { /* seconds of CPU */
	double charged, truth;
};

struct ticks_vm_result {
	struct ticks_account processes[2]; /* A, B */
	double vmdesched, ready;
	double max_clock_error;
	uint64_t resyncs;
};

struct ticks_pause_result {
	uint64_t backlog; /* ticks */
	uint64_t resyncs;
	double catchup; /* seconds, negative: never */
};

struct ticks_prediction {
	double error[2];  /* of A and B */
	double vmdesched; /* relative to READY */
	double clock_error, max_clock_error;
	double catchup[TICKS_PAUSES];
	uint64_t resyncs[TICKS_PAUSES];
};

struct ticks_policy {
	enum tick_policy policy;
	struct ticks_vm_result vms[TICKS_VMS_MAX];
	double clock_error; /* of the first VM, a second after the others have gone */
	struct ticks_pause_result pauses[TICKS_PAUSES];
	struct ticks_prediction predicted;
};

struct ticks {
	struct ticks_config config;
	const char *source; /* of READY */
	double took;
	uint32_t n_policies;
	struct ticks_policy policies[TICK_POLICIES];
};

extern const char *const ticks_pause_names[TICKS_PAUSES];
extern const uint64_t ticks_pause_lengths[TICKS_PAUSES]; /* ns */

int ticks_run(const struct ticks_config *c, struct failure *f, struct ticks *ret);

/* predict.c; for ticks_run() and tests. */
int ticks_predict(const struct ticks_config *c, enum tick_policy policy, struct failure *f,
		  struct ticks_prediction *ret);

void ticks_table(const struct ticks *t, FILE *out);
json_t *ticks_json(const struct ticks *t); /* a new reference */

/* Sums over the VMs. */
double ticks_error(const struct ticks *t, const struct ticks_policy *p, int process);
double ticks_worst_error(const struct ticks *t, const struct ticks_policy *p);
double ticks_vmdesched(const struct ticks *t, const struct ticks_policy *p);
double ticks_ready(const struct ticks *t, const struct ticks_policy *p);
double ticks_max_clock_error(const struct ticks *t, const struct ticks_policy *p);
uint64_t ticks_resyncs(const struct ticks *t, const struct ticks_policy *p);

#endif
