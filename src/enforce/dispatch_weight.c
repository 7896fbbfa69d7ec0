/* SPDX-License-Identifier: MIT */
#include "enforce/dispatch_weight.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#define SHORT	   0.01 /* of what is reserved: not worth more weight */
#define BOOST_MOST 256
#define BOOST_LESS 0.95 /* a second, when nothing is short */

/* Threads that the group is to weigh as much as. */
static double threads_of(struct dispatch_weight *w, struct dispatcher_shared *shared)
{
	uint64_t rounds = atomic_load(&shared->beat), sum = atomic_load(&shared->wanting);
	uint64_t want = atomic_load(&shared->reserved), got = atomic_load(&shared->kept);
	double threads = 1;

	if (rounds > w->rounds)
		threads = fmax((double)(sum - w->wanting) / (double)(rounds - w->rounds), 1);
	if ((double)(got - w->kept) < (1 - SHORT) * (double)(want - w->reserved))
		w->boost = fmin(fmax(w->boost, 1) * 2, BOOST_MOST);
	else
		w->boost = fmax(w->boost * BOOST_LESS, 1);
	w->rounds = rounds;
	w->wanting = sum;
	w->reserved = want;
	w->kept = got;
	return threads * w->boost;
}

void dispatch_weigh(struct dispatch_weight *w, const struct dispatch_host *h, const char *top,
		    struct dispatcher_shared *shared)
{
	const char *file = h->cpu.version == 1 ? "cpu.shares" : "cpu.weight";
	int64_t weight = cgroup_weight(&h->cpu, threads_of(w, shared));
	char path[CGROUP_PATH], text[24];

	snprintf(path, sizeof(path), "/%s", top);
	if (cgroup_get(&h->cpu, path, file, text, sizeof(text)) ||
	    (w->written && strtoll(text, NULL, 10) != w->written) || weight == w->written)
		return;
	snprintf(text, sizeof(text), "%lld", (long long)weight);
	if (!cgroup_put(&h->cpu, path, file, text, NULL))
		w->written = weight;
}
