/* SPDX-License-Identifier: MIT */
/*
 * The last ten minutes, a sample a second: what some figures of some things (a guest's CPUs, a VM's
 * vCPUs) gained in it, to 1 us. Memory is taken in blocks of a minute, of each figure of each thing
 * that isn't 0 throughout: 2 bytes a sample where none is above 65 ms, else 4; when it was says a
 * clock that histories share. While nothing is known there is no sample; the next one is as long as that was. Where there is no memory for one, it is part of
 * the next one, too.
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
	size_t n_peaks; /* so many of the last ones are the largest of a sample, not sums */
	const char *things, *thing; /* members: the list of things, the number of one */
};

/* Of thing `i`, ns, one a figure: the sums since its beginning, which never fall; peaks since the
 * last sample. */
typedef void (*history_sums_fn)(const void *of, unsigned i, uint64_t *ret);

/* When samples end: whoever takes them ticks first. `mono` and `real` are the same instant by two
 * clocks, ns; one that isn't later than the last is no tick. */
struct history_clock;

int history_clock_new(struct history_clock **ret); /* -ENOMEM */
void history_clock_free(struct history_clock *c);  /* NULL accepted */
void history_tick(struct history_clock *c, uint64_t mono, uint64_t real);

/* The clock stays as long as the history. */
int history_new(const struct history_shape *shape, unsigned things,
		const struct history_clock *clock, struct history **ret);
void history_free(struct history *h); /* NULL accepted */

/* A sample that ends at the clock's last tick, up to which all is known: what the sums gained since the
 * one before. The first call begins the history and is no sample; nor is one without a tick since
 * the last. -ENOMEM: no sample, the next one has it. */
int history_add(struct history *h, history_sums_fn sums, const void *of);

/* The largest of a peak of thing `i` in samples that end after `mono`, ns. */
uint64_t history_peak(const struct history *h, unsigned i, size_t figure, uint64_t mono);

/* A list per figure, oldest first: of all together, then of each thing. NULL without memory. */
json_t *history_json(const struct history *h);

#endif
