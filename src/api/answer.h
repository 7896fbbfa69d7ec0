/* SPDX-License-Identifier: MIT */
/* A snapshot as libdesched holds it. */
#ifndef API_ANSWER_H
#define API_ANSWER_H

#include <desched/desched.h>

struct answer_process {
	struct desched_process public;
	size_t first_thread;
};

struct desched_snapshot {
	struct desched_summary summary;
	char source[16], steal_clock[32];
	struct desched_cpu *cpus;
	size_t n_cpus;
	struct answer_process *processes;
	size_t n_processes;
	struct desched_thread *threads;
	size_t n_threads;
	struct page_host page;
	bool has_page;
	struct ledger *ledgers; /* [n_ledgers]; `at` is 0 for one that was not told */
	size_t n_ledgers;
	uint64_t speed_hz; /* 0: not known */
};

/* From an answer of vmdesched's, which is of no more use then but for snapshot_done(). -ENOMEM. */
struct snapshot;
int answer_make(struct snapshot *from, struct desched_snapshot **ret);

/* "cpu MHz" of the first processor in the text of /proc/cpuinfo; 0 where it has none. */
uint64_t answer_speed(const char *cpuinfo);

#endif
