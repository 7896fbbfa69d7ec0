/* SPDX-License-Identifier: MIT */
/*
 * The last ten minutes, a sample a second: what each CPU did in it. The memory is taken once, 40
 * bytes for each CPU and second. While the source is silent there is no sample; the next one is as
 * long as that was.
 */
#ifndef VMDESCHED_HISTORY_H
#define VMDESCHED_HISTORY_H

#include "guest/account.h"

#include <jansson.h>

#define HISTORY_SAMPLES	 600
#define HISTORY_INTERVAL NS_PER_SEC

struct history;

int history_new(unsigned n_cpus, struct history **ret);
void history_free(struct history *h);

/* A sample that ends at `mono`, up to which all is booked: the account's sums since the one before.
 * `mono` and `real` are the same instant by two clocks, ns. The first call begins the history and
 * is no sample; nor is one that isn't later than the last. */
void history_add(struct history *h, const struct account *a, uint64_t mono, uint64_t real);

/* Schema desched-history/2, described in vmdesched(8): a list per figure, oldest first. NULL
 * without memory. */
json_t *history_json(const struct history *h);

#endif
