/* SPDX-License-Identifier: MIT */
/*
 * Corrected texts of /proc: the kernel's text and the figures go in, the text that is shown comes
 * out. No I/O, no clock, no allocation.
 *
 * A corrected counter only goes forward, whatever the figures do: what was shown last is kept in
 * the `shown` structures, one for each task and one for the machine, which begin with zeros.
 *
 * Every function writes the whole text to `out` and returns 0, or writes nothing and returns
 * -EBADMSG for a text that it does not understand; the caller then shows that as it is. Names in
 * the text are bytes that a process chose.
 */
#ifndef VIEW_REWRITE_H
#define VIEW_REWRITE_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

/* ---- a task: a process with all its threads, or one thread ---- */

/* The first time that a task is shown, it has what the kernel reports minus what it did not have; from
 * then on it gets what it had since. (The difference of the kernel's figures and those of another
 * clock would do as well, if the two agreed on who was on the CPU when the CPU went away.) */
struct task_figures {
	bool live;		  /* false: nobody tells; counters go on as the kernel's do */
	uint64_t epoch;		  /* truths of different epochs have nothing between them; not 0 */
	uint64_t since;		  /* ns since boot: of a task that began later, truth is all */
	uint64_t truth;		  /* ns that it had, in this epoch */
	uint64_t excess;	  /* ns reported that it did not have */
	uint64_t more;		  /* ns in truth that the kernel knows nothing of: vmdesched's */
	uint64_t children_excess; /* `excess` of its exited children */
};

#define SPREAD_MAX 5

/* Counters whose sum is known better than they are: each gets of the sum's growth the share that it
 * has in the growth of what the kernel reports. */
struct spread {
	uint64_t raw[SPREAD_MAX];   /* ns, as the kernel reported them last */
	uint64_t shown[SPREAD_MAX]; /* ns */
};

struct counter {
	uint64_t raw, shown;
};

/* How far a file has been shown. */
struct progress {
	bool begun;
	uint64_t epoch, raw, truth;
};

/* A counter that has what its task had. */
struct true_counter {
	struct progress progress;
	uint64_t shown;
};

struct task_shown {
	uint64_t start; /* in clock ticks since boot; another one is another task */
	struct progress progress;
	struct spread own, children; /* user, system */
	struct true_counter schedstat, sched;
	uint64_t read; /* not for the functions below: in which round it was */
};

int rewrite_task_stat(const char *text, const struct task_figures *figures,
		      struct task_shown *shown, FILE *out);
int rewrite_task_schedstat(const char *text, const struct task_figures *figures,
			   struct task_shown *shown, FILE *out);
int rewrite_task_sched(const char *text, const struct task_figures *figures,
		       struct task_shown *shown, FILE *out);

/* ---- the machine ---- */

#define VIEW_CPUS_MAX 4096

/* Where the time of a CPU went, ns: they add up to the time that passed, in each CPU. */
struct cpu_figures {
	uint64_t busy;	     /* a process was on it, and it ran */
	uint64_t idle;	     /* the idle task was on it, and it ran */
	uint64_t away;	     /* away, whoever was on it: the column `steal` */
	uint64_t busy_away;  /* of that, with a process on it */
	uint64_t ended_away; /* busy_away of the epochs that are over */
};

struct system_figures {
	bool live;	       /* false: nobody tells; counters go on as the kernel's do */
	bool kernel_subtracts; /* the kernel's own /proc/stat is right */
	uint64_t epoch;	       /* figures of different epochs have nothing between them */
	unsigned n_cpus;
	struct cpu_figures all;	 /* sums over the CPUs */
	struct cpu_figures *cpu; /* [n_cpus] */
};

struct cpu_shown {
	bool begun;
	uint64_t epoch;
	struct cpu_figures last;
	struct spread busy; /* user, nice, system, irq, softirq */
	struct spread idle; /* idle, iowait */
	struct spread away; /* steal */
	struct counter schedstat;
};

struct system_shown {
	struct cpu_shown all;
	struct cpu_shown *cpu; /* [n_cpus] */
};

int rewrite_system_stat(const char *text, const struct system_figures *figures,
			struct system_shown *shown, FILE *out);
int rewrite_system_schedstat(const char *text, const struct system_figures *figures,
			     struct system_shown *shown, FILE *out);

#endif
