/* SPDX-License-Identifier: MIT */
/*
 * The model: what an interval between two frames holds, as rows in the order in which they are
 * shown. A pure function of the frames and of the view that somebody has chosen.
 *
 * For every row, and for the whole,
 *
 *     occupied = truth + away + unaccounted        (wire/figures.h)
 *
 * and without a filter the rows of processes and (exited) sum up to `busy`. The row `vmdesched`
 * holds the away time of all as if it were CPU time of its own, so that the column of true time
 * sums up to what the guest's kernel reports.
 */
#ifndef SCREEN_MODEL_H
#define SCREEN_MODEL_H

#include "wire/snapshot.h"

enum model_sort {
	SORT_REPORTED,
	SORT_TRUE,
	SORT_DESCHEDULED,
	SORT_PID,
	SORT_USER,
	SORT_NAME,
	MODEL_SORTS,
};

#define MODEL_FILTER_SIZE 64
#define MODEL_PIDS_MAX	  64

/* The name of an order, as `desched top -o` takes it and settings keep it: "reported". NULL at the
 * end. */
const char *model_sort_name(size_t sort);

struct model_view {
	enum model_sort sort;
	bool reverse;
	bool tree;	/* processes below their parents; with `groups`, below their cgroups */
	bool groups;	/* a row for each cgroup */
	bool threads;	/* threads below their processes */
	bool busy_only; /* leave out who used no CPU */
	bool command;	/* command lines in place of names */
	char filter[MODEL_FILTER_SIZE]; /* part of a name, user, cgroup or pid, in any case */
	char user[MODEL_FILTER_SIZE];	/* only this one's; "" for all */
	pid_t pids[MODEL_PIDS_MAX];	/* only these, if there are any */
	size_t n_pids;
};

enum row_kind {
	ROW_VMDESCHED, /* always the first */
	ROW_GROUP,
	ROW_PROCESS,
	ROW_THREAD,
	ROW_EXITED, /* processes that were gone by the second frame */
};

#define ROW_DEPTH_MAX 16 /* deeper ones are drawn at this depth */

struct model_row {
	enum row_kind kind;
	pid_t pid, tid;		   /* 0: none; of a thread, both */
	const char *name;	   /* of a group, its path; these point into the second frame */
	const char *user, *cgroup; /* NULL: not known */
	const char *command;	   /* NULL: not known, or none */
	char state;		   /* 0: not known */
	uint64_t rss;		   /* bytes */
	struct figures own;
	size_t members; /* of a group: processes */
	unsigned depth; /* in a tree */
	bool last;	/* no sibling follows */
	uint32_t rails; /* bit d: a sibling of this row's ancestor at depth d follows below */
	size_t parent;	/* place of its parent among the rows, SIZE_MAX for none */
};

#define MODEL_UNKNOWN LEDGER_STATES /* behind the states of a ledger: time that is unaccounted */
#define MODEL_PARTS   (LEDGER_STATES + 1)

struct model_cpu {
	unsigned cpu;
	uint64_t ns[MODEL_PARTS];
};

struct model {
	const struct snapshot *frame; /* the second one */
	uint64_t elapsed;	      /* ns between the two */
	struct figures busy, idle;    /* idle: only its away time is known */
	struct model_cpu *cpus;
	size_t n_cpus;
	struct model_row *rows;
	size_t n_rows;
	size_t n_processes, n_matching; /* all; those that the filter lets through */
	bool other;			/* another session began in the interval */
};

/* `from` NULL, or of an agent that was there before the one of `to`: since that one was started.
 * -ESTALE where `to` is of another session that had begun before `from`: nobody knows what happened
 * between the two. -ENOMEM. */
int model_make(const struct snapshot *from, const struct snapshot *to,
	       const struct model_view *view, struct model *ret);
void model_done(struct model *m);

/* `ns` of the interval, in percent of one CPU. */
double model_percent(const struct model *m, uint64_t ns);

/* Of a CPU's ledger, what is neither running nor idle. */
uint64_t model_away(const uint64_t ns[LEDGER_STATES]);

#endif
