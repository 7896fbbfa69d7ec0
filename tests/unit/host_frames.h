/* SPDX-License-Identifier: MIT */
/*
 * Two frames of a host, one second apart, for which tests work figures out by hand. In that second,
 * in thousandths of it:
 *
 *     VM, vCPU         run  ready  co-stop  limited  wait  idle   sum   overhead  longest
 *     web1   0         600    300                           100  1000                45.0
 *            1         250     50       50             50   600  1000                12.5
 *            both      850    350       50             50   700  2000         40
 *     db     0         100                                  900  1000
 *     hostile 0        400    100                                 500              1200       came in it
 *     old    0         200                       50               250         10     0.45     ended in it
 *     other  0          30                                   70   100              pid of another
 *     all             1580    450       50       50     50  1670  3850         50
 *
 * `gone` ended before the first frame. While web1 waited, kworker/0:1 ran for 150 of it, db for 100,
 * make for 50. Without cpus and gaps in a frame, entitlement and longest waits aren't known.
 */
#ifndef HOST_FRAMES_H
#define HOST_FRAMES_H

#include "base/units.h"
#include "wire/host_frame.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define TIME	UINT64_C(1795176011000000000) /* date -ud '2026-11-20 12:00:11' +%s */
#define HOSTILE "a\x1b]0;b\xe2\x80\xae"

static struct host_frame first, second;

struct vm {
	const char *name;
	pid_t pid;
	uint64_t since;
	uint64_t overhead; /* ms */
	bool ended;
	size_t n;
	uint64_t ms[2][LEDGER_STATES];
};

/* run, ready, costop, limited, swapwait, halt, wait */
static const struct vm first_vms[] = {
	{"web1", 100, 5, 500, false, 2, {{3000, 1000, 0, 0, 0, 6000, 0}, {1, 2, 3, 0, 0, 4, 5}}},
	{"db", 200, 6, 7, false, 1, {{10, 20, 0, 0, 0, 30, 0}}},
	{"old", 400, 7, 0, false, 1, {{50, 0, 0, 1, 0, 0, 0}}},
	{"gone", 500, 7, 0, true, 1, {{50, 0, 0, 0, 0, 0, 0}}},
	{"other", 600, 8, 900, false, 1, {{5000, 0, 0, 0, 0, 0, 0}}},
};
static const struct vm second_vms[] = {
	{"web1",
	 100,
	 5,
	 540,
	 false,
	 2,
	 {{3600, 1300, 0, 0, 0, 6100, 0}, {251, 52, 53, 0, 0, 604, 55}}},
	{"db", 200, 6, 7, false, 1, {{110, 20, 0, 0, 0, 930, 0}}},
	{HOSTILE, 300, 9, 0, false, 1, {{400, 100, 0, 0, 0, 0, 0}}},
	{"old", 400, 7, 10, true, 1, {{250, 0, 0, 51, 0, 0, 0}}},
	{"other", 600, 9, 0, false, 1, {{30, 0, 0, 0, 0, 70, 0}}},
};

static void make_frame(const struct vm *vms, size_t n, uint64_t at, struct host_frame *ret)
{
	*ret = (struct host_frame){
		.time = TIME, .elapsed = at, .source = "bpf", .vms = calloc(n, sizeof(*ret->vms))};
	for (size_t i = 0; i < n; i++) {
		struct host_frame_vm *to = host_frame_add(ret, vms[i].n);

		assert_non_null(to);
		to->pid = vms[i].pid;
		to->since = vms[i].since;
		to->ended = vms[i].ended;
		to->overhead = vms[i].overhead * NS_PER_MS;
		to->rss = 300 * MIB;
		snprintf(to->name, sizeof(to->name), "%s", vms[i].name);
		snprintf(to->uuid, sizeof(to->uuid), "%s", i ? "" : "6f1d-uuid");
		for (size_t v = 0; v < vms[i].n; v++) {
			to->vcpus[v].index = (unsigned)v;
			to->vcpus[v].tid = vms[i].pid + 1 + (pid_t)v;
			snprintf(to->vcpus[v].name, sizeof(to->vcpus[v].name), "vCPU %u",
				 (unsigned)v);
			for (int s = 0; s < LEDGER_STATES; s++)
				to->vcpus[v].ns[s] = vms[i].ms[v][s] * NS_PER_MS;
		}
	}
}

static void begin_frames(void)
{
	make_frame(first_vms, ARRAY_SIZE(first_vms), 10 * NS_PER_SEC, &first);
	make_frame(second_vms, ARRAY_SIZE(second_vms), 11 * NS_PER_SEC, &second);
}

static void end_frames(void)
{
	host_frame_done(&first);
	host_frame_done(&second);
}

static void blame(struct host_frame *f, size_t n, const struct host_frame_blame *blames)
{
	f->vms[0].blames = calloc(n, sizeof(*blames));
	assert_non_null(f->vms[0].blames);
	for (size_t i = 0; i < n; i++)
		f->vms[0].blames[i] = blames[i];
	f->vms[0].n_blames = n;
}

/* What not every source or machine has. */
static inline void add_the_rest(void)
{
	const struct host_frame_blame before[] = {
		{CULPRIT_VM, 200, "db", 1000 * NS_PER_MS, 0},
		{CULPRIT_KERNEL, 0, "kworker/0:1", 10 * NS_PER_MS, 0},
	};
	const struct host_frame_blame now[] = {
		{CULPRIT_VM, 200, "db", 1100 * NS_PER_MS, 0},
		{CULPRIT_KERNEL, 0, "kworker/0:1", 160 * NS_PER_MS, 0},
		{CULPRIT_PROCESS, 77, "make", 50 * NS_PER_MS, 0},
	};

	second.cpus = 2;
	second.has_gaps = true;
	second.vms[0].vcpus[0].longest = 45 * NS_PER_MS;
	second.vms[0].vcpus[1].longest = 12500 * NS_PER_US;
	second.vms[2].vcpus[0].longest = 1200 * NS_PER_MS;
	second.vms[3].vcpus[0].longest = 450 * NS_PER_US;
	blame(&first, ARRAY_SIZE(before), before);
	blame(&second, ARRAY_SIZE(now), now);
}

#endif
