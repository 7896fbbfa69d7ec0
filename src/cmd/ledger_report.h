/* SPDX-License-Identifier: MIT */
/*
 * A report of `desched ledger`: what happened between two frames of a host, as a table or as one
 * line of JSON, schema desched-ledger/1.
 */
#ifndef CMD_LEDGER_REPORT_H
#define CMD_LEDGER_REPORT_H

#include "base/failure.h"
#include "host/gap_by.h"
#include "wire/host_frame.h"

#include <stdio.h>

#define LEDGER_ENDED_KEPT 64
#define LEDGER_GAPS_SHOWN 10

/* VMs that ended since the command was started: the last ones one by one, the sum of the others. */
struct ledger_ended {
	struct host_frame_vm kept[LEDGER_ENDED_KEPT]; /* with what they had since then */
	size_t n;
	uint64_t vms, vcpus;
	uint64_t ns[LEDGER_STATES];
	uint64_t overhead; /* ns */
};

/* Takes those that `now` says have ended; `base` is the command's first frame. -ENOMEM. */
int ledger_ended_take(struct ledger_ended *e, const struct host_frame *base,
		      const struct host_frame *now);
void ledger_ended_done(struct ledger_ended *e);

/* Copies: the VM may be gone by the time of the report. */
struct ledger_gap {
	char vm[64];
	pid_t pid;
	unsigned vcpu;
	uint64_t at, ns; /* since measuring began; its length */
	uint32_t state;
	struct gap_by by;
};

struct ledger_gaps {
	struct ledger_gap gap[LEDGER_GAPS_SHOWN]; /* longest first */
	int n;
};

struct ledger_report {
	const struct host_frame *base; /* the command's first one */
	const struct host_frame *from; /* of a total the same */
	const struct host_frame *to;
	const struct ledger_ended *ended; /* of a total; NULL: it is of an interval */
	const struct ledger_gaps *gaps;	  /* NULL: not wanted */
	bool exits;			  /* are wanted, and counted */
};

int ledger_report_put(const struct ledger_report *r, bool json, FILE *to, struct failure *f);

#endif
