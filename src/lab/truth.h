/* SPDX-License-Identifier: MIT */
/*
 * Ground truth without any accounting of ours: pure arithmetic.
 *
 *     T     = run - others                 what the vCPU's thread gave to the work
 *     share = units * cost / sum(units * cost)    of each process
 *     truth = T * share
 *
 * `run` is the host kernel's CPU time of the vCPU's thread (schedstat), `base` what the guest's
 * other processes use a second, `units` what each process counted, `cost` what a unit of its kind
 * takes.
 *
 * Costs come from a window in which one VM did the same mix of work while it had the CPU to itself.
 * There the guest's kernel is right about who used it, so it may say: cost = its CPU time / units.
 * Interrupts, switches and cold caches are part of such a cost as they are part of the run, charged
 * to whom they hit; a cost taken from a process that runs alone knows nothing of them. Only the
 * ratios of the costs matter: a factor that is common to all of them (clock rate, a neighbour on
 * the same core) cancels, and the truths add up to T exactly.
 */
#ifndef LAB_TRUTH_H
#define LAB_TRUTH_H

#include <stdbool.h>
#include <stdint.h>

/* A window of a vCPU: how long, and how long the vCPU ran in it. */
struct truth_window {
	uint64_t ns, run;
};

/*
 * CPU time of the other processes in a window in which their guest's kernel billed them `billed`;
 * in the calibration, where there were no gaps, they used `alone`. At most what was billed, which
 * contains the gaps that fell onto them, and what they used alone in as long a time, when there was
 * more for them to do, not less; at least what they used alone for as much run, as if all that they
 * do followed the guest's progress and nothing the clock. The middle is returned, and half of what
 * is between the two in *ret_spread: the truth is known no better.
 */
uint64_t truth_others(uint64_t billed, struct truth_window window, uint64_t alone,
		      struct truth_window calibration, uint64_t *ret_spread);

/* run - others, not below 0. */
uint64_t truth_work(uint64_t run, uint64_t others);

/* ns for each unit; NAN where there is no unit or no time. */
double truth_unit_cost(uint64_t work, uint64_t units);

struct truth_sample {
	uint64_t cpu;	/* ns, of the process in the calibration */
	uint64_t units; /* that it did in this time */
	bool steady;	/* its units are the same work as those of all other steady ones */
	double unit_ns; /* out; NAN where it cannot be told */
};

/* Costs from a calibration. Steady samples are put together and get one cost: what little of the
 * kernel's time was booked to the wrong one of them cancels. */
void truth_costs(struct truth_sample *samples, int n);

struct truth_share {
	uint64_t units;
	double unit_ns;
	uint64_t truth; /* out: ns */
};

/*
 * Splits `work` among n processes; the parts add up to `work` exactly. *ret_scale is the common
 * factor that the costs came out with (1: as calibrated). -EDOM when nobody did anything, -EINVAL
 * for a cost that is no positive number where there are units.
 */
int truth_split(uint64_t work, struct truth_share *shares, int n, double *ret_scale);

/* measured / truth - 1; NAN where truth is 0. */
double truth_error(double measured, uint64_t truth);

#endif
