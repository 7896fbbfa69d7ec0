/* SPDX-License-Identifier: MIT */
/*
 * Prometheus' text format. Counters never run backwards while the daemon lives, so `true`, which
 * falls when a source tells late, is not among them: it is occupied less vmdesched.
 */
#ifndef VMDESCHED_METRICS_H
#define VMDESCHED_METRICS_H

#include "vmdesched/gaplog.h"
#include "vmdesched/names.h"
#include "vmdesched/timekeeper.h"
#include "guest/agent.h"
#include "service/server.h"

struct metrics_input {
	const struct snapshot *snapshot;
	const struct gaplog *gaps;
	const struct timekeeper *clock;
	const struct server_counters *clients;
	const struct names *names; /* NULL: nothing of processes */
	uint64_t cgroups;	   /* at most so many, the busiest */
	uint64_t textfile_failures;
};

/* The whole text, malloc'ed. -ENOMEM. */
int metrics_text(const struct metrics_input *in, char **ret);

/* Replaces `path` at once: a reader sees the old text or the new one. -errno of the first call that
 * failed; the old file is there still. */
int metrics_write_file(const char *path, const char *text);

#endif
