/* SPDX-License-Identifier: MIT */
/*
 * The last ten minutes, a sample a second: what each CPU did in it. The memory is taken once, 24
 * bytes for each CPU and second.
 */
#ifndef DAEMON_HISTORY_H
#define DAEMON_HISTORY_H

#include "guest/account.h"

#include <jansson.h>

#define HISTORY_SAMPLES	 600
#define HISTORY_INTERVAL NS_PER_SEC

struct history;

int history_new(unsigned n_cpus, struct history **ret);
void history_free(struct history *h);

/* A sample that ends now: the account's sums since the one before. `mono` and `real` are ns of the
 * two clocks. The first call begins the history and is no sample. */
void history_add(struct history *h, const struct account *a, uint64_t mono, uint64_t real);

/* Schema desched-history/1, described in vmdesched(8): a list per figure, oldest first. NULL
 * without memory. */
json_t *history_json(const struct history *h);

#endif
