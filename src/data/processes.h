/* SPDX-License-Identifier: MIT */
/*
 * Figures of processes at instants, as tables have them, made into samples of one machine. A value
 * is about the interval that ends at its time. When that began is the file's time before it; where
 * that is far away, or none, the interval is taken to be as long as most are.
 */
#ifndef DATA_PROCESSES_H
#define DATA_PROCESSES_H

#include "data/format.h"

struct processes {
	struct process_value *values;
	double *times;	/* at which an interval of the file ended, or its first one began */
	double *last;	/* [room_last]: the time of the last CPU time of each entity */
	double *spoilt; /* times of which CPU time is missing */
	size_t n, room, n_times, room_times, room_last, n_spoilt, room_spoilt;
};

struct process_value {
	double at;
	double value; /* what a second of the interval brought, or a level */
	uint32_t entity;
	uint32_t run : 24, quantity : 8; /* enum data_quantity */
};

/* An interval ends here or begins. -ENOMEM. */
int processes_time(struct processes *p, double at);

/* Where CPU time comes `once` per time, what has the time of its last is counted in `out` instead,
 * as given twice. -ENOMEM. */
int processes_value(struct processes *p, struct out *out, const struct process_value *v, bool once);

/* CPU time of this time could not be read: the sum over the processes would fall, so that the whole
 * interval is left out. -ENOMEM. */
int processes_spoil(struct processes *p, double at);

/* The file was cut off behind the last value: its interval may lack some. -ENOMEM. */
int processes_cut(struct processes *p, const struct input *in, struct out *out);

/* After the last row. -ENOMEM. */
int processes_to_samples(struct processes *p, struct out *out);
void processes_done(struct processes *p);

#endif
