/* SPDX-License-Identifier: MIT */
/* What a lab is to be like, and who hears of its progress. */
#ifndef LAB_LAB_OPTIONS_H
#define LAB_LAB_OPTIONS_H

#include <stddef.h>
#include <stdint.h>

#define LAB_VMS_MAX   64
#define LAB_VCPUS_MAX 16 /* of one VM */

struct lab_options {
	uint64_t vms;
	const char *vcpus;    /* list: of the first VM, the second, and so on, again and again */
	uint64_t seconds;     /* ns of the run */
	uint64_t warm_up;     /* ns of the same work before it */
	const char *cpus;     /* list, NULL: the last one */
	const char *source;   /* what vmdesched's --source may be */
	const char *accel;    /* one of lab_accel_name() */
	const char *truth;    /* one of lab_truth_name() */
	const char *machines; /* one of lab_machines_name(); NULL: the first */
	const char *kernel;   /* file, NULL: the distribution's */
	const char *keep;     /* directory for logs, NULL: none */
	const char *fault;    /* one of lab_fault_name(), in the last guest; NULL: none */
};

/* The names, NULL behind the last; i is at most one more than the last. */
const char *lab_accel_name(size_t i);
const char *lab_truth_name(size_t i);
const char *lab_machines_name(size_t i);
const char *lab_fault_name(size_t i);

/* Told about progress: a phase and a few words. Called about once a second and at every change. */
struct lab_watch {
	void (*say)(void *data, const char *phase, const char *text);
	void *data;
};

#endif
