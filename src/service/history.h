/* SPDX-License-Identifier: MIT */
/*
 * The last ten minutes, a sample a second: what some figures of some things (a guest's CPUs, a VM's
 * vCPUs) gained in it. The memory is taken once, 8 bytes for each figure, thing and second. While
 * nothing is known there is no sample; the next one is as long as that was.
 */
#ifndef SERVICE_HISTORY_H
#define SERVICE_HISTORY_H

#include "base/units.h"

#include <jansson.h>
#include <stddef.h>

#define HISTORY_SAMPLES	    600
#define HISTORY_INTERVAL    NS_PER_SEC
#define HISTORY_FIGURES_MAX 16

struct history;

struct history_shape {
	const char *schema;
	const char *const *figures; /* their members in JSON; all are amounts of time */
	size_t n_figures;
	const char *things, *thing; /* members: the list of things, the number of one */
};

/* The sums of thing `i` since its beginning, ns, one a figure; they never fall. */
typedef void (*history_sums_fn)(const void *of, unsigned i, uint64_t *ret);

int history_new(const struct history_shape *shape, unsigned things, struct history **ret);
void history_free(struct history *h);

/* A sample that ends at `mono`, up to which all is known: what the sums gained since the one before.
 * `mono` and `real` are the same instant by two clocks, ns. The first call begins the history and
 * is no sample; nor is one that isn't later than the last. */
void history_add(struct history *h, history_sums_fn sums, const void *of, uint64_t mono,
		 uint64_t real);

/* A list per figure, oldest first: of all together, then of each thing. NULL without memory. */
json_t *history_json(const struct history *h);

#endif
