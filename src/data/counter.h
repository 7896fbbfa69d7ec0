/* SPDX-License-Identifier: MIT */
/*
 * Names of Windows' performance counters, which esxtop uses too:
 * "\\MACHINE\Object(instance)\Counter", and what of them is of use here.
 */
#ifndef DATA_COUNTER_H
#define DATA_COUNTER_H

#include "data/data.h"

#include <stdbool.h>

#define COUNTER_PART 256

struct counter {
	char machine[COUNTER_PART]; /* "" where the path has none */
	char object[COUNTER_PART], instance[COUNTER_PART], name[COUNTER_PART];
};

/* Instances may hold brackets and backslashes themselves. False: it is no path of a counter. */
bool counter_parse(const char *path, struct counter *ret);

enum counter_kind {
	COUNTER_OTHER,
	COUNTER_FIGURE, /* of anything but CPU time */
	/* In a guest: the time of processors, in percent of all of them or of one. */
	COUNTER_TOTAL,	    /* Processor(_Total) */
	COUNTER_CPU,	    /* Processor(0) */
	COUNTER_TOTAL_INFO, /* Processor Information(_Total) */
	COUNTER_CPU_INFO,   /* Processor Information(0,1) */
	COUNTER_PROCESS,
	COUNTER_PROCESS_V2, /* Process V2(name:pid) */
	COUNTER_IDLE,	    /* of processes: idle time and the sum with it, which is never 0 */
	/* On a host. */
	COUNTER_VCPU,
	COUNTER_GROUP, /* of all worlds of a VM that isn't shown vCPU by vCPU */
	COUNTER_HOST_CPU,
	COUNTER_KINDS,
};

/* What a counter is of. */
struct counter_use {
	enum counter_kind kind;
	enum data_kind part; /* whose it is: the machine's, the VM's or a part's */
	enum data_quantity quantity;
	double scale; /* to the quantity's unit: of a second, unless it is a level */
	char group
		[COUNTER_PART]; /* a host's: the number of the VM's group, "" where it isn't said */
	char vm[COUNTER_PART];	/* the VM's name; "" for the host's own */
	char name[COUNTER_PART]; /* of the part; "": of the machine or VM as a whole */
	char id[COUNTER_PART];
};

/* By names in English and, for CPU time, in some other languages, or by the numbers that stand for
 * them in all. False: it is of no use. */
bool counter_guest(const struct counter *c, struct counter_use *ret);

/* Of the worlds of a VM only vCPUs count. Names of VMs may hold ':' themselves. */
bool counter_host(const struct counter *c, struct counter_use *ret);

#endif
