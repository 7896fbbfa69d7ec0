/* SPDX-License-Identifier: MIT */
/*
 * The account: who was on which of the guest's CPUs, and how much of that time the CPU did not run.
 *
 * The kernel's scheduler says who is switched in and out (runs); a source says how much of a run
 * the vCPU was away, and why. For every task, process and CPU
 *
 *     occupied = true + away + unaccounted,   away = sum over states of away[state]
 *
 * holds exactly, and for every CPU the runs of its tasks, the idle task's among them, cover the
 * time since account_new() without hole or overlap. `occupied` is what a kernel without paravirtual
 * time accounting reports as CPU time; `away` is what `vmdesched` holds; `unaccounted` is time of
 * which the source doesn't know whether the vCPU ran.
 *
 * A run is booked when the source has decided what it was, not before: until then its time is in
 * none of the figures. So every figure only ever grows, whenever the source's word comes.
 *
 * No I/O and no clock in here: times are nanoseconds of the guest's CLOCK_MONOTONIC that the caller
 * passes. A task whose runs a source still has to charge is *pinned* and outlives its exit.
 */
#ifndef GUEST_ACCOUNT_H
#define GUEST_ACCOUNT_H

#include "guest/account_cgroup.h"
#include "guest/amounts.h"

#include <desched/ledger.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define ACCOUNT_COMM_SIZE 64
#define ACCOUNT_TASKS_MAX 65536u /* beyond: charged to `other`, and counted */

struct account_process {
	pid_t pid;
	pid_t parent;
	uint64_t parent_id;
	uint64_t id; /* unique in this account, never reused: a pid is */
	char comm[ACCOUNT_COMM_SIZE];
	struct amounts own;	 /* of all its threads, exited ones too */
	struct amounts children; /* of its exited descendants */
	uint32_t n_tasks;	 /* with those that are gone and still pinned */
	uint32_t n_live;
	bool hashed;  /* false once another process has its pid */
	size_t index; /* the reader's own use: its place in a copy */
	UT_hash_handle hh;
};

struct account_task {
	pid_t tid;
	struct account_process *process;
	struct account_cgroup *cgroup; /* NULL for the tasks of no process */
	char comm[ACCOUNT_COMM_SIZE];
	struct amounts own;
	uint32_t pins;
	bool gone; /* will not run again: freed when nothing pins it */
	bool hashed;
	UT_hash_handle hh;
};

/* One finished run. A source gets it, books and charges all of it, in parts if it likes, and calls
 * account_release(task) once. */
struct account_run {
	unsigned cpu;
	uint64_t start, end;
	struct account_task *task;
	bool cut; /* nobody was switched out at `end`: it is an instant of ours */
};
typedef void (*account_run_fn)(const struct account_run *run, void *data);

struct account_cpu {
	struct account_task *current; /* NULL: not known yet, or lost */
	bool known;		      /* a switch has been seen */
	uint64_t since;
	struct amounts busy; /* of all tasks but idle */
	struct amounts idle;
};

struct account_counters {
	uint64_t switches;
	uint64_t mismatches; /* the task that was switched out is not the one switched in before */
	uint64_t lost_ns;    /* time of the runs whose owner is not known for that reason */
	uint64_t backwards;  /* records whose time was before the run they end */
	uint64_t no_room; /* tasks charged to `other`: more than ACCOUNT_TASKS_MAX, or no memory */
	uint64_t cgroups_folded; /* control groups that (other) took over, there being too many */
	uint64_t overcharged_ns; /* away time refused since the task had not been there so long */
};

struct account {
	unsigned n_cpus;
	uint64_t start; /* ns */
	struct account_cpu *cpus;
	struct account_task *tasks;	   /* by tid */
	struct account_process *processes; /* by pid */
	struct account_task *idle, *lost, *other;
	struct account_cgroup *cgroups; /* by path, in the order of their coming */
	struct amounts orphans;		/* of exited processes whose parent is gone, too */
	uint64_t next_id;
	bool lossy; /* records may be missing that the kernel wrote: set by whoever feeds them */
	account_run_fn run;
	void *run_data;
	struct account_counters counters;
};

/* Accounts begin at `start` on CPUs 0 .. n_cpus-1. `run` may be NULL: each run is booked when it
 * ends. -ENOMEM, -EINVAL for 0 CPUs. */
int account_new(unsigned n_cpus, uint64_t start, account_run_fn run, void *data,
		struct account **ret);
struct account *account_free(struct account *a);

/* Begins again at `time`, up to which everything is cut and booked: all figures are 0. Nobody must
 * have seen any. */
void account_restart(struct account *a, uint64_t time);

/* A task that exists already; called for each once the records are flowing. */
void account_seed(struct account *a, pid_t tid, pid_t tgid, pid_t parent, const char *comm);

/* `prev_dead`: prev will never run again, and leaves its time to its parent. */
void account_switch(struct account *a, unsigned cpu, uint64_t time, pid_t prev, bool prev_dead,
		    pid_t next, pid_t next_tgid);
/* Called before account_switch(), with how long `prev` has been there by its own clock (0: not
 * known): if its switch in was never told, only the time before it is in question. Some kernels
 * keep switches from a task of theirs to the next one to themselves: unless records are missing, it
 * is that task's, which was told to be there last. */
void account_prev_ran(struct account *a, unsigned cpu, uint64_t time, pid_t prev, uint64_t ran);
void account_fork(struct account *a, pid_t tid, pid_t tgid, pid_t parent, const char *comm);
void account_exec(struct account *a, unsigned cpu, uint64_t time, pid_t tid, pid_t tgid,
		  const char *comm);
void account_rename(struct account *a, pid_t tid, const char *comm);

/* The task, or with `all` every task of its process, is in this control group from now on. New
 * tasks are where their parent is. What a source charges later goes to the group where the task is
 * then. */
void account_move(struct account *a, pid_t tid, bool all, const char *path);

/* Buries the tasks that `alive` denies: after lost records, since their exit may have been among
 * them. */
void account_sweep(struct account *a, bool (*alive)(pid_t tid));

/* Ends every CPU's present run at `time` and starts it anew, so that all sums are complete up to
 * then; but for a CPU of which no switch has been seen yet, whose owner the first one will tell. */
void account_cut(struct account *a, uint64_t time);

/* ns of the task's runs on `cpu` are decided: they are true, as far as nothing of them is charged
 * at once. */
void account_book(struct account *a, struct account_task *task, unsigned cpu, uint64_t ns);

/* Of what was booked, `ns` in which the vCPU was in `state`, or AMOUNTS_UNKNOWN. Never more than
 * the task has there as true: the rest is refused and counted. Returns what was taken. */
uint64_t account_charge(struct account *a, struct account_task *task, unsigned cpu, uint32_t state,
			uint64_t ns);
void account_release(struct account *a, struct account_task *task);

/* Who has the time of a process that has exited: its nearest living ancestor, NULL for none. Its
 * own figures go there when its last run has been charged; until then a reader adds them. */
struct account_process *account_heir(struct account *a, const struct account_process *p);

struct account_process *account_find_process(struct account *a, pid_t pid);
struct account_task *account_find_task(struct account *a, pid_t tid);

#endif
