/* SPDX-License-Identifier: MIT */
/*
 * The metrics from a daemon, without waiting for it: one question at a time, whose answer is for
 * everybody who has asked meanwhile.
 */
#ifndef EXPORTER_FETCH_H
#define EXPORTER_FETCH_H

#include "service/loop.h"

#define FETCH_PATIENCE_S 5

struct fetch;

/* Called with the text, which ends with the call; NULL: the daemon has not answered in time, or with
 * something else. */
typedef void (*fetch_fn)(const char *text, void *data);

/* `socket` outlives it. -ENOMEM. */
int fetch_new(struct loop *loop, const char *socket, fetch_fn done, void *data, struct fetch **ret);
struct fetch *fetch_free(struct fetch *f); /* returns NULL */

/* `done` is called later, once, unless a question is on its way already: then that one answers. */
void fetch_start(struct fetch *f);

#endif
