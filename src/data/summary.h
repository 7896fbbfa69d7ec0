/* SPDX-License-Identifier: MIT */
/* What a file holds, without its samples: a sink that keeps one sum for each series. */
#ifndef DATA_SUMMARY_H
#define DATA_SUMMARY_H

#include "data/data.h"

/* One quantity of one entity. */
struct summary_series {
	uint64_t n;	  /* samples */
	uint64_t unclear; /* of these, those whose value makes no sense */
	double from, to;  /* seconds */
	double covered;	  /* seconds of its intervals */
	double sum;	  /* of amounts; of levels, each times its interval */
	double most;
};

struct summary_entity {
	struct data_entity e;				/* with strings of its own */
	unsigned cpus;					/* 0: the file doesn't say */
	struct summary_series *series[DATA_QUANTITIES]; /* NULL: there is none */
};

struct summary {
	struct summary_entity *entities; /* [n], by number */
	size_t n, room;
};

/* The sink of a summary, which is empty at first. */
struct data_sink summary_sink(struct summary *s);
void summary_done(struct summary *s);

/* Amounts: what a second brought in the mean. Levels: the mean. NaN: no sample is clear. */
double summary_mean(const struct summary_series *s);

/* The mean length of intervals, seconds. */
double summary_step(const struct summary_series *s);

#endif
