/* SPDX-License-Identifier: MIT */
/*
 * What a recording says of usage: who used how much CPU time between two instants.
 *
 * Whatever the file was, it comes down to pieces: `cpu` seconds of CPU time, used by `who` between
 * `from` and `to`, evenly as far as anybody knows. Times are seconds, of the epoch where the file
 * has dates and of an unknown instant where it has not.
 */
#ifndef CORRECT_USAGE_H
#define CORRECT_USAGE_H

#include "base/failure.h"
#include "data/data.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum who {
	WHO_TOTAL, /* the whole machine: in a guest what it reports, on a host what the VM had */
	WHO_READY, /* host: the VM's vCPUs were runnable and waited */
	WHO_FIRST, /* the first process */
};

struct piece {
	double from, to; /* seconds, from < to */
	double cpu;	 /* seconds of CPU time, not negative; NaN: out of range, until settled */
	uint32_t who;
	uint32_t run; /* how often the clock had gone back before */
};

struct usage {
	struct piece *pieces;
	size_t n, room;
	char **names; /* [n_names]; those below WHO_FIRST are NULL */
	size_t n_names;
	struct known_name *by_name;
	uint32_t run;	    /* of the pieces that are added now */
	unsigned cpus;	    /* of the machine; 0: the file does not say */
	bool per_cpu_share; /* totals are averages over the CPUs, to be multiplied by `cpus` */
	struct data_file file;
};

void usage_init(struct usage *r);
void usage_done(struct usage *r);

/* The number of a process. Names are compared as they are, and shown without control characters
 * and cut. -ENOMEM, -E2BIG. */
int usage_who(struct usage *r, const char *name, uint32_t *ret);

/* Adds a piece; a NaN spoils its interval. -ENOMEM, -E2BIG. */
int usage_add(struct usage *r, uint32_t who, double from, double to, double cpu);

/*
 * After the last piece: no time may count twice, and no sum may miss a part. Everybody's pieces of
 * an interval go if one of them is out of range, or if two runs disagree about it. Where both say
 * the same the later one goes, and where one spans much more than usual, as to a stray time and
 * back, only that one. All are counted. -ENOMEM.
 */
int usage_settle(struct usage *r);

/* Leaves out, and counts, every interval in which somebody had more than `cpus` can give. -ERANGE
 * with the reason where these are more than a few: then `cpus` or the machine is the wrong one. */
int usage_check(struct usage *r, unsigned cpus, const char *side, struct failure *f);

/* What is known of a file beside what stands in it. */
struct source {
	bool host; /* a host's file, not a guest's */
	const char
		*chosen; /* the VM of a host's file, the machine of a guest's; NULL: the only one */
	unsigned cpus;	 /* of a guest, whatever its file says; 0: as it says */
	struct times_options times;
};

/* What of a file (data/data.h) is about the one that is chosen. */
int usage_read(const char *path, const struct source *source, struct failure *f, struct usage *ret);

/* As that, from memory; `path` is what failures call it. */
int usage_parse(const char *text, size_t size, const struct source *source, const char *path,
		struct failure *f, struct usage *ret);

/* ---- the running sum ---- */

/* How much CPU time had been used, and how much time is covered by pieces, at each of `n`
 * instants. Between them both grow evenly. */
struct curve {
	double *at, *cpu, *covered;
	size_t n;
	double step;	   /* seconds: the median length of its intervals */
	uint64_t left_out; /* pieces */
};

/* Of all pieces with first <= who <= last; those of one interval are added up, and one that
 * overlaps what is there already is left out and counted. -ENOMEM, -ENODATA. */
int curve_make(const struct usage *r, uint32_t first, uint32_t last, struct curve *ret);
void curve_done(struct curve *c);

/* Both sums at an instant, that of the nearest end outside. */
struct sums {
	double cpu, covered;
};
struct sums curve_sums(const struct curve *c, double at);

#endif
