/* SPDX-License-Identifier: MIT */
/*
 * Demand that changes: what a VM wants over the time of a run, all its vCPUs together, the same
 * within each step. From a column of a CSV file or a recording (trace), or by the time of day.
 *
 * Whatever arrives does so at a rate that follows the demand: demand_pass() finds the time by which
 * a given number of arrivals, which need not be whole, has come. With an exponential number of mean
 * 1 that is a Poisson process whose rate changes.
 */
#ifndef SIM_DEMAND_H
#define SIM_DEMAND_H

#include "base/failure.h"
#include "sim/spec.h"

#define DEMAND_STEPS  4000000 /* of all VMs of a scenario together */
#define DEMAND_NUMBER "{n}"   /* in a column's name: the VM's number in its section, from 1 on */

/* What a demand's values are of: a VM that changes wants another amount then. */
enum demand_of {
	DEMAND_OF_CPU,
	DEMAND_OF_VCPUS,  /* all that the VM has */
	DEMAND_OF_STEADY, /* what its keys load, demand or arrival say */
};

struct demand {
	float *values; /* of each step */
	enum demand_of of;
	uint32_t n;
	double step;  /* ns of the run */
	bool repeats; /* 0 behind the last step otherwise */
};

/* Reads the traces of all VMs, and reckons their days; what was loaded before is let go. 0, or
 * -errno with the file and line that is wrong, or the VM, in `f`. */
int demand_load(struct scenario *s, struct failure *f);
void demand_unload(struct scenario *s);

/* A column of a CSV file, by name or number from 1 on, as `n` values from 0 to `most` after
 * multiplication by `scale`. */
int demand_read_csv(const char *path, const char *column, double scale, double most,
		    uint32_t max_rows, struct failure *f, float **ret, uint32_t *ret_n);

/* What a VM or machine wanted, by its name, id or number from 1 on in a file that src/data reads: a value
 * of CPUs for each `step` (seconds), as above. */
int demand_read_recorded(const char *path, const char *name, double step, double scale, double most,
			 uint32_t max_rows, struct failure *f, float **ret, uint32_t *ret_n);

/* Of a column that is given by its number from 1 on; 0: it is given by its name. */
unsigned long demand_column_number(const char *column);

/* The CPUs that VM `number` (from 0 on) of a section wants on average between two times of the run
 * (ns), whatever its workload. */
double demand_mean(const struct vm_spec *vm, uint32_t number, uint64_t from, uint64_t to);

/* When `amount` arrivals of such a VM have come after `from`: bursts of one of its vCPUs, which idles
 * meanwhile (workload duty), or requests. TIMER_NEVER if there are no more. Both times in ns. */
uint64_t demand_pass(const struct vm_spec *vm, uint32_t number, uint64_t from, double amount);

#endif
