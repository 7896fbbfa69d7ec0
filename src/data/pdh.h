/* SPDX-License-Identifier: MIT */
/*
 * The columns of a PDH file (format_perfmon.c): whose counters they are, which of those that mean
 * the same are used, and what is missing.
 */
#ifndef DATA_PDH_H
#define DATA_PDH_H

#include "data/counter.h"
#include "data/reading.h"

/* Quantities that are added up over vCPUs: those of CPU time, which are the first. */
#define PDH_SUMS (DATA_SWAPWAIT + 1)

/* A machine or a VM, and what its columns come to in one row. */
/* A machine or a VM, and what its columns come to in one row. */
struct pdh_owner {
	uint32_t entity;
	char name[COUNTER_PART]; /* a VM's */
	bool any[COUNTER_KINDS];
	bool judged;  /* it has CPU time that can be judged */
	size_t blank; /* of those that must be there */
	size_t bad, negative;
	double all, sums[PDH_SUMS];
	bool has[PDH_SUMS]; /* there are such values */
	const char *example;
	bool usable;
};

/* A column of the file, and its value in the present row. */
struct pdh_column {
	struct pdh_owner *owner; /* NULL: it is of no use */
	uint32_t entity;
	bool repeated, part, wanted; /* part: the entity isn't its owner */
	enum counter_kind kind;
	enum data_quantity quantity;
	double scale, value; /* NaN: blank */
};

/* A file that is being read. */
struct pdh {
	struct reading g;
	bool host; /* esxtop */
	char delimiter;
	struct pdh_column *columns;
	size_t n;     /* columns; 0: no head yet */
	size_t *used; /* [n_used] places of columns */
	size_t n_used;
	struct pdh_owner **owners;
	size_t n_owners;
	bool seen;		    /* counters of use, wanted or not */
	char machine[COUNTER_PART]; /* the first; groups of another have its name, too */
	struct track track;
};

/* The first row. 0 or what ends the reading: -ENODATA where a guest's file has no counter of use. */
int pdh_take_head(char **fields, size_t n, struct pdh *p);

/* Gives back columns and owners; the head comes again. */
void pdh_forget(struct pdh *p);

#endif
