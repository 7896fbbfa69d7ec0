/* SPDX-License-Identifier: MIT */
/* Inside measuring: what a measurement works with. measure.c goes on in steps; measure_watch.c hears
 * of VMs that come and go, measure_vms.c has those that are measured, measure_names.c their names,
 * measure_pages.c their pages. */
#ifndef HOST_MEASURE_PARTS_H
#define HOST_MEASURE_PARTS_H

#include "host/choice.h"
#include "host/measured.h"
#include "host/watch.h"

struct measure_parts {
	struct measure_setup setup;
	struct publisher *publisher;
	struct blame *blame;	   /* NULL: not recorded */
	struct host_runs_fns runs; /* for it */
	struct watch *watch;	   /* NULL: only processes were asked for */
	struct choice choice;
	uint64_t checked, retried; /* ns */
	size_t turn;		   /* whose page is looked for next, */
	unsigned retries;	   /* and how often that was done */
	int listener;		   /* for streams; 0: none */
	bool full;		   /* it was said that there is no room for more */
	bool bound;		   /* it was said that a user has too many */
	bool open;		   /* the VMs that were there have their names */
	bool room;		   /* one has ended since */
	pid_t *refused;		   /* [n_refused]: these could not be entered, */
	char refused_why[160];	   /* the last one for this */
	size_t n_refused;
	struct measured **by_id; /* [n_ids]: of the ledger's; NULL: none */
	size_t n_ids;
	size_t limit_at; /* the next VM whose limit and threads are looked at again */
};

/* A line for people, if anybody wants one. */
void measure_note(const struct measurement *m, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

#endif
