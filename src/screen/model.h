/* SPDX-License-Identifier: MIT */
/*
 * The model: what an interval between two frames holds, as a tree of rows in the order in which they
 * are shown. A pure function of the frames and of the view that somebody has chosen. What rows there
 * are, and what is in their columns, is the subject's (screen/subject.h): processes of a guest, VMs
 * of a host.
 */
#ifndef SCREEN_MODEL_H
#define SCREEN_MODEL_H

#include "screen/frame.h"

struct column;
struct row_kind;
struct trails;

#define MODEL_FILTER_SIZE 64
#define MODEL_PIDS_MAX	  64
#define MODEL_FOLDED_MAX  64

/* What a row is, so that it is found again in the next model. */
struct model_mark {
	const struct row_kind *kind;
	pid_t pid, tid;
	char name[64];
};

struct model_view {
	const struct column *sort; /* NULL: as the subject has it */
	bool reverse;
	bool tree;	/* processes below their parents; with `groups`, below their cgroups */
	bool groups;	/* a row for each cgroup */
	bool threads;	/* threads below their processes, vCPUs below their VMs */
	bool busy_only; /* leave out who used no CPU */
	bool command;	/* command lines in place of names */
	char filter[MODEL_FILTER_SIZE]; /* part of a name, user, cgroup, UUID or pid, in any case */
	char user[MODEL_FILTER_SIZE];	/* only this one's; "" for all */
	pid_t pids[MODEL_PIDS_MAX];	/* only these, if there are any */
	size_t n_pids;
	/* What is below them is not shown; of VMs, shown where that of the others isn't. */
	struct model_mark folded[MODEL_FOLDED_MAX];
	size_t n_folded;
};

#define ROW_DEPTH_MAX 16 /* deeper ones are drawn at this depth */

struct model_row {
	const struct row_kind *kind;
	pid_t pid, tid;	  /* 0: none; of a thread, both */
	const char *name; /* of a group, its path; these point into the second frame */
	const char *user; /* these: NULL where not known, or there is none */
	const char *cgroup;
	const char *command;
	const char *uuid;
	char state;   /* 0: not known */
	uint64_t rss; /* bytes */
	bool ended;   /* by the second frame */
	union {
		struct figures own; /* of a guest's: occupied = truth + away + unaccounted */
		struct {	    /* of a host's: the states sum up to the time it was there */
			uint64_t ns[LEDGER_STATES];
			uint64_t overhead;
			uint64_t since;	     /* of a VM: with pid, who it is */
			uint64_t entitled;   /* of a VM, where it is known */
			double limit;	     /* of a VM: CPUs; 0: none */
			uint64_t longest;    /* ns: the longest single wait */
			uint64_t ready_most; /* of its vCPUs the most that one had */
			const char *by;	     /* who ran most while it waited; NULL: not known */
			uint64_t by_ns;	     /* of its ready time */
		} host;
	};
	size_t members; /* of a group: processes; of a VM: vCPUs */
	size_t hidden;	/* rows below it that a fold hides */
	unsigned depth; /* in a tree */
	bool last;	/* no sibling follows */
	uint32_t rails; /* bit d: a sibling of this row's ancestor at depth d follows below */
	size_t parent;	/* place of its parent among the rows, SIZE_MAX for none */
};

#define MODEL_UNKNOWN LEDGER_STATES /* behind the states of a ledger: time that is unaccounted */
#define MODEL_PARTS   (LEDGER_STATES + 1)

struct model_bar {
	char name[16];
	uint64_t ns[MODEL_PARTS];
	uint64_t whole; /* ns that fill it */
};

struct model {
	const struct subject *subject;
	struct model_view view; /* that it was made by */
	uint64_t time;		/* ns of CLOCK_REALTIME, of the second frame; 0: not known */
	uint64_t elapsed;	/* ns between the two */
	struct model_bar *bars;
	size_t n_bars;
	struct model_row *rows;
	size_t n_rows;
	size_t n_all, n_matching;    /* processes or VMs; those that the filter lets through */
	bool other;		     /* another session began in the interval */
	const struct trails *trails; /* up to this interval, its maker's; NULL: none */
	union {
		struct { /* of a guest */
			const struct snapshot *frame;
			struct figures busy, idle; /* idle: only its away time is known */
		};
		struct { /* of a host */
			const struct host_frame *host;
			uint64_t ns[LEDGER_STATES], overhead; /* of all VMs, whatever is shown */
			size_t n_vcpus;
			bool has_blames;
		};
	};
};

void model_done(struct model *m);

/* `ns` of the interval, in percent of one CPU. */
double model_percent(const struct model *m, uint64_t ns);

/* Of a bar, what is neither running nor idle nor unknown. */
uint64_t model_away(const uint64_t ns[LEDGER_STATES]);

/* The sum of all bars. */
struct model_bar model_sum(const struct model *m);

struct model_mark model_mark_of(const struct model_row *row);
bool model_same_mark(const struct model_mark *a, const struct model_mark *b);
bool model_is_marked(const struct model_mark *mark, const struct model_row *row);

/* ---- for those that make rows ---- */

/* The filter, user and pids of the view let it through. */
bool model_matches(const struct model_row *row, const struct model_view *view);
bool model_is_filtered(const struct model_view *view);

/* It is one of those that the view has marked as folded. */
bool model_is_folded(const struct model *m, const struct model_row *row);

/* A row at the end, below none. There must be room. */
struct model_row *model_add_row(struct model *m, const struct row_kind *kind, const char *name);

#endif
