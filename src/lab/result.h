/* SPDX-License-Identifier: MIT */
/*
 * What a lab has measured: plain data, filled by measure.c, judged by summary.c, shown by
 * lab_report_table.c and lab_report_json.c. Times are nanoseconds over the measured window; errors are
 * fractions (0.03 is 3 %), signed, NAN where there is nothing to compare.
 */
#ifndef LAB_RESULT_H
#define LAB_RESULT_H

#include "host/host_ledger.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#define LAB_KINDS_MAX	  16
#define LAB_KIND_SIZE	  16
#define LAB_TEXT_SIZE	  256
#define LAB_JUDGED_MIN_NS (1000 * 1000 * 1000ull)      /* less than this of truth is not judged */
#define LAB_LIMITS_MIN_NS (10 * 1000 * 1000 * 1000ull) /* shorter runs are held to no limit */

/* One process, seen four ways. */
struct lab_process {
	char kind[LAB_KIND_SIZE];
	int pid;
	bool steady; /* its unit is arithmetic, and costs the same in any company */
	bool alive;  /* when it was read; else `reported` is not known */
	uint64_t units;
	uint64_t reported; /* /proc/PID/stat, with children that were waited for */
	uint64_t truth;	   /* by trace, or by work units */
	bool judged;	   /* there is a truth that is good enough to judge it */
	bool has_top;
	uint64_t top; /* the TIME+ that top itself printed */
	bool has_agent;
	int64_t true_ns; /* the agent: differences of two snapshots, children included */
	int64_t descheduled;
	int64_t wait;
	double error_reported;
	double error_true;
};

struct lab_host {
	uint64_t window;   /* wall time between the two readings */
	uint64_t run;	   /* vCPU threads, /proc schedstat */
	uint64_t ready;	   /* the same, waiting for a CPU */
	uint64_t overhead; /* CPU time of all other threads of the process */
	bool has_ledger;   /* the exact host ledger's view of the same window */
	struct ledger ledger;
};

/*
 * What a guest is compared with: the host ledger where it is exact (BPF), else schedstat. The
 * scheduler's own clock is some microseconds old when a wake-up preempts, so schedstat ends each
 * run early: up to 1 % of RUN goes to READY when there are a thousand gaps a second. The ledger's
 * `run` is not what the truth of the processes is made of: that is schedstat, which is not ours.
 */
uint64_t lab_host_run(const struct lab_host *h);
uint64_t lab_host_ready(const struct lab_host *h);

struct lab_guest {
	bool has_agent;
	char source[16];
	bool kernel_subtracts;
	int64_t busy;	     /* /proc/stat */
	int64_t true_ns;     /* sum over all processes */
	int64_t descheduled; /* while a process or the idle task was on the vCPU */
	int64_t idle_descheduled;
	int64_t unaccounted;
	int64_t vmdesched;
	bool has_interval; /* source self: descheduled lies in [low, high] */
	int64_t low, high;
	double clock_error_s;
	json_t *counters; /* the agent's own, or NULL; owned */
};

struct lab_cost {
	char kind[LAB_KIND_SIZE];
	double unit_ns; /* CPU time of one unit */
	uint64_t units; /* that this was measured on */
	uint64_t cpu;	/* of them, as the guest's kernel says */
};

/* What two kernels recorded, put together (gapjoin.h): times within the agent's two snapshots. */
struct lab_trace {
	bool has;
	uint64_t run;	/* all processes */
	uint64_t idle;	/* the idle tasks */
	uint64_t ready; /* the vCPUs wanted a CPU */
	uint64_t switches, gaps, inside;
	uint64_t doubt;	    /* ns of gaps of which not all is known */
	int64_t drift;	    /* of the guest's clock against the host's, over the run */
	uint64_t uncertain; /* of it */
};

struct lab_vm {
	char name[16];
	bool measured;		     /* the figures below are there */
	char failure[LAB_TEXT_SIZE]; /* "" unless this VM failed */
	char console[1024];	     /* its last lines, where the failure is the machine's */
	unsigned vcpus;
	int boots;	 /* starts that it took, 1 when all is well */
	uint64_t others; /* CPU time of what is neither worker nor init, see truth_others() */
	uint64_t others_spread;
	uint64_t truth; /* T: run - others */
	double scale;	/* T over the sum of units * cost */
	struct lab_trace trace;
	struct lab_host host;
	struct lab_guest guest;
	struct lab_process *processes; /* owned */
	int n_processes;
	double error_descheduled; /* guest's descheduled against the host's READY */
	double error_sum;	  /* guest's sum of true times against the host's run */
	json_t *before, *after;	  /* the agent's snapshots, or NULL; owned */
};

/* The same of a VM, within its agent's snapshots where there is a trace. */
uint64_t lab_vm_run(const struct lab_vm *vm);
uint64_t lab_vm_ready(const struct lab_vm *vm);

struct lab_summary {
	double overcommit;	   /* vCPUs for each CPU they share */
	double max_error_reported; /* over judged processes, absolute, as all below */
	double max_error_true;
	double max_error_descheduled; /* over VMs */
	double max_error_sum;
	int judged;
	int limits; /* of summary.c that apply */
	bool met;   /* all of these were kept */
};

struct lab_result {
	char source[16];      /* as the agents say; before that, as asked for */
	const char *machines; /* what they are, of lab_machines_name() */
	char accel[8];
	char accel_why[LAB_TEXT_SIZE];
	char kernel[512];
	char cpus[128];
	char host_source[16];	  /* of the host ledger; "" for none */
	bool host_gaps;		  /* it is exact, and has gaps */
	char note[LAB_TEXT_SIZE]; /* what works less well here, "" for nothing */
	bool traced;		  /* the truth is that of two traces, not of work units */
	uint64_t seconds;	  /* asked for, ns */
	uint64_t steal;		  /* that this host itself suffered on the CPUs, ns */
	struct host_ledger_counters counters;
	struct lab_cost costs[LAB_KINDS_MAX];
	int n_costs;
	struct lab_host calibration; /* the window that the costs are from */
	uint64_t calibration_others; /* CPU time of processes other than workers in it */
	struct lab_vm *vms;	     /* owned */
	int n_vms;
	struct lab_summary summary;
};

/* NULL-safe; leaves an empty result. */
void lab_result_done(struct lab_result *r);

/* Fills all errors and the summary from the rest. */
void lab_summarize(struct lab_result *r);

/* A limit that a figure of the summary must keep, with what it is called. */
struct lab_limit {
	const char *source; /* to which source it applies */
	const char *name;
	double (*figure)(const struct lab_summary *s);
	double limit;
};
extern const struct lab_limit lab_limits[];
extern const int n_lab_limits;

/* Limits are for runs that are long enough for what lies between a guest's reading and the host's
 * not to matter; the page's are for pages with gaps. */
bool lab_limit_applies(const struct lab_limit *l, const struct lab_result *r);

/* A figure that is missing is not kept. */
bool lab_limit_kept(const struct lab_limit *l, const struct lab_result *r);

#endif
