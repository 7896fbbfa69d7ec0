/* SPDX-License-Identifier: MIT */
/* What is measured of this host's VMs, and what is to be: the types of measure.h. */
#ifndef HOST_MEASURED_H
#define HOST_MEASURED_H

#include "host/blame.h"
#include "host/busy.h"
#include "host/publish.h"

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
	uid_t uid;	/* whose process it is */
	void *own;	/* whoever measures may keep something here; NULL at first */
	int id;		/* in the ledger; -1: it has ended */
	bool over;	/* its end was reported */
	uint64_t since; /* ns: when it was first seen */
	uint64_t overhead[MEASURE_READINGS]; /* ns */
	struct measured_vcpu *vcpus;	     /* [vm.n_vcpus] */
	struct vcpu_exits *exits; /* [vm.n_vcpus], as of the last reading; NULL: not counted */
	struct blame_vm *blame;	  /* who ran while it waited; NULL: not recorded */
	struct page_choice *page; /* owned; NULL: it has no device that might have been one */
	const char *page_lost; /* why its page is not written any more; NULL: it is, or never was */
	unsigned page_losses;
	double cpu_limit; /* cpu_limit_of(), some seconds old at most */
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
	bool exits;	       /* are counted */
	bool overlap;	       /* as in the set-up */
	struct measured **vms; /* [n], in the order in which they were seen */
	size_t n;
	struct measure_ended ended;
	uint64_t came;	      /* VMs that were seen so far */
	uint64_t not_entered; /* and times that the ledger had no room for one, */
	uint64_t beyond;      /* or that its user had too many (measure_bound.h) */
	struct measure_unseen unseen[MEASURE_UNSEEN_MAX];
	unsigned n_unseen, more_unseen;
	uint64_t at[MEASURE_READINGS]; /* ns */
	uint64_t real;		       /* ns, the date of the last reading */
	struct measure_parts *parts;
};

struct measure_setup {
	const char *source; /* NULL: the best that works */
	char **operands;    /* of choice.h; */
	int n_operands;	    /* 0: every VM */
	bool no_pages;	    /* no page is written */
	bool no_blame;	    /* who runs while a vCPU waits isn't recorded */
	/* Frames have the longest wait by culprit of the interval before theirs, too: for those who
	 * ask just after a report. */
	bool overlap;
	enum interrupts_of interrupts; /* whose delays are recorded */
	bool exits;		       /* are counted */
	uint64_t user_vms;	       /* of one user without privilege; 0: MEASURE_USER_VMS */
	uint64_t runaway; /* ns: a vCPU that is like in a loop for so long is said; 0: none */
	/* What a person should know: one line. */
	void (*note)(const char *text, void *data);
	/* Every gap, as from host_ledger_poll(). The first ones come while measure_open() still
	 * works, when nobody has `m` from anywhere else. */
	void (*gap)(const struct measurement *m, const struct measured *vm, const struct gap *gap,
		    void *data);
	void *data;
};

/* A vCPU's ledger from a reading to now; and the sum over a VM's vCPUs. */
struct ledger measured_span(const struct measured_vcpu *c, enum measure_reading from);
struct ledger measured_sum(const struct measured *x, enum measure_reading from);

#endif
