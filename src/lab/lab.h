/* SPDX-License-Identifier: MIT */
/*
 * A lab: N virtual machines on too few CPUs, and who really used them.
 *
 * The phases: boot (all machines at once, on all CPUs), pin (QEMU's threads onto the CPUs to be
 * shared), calibrate (what a work unit of each kind costs, on the first machine, the others idle),
 * run, off. docs/desched-lab.1 tells what the figures
 * mean.
 */
#ifndef LAB_LAB_H
#define LAB_LAB_H

#include "base/failure.h"
#include "lab/lab_options.h"
#include "lab/result.h"

/*
 * Runs a lab. *result is valid on every return and holds what was measured until then; free it with
 * lab_result_done(). Returns 0; -EINTR when SIGINT, SIGTERM or SIGHUP ended it (*ret_signal says
 * which); another -errno with one line in `f`. On return no process, file or mount of it is left,
 * whatever happened. The calling thread's signal mask and affinity are as before.
 */
int lab_run(const struct lab_options *o, const struct lab_watch *watch, struct failure *f,
	    struct lab_result *result, int *ret_signal);

#endif
