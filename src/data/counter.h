/* SPDX-License-Identifier: MIT */
/*
 * Names of Windows' performance counters, which esxtop uses too:
 * "\\MACHINE\Object(instance)\Counter", and what of them is of use here.
 */
#ifndef DATA_COUNTER_H
#define DATA_COUNTER_H

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
	/* In a guest: the time of processors, in percent of all of them or of one. */
	COUNTER_TOTAL,	    /* Processor(_Total) */
	COUNTER_CPU,	    /* Processor(0) */
	COUNTER_TOTAL_INFO, /* Processor Information(_Total) */
	COUNTER_CPU_INFO,   /* Processor Information(0,1) */
	COUNTER_PROCESS,
	COUNTER_PROCESS_V2, /* Process V2(name:pid) */
	COUNTER_IDLE,	    /* of processes: idle time and the sum with it, which is never 0 */
	/* On a host. */
	COUNTER_RUN,
	COUNTER_READY,
	COUNTER_GROUP_USED, /* of all worlds of a VM that isn't shown vCPU by vCPU */
	COUNTER_GROUP_READY,
};

/* By names in English and some other languages, or by the numbers that stand for them in all. */
enum counter_kind counter_guest_kind(const struct counter *c);

/* Of the worlds of a VM only vCPUs count. Where the counter is a VM's, its group's number and its
 * name, which may hold ':' itself. */
enum counter_kind counter_host_kind(const struct counter *c, char ret_group[COUNTER_PART],
				    char ret_vm[COUNTER_PART]);

#endif
