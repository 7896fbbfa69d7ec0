/* SPDX-License-Identifier: MIT */
/*
 * The tables of sar and sadf: which they are, by the names of their columns, and what their rows
 * come to. A table is about the machine or about its parts, a row each, with the part's name in the
 * column that the table is known by.
 */
#ifndef DATA_SAR_TABLE_H
#define DATA_SAR_TABLE_H

#include "data/sysstat.h"

enum sar_kind { SAR_NONE, SAR_CPU, SAR_MEMORY, SAR_SWAP, SAR_IO, SAR_NET, SAR_DISK, SAR_KINDS };

#define SAR_PARTS   10 /* of one CPU's time */
#define SAR_FIGURES 16

/* The head of a table. */
struct sar_head {
	enum sar_kind kind; /* SAR_NONE: of no use */
	size_t n;	    /* columns */
	int key;	    /* the column with the part's name; -1: there is none */
	bool whole;	    /* all parts are there that make up 100 % */
	int parts[SAR_PARTS], figures[SAR_FIGURES]; /* columns; -1: there is none */
};

/* What a head is of, for what the sink takes. */
void sar_head(char **fields, size_t n, const struct out *out, struct sar_head *ret);

/* A row, as a front end has found it. */
struct sar_row {
	char **fields;
	size_t n;
	bool longer;	   /* it may have more columns than its head */
	const char *clock; /* its time */
	double interval;   /* seconds; 0: since the row before */
};

/* Whose the row is: the machine's or a part's. */
bool sar_row_is_sum(const struct sar_head *h, const struct sar_row *row);

/* Where the table's first interval begins. -ENOMEM. */
int sar_begin(struct reading *g, const struct sysstat_machine *m, const struct sar_head *h,
	      const char *clock);

/* The figures of a row into the sink. 0 or what ends the reading. */
int sar_take(struct reading *g, const struct sysstat_machine *m, const struct sar_head *h,
	     const struct sar_row *row);

/* A banner says another day: midnights passed before don't count. */
void sar_new_day(const struct out *out, const struct sysstat_machine *m);

#endif
