/* SPDX-License-Identifier: MIT */
/* Which VMs are measured: those that are there, and those that come, grow and go (watch.h); those for
 * which there is no room are tried again. */
#ifndef HOST_MEASURE_WATCH_H
#define HOST_MEASURE_WATCH_H

#include "host/measured.h"

/* Measures what is there of what was asked for, and watches for more. As measure_open(). */
int measure_watch_find(struct measurement *m, struct failure *f);

/* What ended may have left room enough: those that were refused come again. */
void measure_watch_try_refused(struct measurement *m);

/* Where only processes were asked for, nobody watches: whether they have more vCPUs than before. */
void measure_watch_grown(struct measurement *m);

#endif
