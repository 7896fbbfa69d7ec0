/* SPDX-License-Identifier: MIT */
/*
 * A host's overheads as `desched calibrate --json` has measured them, in the place of guesses: what a
 * context switch and an exit cost, and what a VM's vCPUs cost while they are idle.
 */
#ifndef SIM_CALIBRATION_H
#define SIM_CALIBRATION_H

#include "base/failure.h"
#include "sim/spec.h"

/*
 * Reads the file that [host] names, if it names one, and sets what is 0 there: switch_cost and
 * exit_cost of the host, and of each VM with `calibrated` tick_hz and tick_cost, so that it costs
 * while idle what that VM did. A host's cost that wasn't measured stays 0. 0, or -errno with the file
 * and what is wrong in `f`.
 */
int calibration_apply(struct scenario *s, struct failure *f);

#endif
