/* SPDX-License-Identifier: MIT */
/*
 * What a file of figures holds, whichever program wrote it: series of all machines, VMs, vCPUs,
 * processes, disks and interfaces that are in it.
 *
 * An importer makes samples of the file: what one quantity of one entity came to in one interval.
 * They go into a sink as they are read. Before the first sample of an entity the sink hears of the
 * entity, and says whether it wants it; what it doesn't want is neither parsed nor kept, so that
 * one VM of a thousand costs what that VM costs.
 *
 * Times are seconds: of the epoch where the file has dates, of an unknown instant where it hasn't.
 */
#ifndef DATA_DATA_H
#define DATA_DATA_H

#include "base/failure.h"
#include "data/skips.h"
#include "data/times.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum data_kind {
	DATA_KIND_MACHINE, /* an operating system: a guest, or a host itself */
	DATA_KIND_VM,	   /* a VM as its host sees it */
	DATA_KIND_GROUP, /* on a host: a VM that isn't shown vCPU by vCPU, or the host's own work */
	DATA_KIND_CPU,	 /* of a machine */
	DATA_KIND_VCPU,	 /* of a VM */
	DATA_KIND_PROCESS,
	DATA_KIND_DISK,
	DATA_KIND_INTERFACE,
	DATA_KINDS,
};

#define DATA_NONE UINT32_MAX

struct data_entity {
	enum data_kind kind;
	uint32_t owner;	  /* number of the machine or VM that it is a part of; DATA_NONE */
	const char *name; /* "" where the file has none */
	const char *id;	  /* tells two of one name apart: a group's number, a UUID, a PID; or "" */
};

/* A row of `data_quantities` each, which has its unit. */
enum data_quantity {
	DATA_CPU,
	DATA_CPU_SHARE,
	DATA_READY,
	DATA_COSTOP,
	DATA_LIMITED,
	DATA_SWAPWAIT,
	DATA_STEAL,
	DATA_IOWAIT,
	DATA_DESCHEDULED,
	DATA_MEMORY_SIZE,
	DATA_MEMORY_GRANTED,
	DATA_MEMORY_USED,
	DATA_MEMORY_ACTIVE,
	DATA_MEMORY_AVAILABLE,
	DATA_MEMORY_BALLOONED,
	DATA_MEMORY_SWAPPED,
	DATA_DISK_READ,
	DATA_DISK_WRITTEN,
	DATA_DISK_READS,
	DATA_DISK_WRITES,
	DATA_NET_RECEIVED,
	DATA_NET_SENT,
	DATA_QUANTITIES,
};

/* Counters and rates of files both become amounts: what was added within the interval. */
struct data_quantity_row {
	const char *name, *unit; /* "cpu", "s" */
	bool level;		 /* how much there was, not how much was added */
	const char *what;	 /* for people */
};

extern const struct data_quantity_row data_quantities[DATA_QUANTITIES];

/* "machine", "vm", ... */
const char *data_kind_name(enum data_kind kind);

struct data_sample {
	uint32_t entity; /* its number */
	enum data_quantity quantity;
	uint32_t run;	 /* how often the clock of its machine had gone back: samples of one run
			    don't overlap */
	double from, to; /* seconds, from < to */
	double value;	 /* not negative; NaN: the file has one that makes no sense, which was
			    counted, so that a sum over the interval would miss a part */
};

struct data_sink {
	void *of;
	uint64_t quantities; /* DATA_BIT() of those that it takes */

	/* Entity `number`, from 0 without gaps, owners before their parts. 1: samples of it are
	 * wanted, 0, or -errno, which ends the reading. Parts of one that isn't wanted are not
	 * announced. The strings are the reader's, until it returns. */
	int (*entity)(void *of, uint32_t number, const struct data_entity *e);

	/* 0 or -errno. */
	int (*sample)(void *of, const struct data_sample *s);

	/* After the last sample: how many CPUs an entity has, where the file says it. May be
	 * NULL. */
	void (*cpus)(void *of, uint32_t entity, unsigned n);
};

#define DATA_BIT(quantity) (UINT64_C(1) << (quantity))
#define DATA_ALL	   (DATA_BIT(DATA_QUANTITIES) - 1)

/* Whose file it is. */
enum data_side { DATA_ANY, DATA_GUEST, DATA_HOST };

/* What is known of a file beside what stands in it. */
struct data_options {
	enum data_side side;
	unsigned cpus; /* of the machine, whatever the file says; 0: as it says */
	struct times_options times;
};

/* What of a file holds for all of it. */
struct data_file {
	const char *format;
	bool dated;	    /* times are those of the epoch, but for the zone */
	enum zone zone;	    /* where they have dates: how their zone is known */
	bool measured;	    /* CPU time is measured, not sampled */
	double blur;	    /* seconds by which the times of its counters may be off */
	uint64_t samples;   /* that went into the sink */
	struct skips skips; /* what could not be used of what was wanted */
	char damage[160];   /* why the file was not read to its end, "" when it was */
	char note[160];	    /* what the file lacks, and what is taken in its place; "" */
};

/* A file in any of the formats that data.c has rows of. 0, or -errno and a line in `f`; samples may
 * have gone into the sink before. */
int data_read(const char *path, const struct data_options *o, const struct data_sink *sink,
	      struct failure *f, struct data_file *ret);

/* As that, from memory; `path` is what failures call it. */
int data_parse(const char *text, size_t size, const struct data_options *o,
	       const struct data_sink *sink, const char *path, struct failure *f,
	       struct data_file *ret);

/* Refuses a file of which nothing could be used: -ENODATA, and why. */
int data_nothing(const struct data_file *file, const char *path, struct failure *f);

#endif
