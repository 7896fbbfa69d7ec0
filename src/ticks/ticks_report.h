/* SPDX-License-Identifier: MIT */
/* The line that the test guest (lab/tickos) prints when it is asked for a report. */
#ifndef TICKS_TICKS_REPORT_H
#define TICKS_TICKS_REPORT_H

#include <stdint.h>

enum ticks_process {
	TICKS_A,
	TICKS_B,
	TICKS_IDLE,
	TICKS_VMDESCHED,
	TICKS_PROCESSES,
};

struct ticks_report {
	uint64_t cpu;
	uint64_t clock; /* ticks: the guest's own */
	uint64_t taken, backlog, resyncs;
	uint64_t period_ns, real_ns, run_ns, away_ns, vmdesched_ns; /* as the monitor told it */
	struct {
		uint64_t charged; /* ticks */
		uint64_t units;
	} processes[TICKS_PROCESSES];
};

extern const char *const ticks_process_names[TICKS_PROCESSES];

/* -EBADMSG for what is no whole report. */
int ticks_report_parse(const char *line, struct ticks_report *ret);

#endif
