/* SPDX-License-Identifier: MIT */
/* The phases of a lab, in order. Each returns 0, -EINTR after a signal, or -errno with a line in
 * `f`. */
#ifndef LAB_PHASES_H
#define LAB_PHASES_H

#include "lab/session.h"

int phase_boot(struct session *s, struct failure *f);
int phase_pin(struct session *s, struct failure *f);
int phase_calibrate(struct session *s, struct failure *f);
int phase_run(struct session *s, struct failure *f);
int phase_off(struct session *s, struct failure *f);

/* What the first failed machine has to say, as a phase returns it. -EREMOTEIO. */
int phase_failure(const struct session *s, struct failure *f);

#endif
