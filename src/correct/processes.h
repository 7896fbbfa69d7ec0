/* SPDX-License-Identifier: MIT */
/*
 * Shares of processes at instants, as tables have them, made into pieces. A value is about the
 * interval that ends at its time. When that began is the file's time before it; where that is far
 * away, or none, the interval is taken to be as long as most are.
 */
#ifndef CORRECT_PROCESSES_H
#define CORRECT_PROCESSES_H

#include "correct/formats.h"

struct processes {
	struct value *values;
	double *times;	/* at which an interval of the file ended, or its first one began */
	double *last;	/* [room_last]: the time of each process's last value */
	double *spoilt; /* times of which a value is missing */
	size_t n, room, n_times, room_times, room_last, n_spoilt, room_spoilt;
};

/* An interval ends here or begins. -ENOMEM. */
int processes_time(struct processes *p, double at);

/* What `who` had at `at`, in percent of one CPU. Where it is `once` per time, what has the time of
 * its last is counted in `r` instead, as given twice. -ENOMEM. */
int processes_value(struct processes *p, struct usage *r, uint32_t who, double at, double percent,
		    bool once);

/* A value of this time could not be read: the sum over the processes would fall, so that the whole
 * interval is left out. -ENOMEM. */
int processes_spoil(struct processes *p, double at);

/* After the last row of `in`. -ENOMEM. */
int processes_to_pieces(struct processes *p, const struct input *in, struct usage *r);
void processes_done(struct processes *p);

#endif
