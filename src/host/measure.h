/* SPDX-License-Identifier: MIT */
/*
 * Measuring the VMs of this host over a time in which they come and go: their ledgers, and their
 * pages written where they have brought one.
 *
 * Every VM has three readings of its ledgers: when it was first seen, at the last report, now. What
 * happened in between is the difference of two of them. A VM that has ended keeps its last reading;
 * it is in the next report, and not in later ones, but for the total.
 */
#ifndef HOST_MEASURE_H
#define HOST_MEASURE_H

#include "host/blame.h"
#include "host/busy.h"
#include "host/publish.h"
#include "host/watch.h"

enum measure_reading { MEASURE_FIRST, MEASURE_LAST, MEASURE_NOW, MEASURE_READINGS };

struct measured_vcpu {
	struct ledger ledger[MEASURE_READINGS];
	uint64_t gaps_lost; /* since it was first seen */
	/* ns: the longest gap in which it wanted to run, of those that ended since the last report */
	uint64_t longest;
	struct interrupt_delays interrupts; /* since it was first seen; zeros: not recorded */
	struct busy busy;
	bool runaway; /* and it was said */
	bool ended;
};

struct measured {
	struct host_vm vm;
	void *own;	/* whoever measures may keep something here; NULL at first */
	int id;		/* in the ledger; -1: it has ended */
	bool over;	/* its end was reported */
	uint64_t since; /* ns: when it was first seen */
	uint64_t overhead[MEASURE_READINGS]; /* ns */
	struct measured_vcpu *vcpus;	     /* [vm.n_vcpus] */
	struct blame_vm *blame;		     /* who ran while it waited; NULL: not recorded */
	struct page_choice page;
	const char *page_lost; /* why its page is no more written; NULL while it is */
	double cpu_limit;      /* cpu_limit_of(), some seconds old at most */
};

/* VMs that ended so long ago that only their sum is kept. */
struct measure_ended {
	uint64_t vms, vcpus;
	struct ledger ledger; /* the sum over their vCPUs */
	uint64_t overhead;    /* ns */
};

#define MEASURE_UNSEEN_MAX 32

struct measure_unseen { /* a VM that is not measured */
	pid_t pid;
	char name[64], why[160];
};

struct measurement {
	struct host_ledger *ledger;
	bool interrupts;       /* their delays are recorded */
	struct measured **vms; /* [n], in the order in which they were seen */
	size_t n;
	struct measure_ended ended;
	uint64_t came;	      /* VMs that were seen so far */
	uint64_t not_entered; /* and times that the ledger had no room for one */
	struct measure_unseen unseen[MEASURE_UNSEEN_MAX];
	unsigned n_unseen, more_unseen;
	uint64_t at[MEASURE_READINGS]; /* ns */
	uint64_t real;		       /* ns, the date of the last reading */
	struct measure_parts *parts;
};

struct measure_setup {
	const char *source;	       /* NULL: the best that works */
	char **operands;	       /* of choice.h; */
	int n_operands;		       /* 0: every VM */
	bool no_pages;		       /* no page is written */
	bool no_blame;		       /* who runs while a vCPU waits isn't recorded */
	enum interrupts_of interrupts; /* whose delays are recorded */
	bool exits;		       /* are counted */
	uint64_t runaway; /* ns: a vCPU that is like in a loop for so long is said; 0: none */
	/* What a person should know: one line. */
	void (*note)(const char *text, void *data);
	/* Every gap, as from host_ledger_poll(). The first ones come while measure_open() still
	 * works, when nobody has `m` from anywhere else. */
	void (*gap)(const struct measurement *m, const struct measured *vm, const struct gap *gap,
		    void *data);
	void *data;
};

/* Starts measuring what is there. -EINVAL, -ESRCH, -ENOENT for operands that no VM fits; no VM at
 * all is no error. `setup` is copied, the operands stay the caller's for as long. */
int measure_open(const struct measure_setup *setup, struct failure *f, struct measurement **ret);
struct measurement *measure_close(struct measurement *m); /* NULL accepted; returns NULL */

/* VMs that connect to this listening Unix socket, which stays the caller's and doesn't block, get
 * their ledger as a stream (stream.h). 0: none. */
void measure_listen(struct measurement *m, int listener);

/* False where the VM has no stream. */
bool measured_stream(const struct measurement *m, const struct measured *x,
		     struct stream_counters *ret);

/* One step: looks for VMs, publishes. To be called again after measure_interval() ns. */
void measure_step(struct measurement *m);
uint64_t measure_interval(const struct measurement *m);

/* VMs that are not measured since the ledger is full; they are as soon as there is room again. */
size_t measure_refused(const struct measurement *m);

/* Looks for VMs that failed for want of memory, ever. */
uint64_t measure_failures(const struct measurement *m);

/* Takes the present reading of everything. */
void measure_read(struct measurement *m);

/* What was read last is the last report's now; VMs that have ended leave. */
void measure_reported(struct measurement *m);

/* True when nothing is left to measure and nothing can come: only processes were asked for. */
bool measure_is_over(const struct measurement *m);

/* A vCPU's ledger from a reading to now; and the sum over a VM's vCPUs. */
struct ledger measured_span(const struct measured_vcpu *c, enum measure_reading from);
struct ledger measured_sum(const struct measured *x, enum measure_reading from);

#endif
