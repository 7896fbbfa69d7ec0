/* SPDX-License-Identifier: MIT */
/*
 * What VMs cost beyond their guests' work, measured over windows of a measurement: an idle vCPU, the
 * VM's other threads, exits, trips to the monitor, a context switch. Each is a coefficient: a row of
 * a table, whose figure has a mean, the interval around it, and how it was measured; or why not.
 */
#ifndef HOST_CALIBRATE_H
#define HOST_CALIBRATE_H

#include "base/mean.h"
#include "host/measure.h"

#define CALIBRATE_WINDOW_NS (500 * 1000 * 1000ull)

/* A vCPU counts as idle in a window in which it halted for that part of it. */
#define CALIBRATE_IDLE 0.9

struct calibrated_vcpu {
	struct vcpu_exits exits; /* as of the last window */
	uint64_t slept;		 /* how often, likewise */
	uint32_t index;		 /* the guest's number of it */
	struct busy busy;	 /* likewise */
};

/* What was seen of a VM so far. */
struct calibrated {
	pid_t pid;
	uint64_t since; /* struct measured's; with pid, the VM */
	char name[64], uuid[40];
	uint32_t n_vcpus;
	uint64_t measured;		  /* ns, of all its vCPUs together */
	struct mean idle_vcpu;		  /* CPUs, of each idle vCPU and window */
	struct mean idle_wakeups;	  /* a second, likewise */
	uint64_t idle_ns, wakeups;	  /* of these: CPU time, and how many */
	struct mean wakeup;		  /* s, of each of these windows */
	struct mean overhead;		  /* CPUs, of each window */
	struct mean idle_overhead;	  /* and of those in which all vCPUs are idle */
	struct vcpu_exits exits;	  /* of all its vCPUs */
	struct mean kernel[EXIT_CLASSES]; /* s an exit, of each window that has any */
	struct mean user[EXIT_CLASSES];	  /* s a trip, likewise */
	struct mean any_kernel, any_user; /* the same of all classes together */
	struct interrupt_delays delays;	  /* of all its vCPUs */
	struct mean delay;		  /* s, of each window that has any */
	bool had_window;		  /* there are readings to take differences from */
	struct calibrated_vcpu *vcpus;	  /* [n_vcpus] */
};

struct calibration {
	struct calibrated *vms;
	size_t n;
	uint64_t windows;
	bool interrupts;      /* their delays are recorded */
	char no_exits[256];   /* why exits aren't counted; empty where they are */
	struct mean switches; /* ns (switch_cost.h) */
	int switch_err;	      /* -errno where it wasn't measured */
};

/* Exits are counted from here on, where that can be; a context switch is measured here. */
void calibrate_begin(struct calibration *c, struct measurement *m);

/* A window has ended: takes the reading of all VMs. -ENOMEM. */
int calibrate_window(struct calibration *c, struct measurement *m);
void calibrate_done(struct calibration *c); /* all zero accepted */

/* ---- the figures ---- */

struct figure {
	uint64_t n;		/* of what it is the mean */
	double mean, low, high; /* the 95 % interval; NAN where there are too few for one */
	const char *missing;	/* why there is no figure, NULL where there is */
};

struct coefficient {
	const char *name;
	const char *unit; /* "CPUs", "s", "1/s" */
	const char *help;
	const char *how; /* it is measured */
	void (*of_vm)(const struct calibration *c, const struct calibrated *vm, struct figure *ret);
	void (*of_host)(const struct calibration *c, struct figure *ret);
};

/* NULL behind the last. */
const struct coefficient *calibrate_coefficient(size_t i);

/* The same of one class of exits and of trips to the monitor: cost of one. n is 0 for none. */
struct figure calibrate_exit(const struct calibrated *vm, enum exit_class c);
struct figure calibrate_trip(const struct calibrated *vm, enum exit_class c);

#endif
