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
	double cpu;	 /* seconds of CPU time, not negative */
	uint32_t who;
};

struct usage {
	struct piece *pieces;
	size_t n, room;
	char **names; /* [n_names]; those below WHO_FIRST are NULL */
	size_t n_names;
	struct known_name *by_name;
	unsigned cpus;	    /* of the machine; 0: the file does not say */
	bool dated;	    /* times are those of the epoch */
	bool per_cpu_share; /* totals are averages over the CPUs, to be multiplied by `cpus` */
	bool measured;	    /* the figures are no samples */
	uint64_t skipped;   /* values that could not be used */
	char damage[160];   /* why the file was not read to its end, "" when it was */
	const char *format;
};

void usage_init(struct usage *r);
void usage_done(struct usage *r);

/* The number of a process; names are made printable and cut. -ENOMEM, -E2BIG. */
int usage_who(struct usage *r, const char *name, uint32_t *ret);

/* Adds a piece; one that makes no sense is counted in `skipped`. -ENOMEM. */
int usage_add(struct usage *r, uint32_t who, double from, double to, double cpu);

/* The files of a guest, and of its host, in any of the formats of formats.h. `vm` chooses a VM of a
 * host's file; NULL: it has only one. */
int usage_read_guest(const char *path, struct failure *f, struct usage *ret);
int usage_read_host(const char *path, const char *vm, struct failure *f, struct usage *ret);

/* As those, from memory, for tests; `path` is what failures call it. */
int usage_parse(const char *text, size_t size, bool host, const char *vm, const char *path,
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
