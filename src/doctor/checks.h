/* SPDX-License-Identifier: MIT */
/* The groups of checks: rows, and functions that look (exam.h). */
#ifndef DOCTOR_CHECKS_H
#define DOCTOR_CHECKS_H

#include "base/units.h"
#include "doctor/exam.h"
#include "doctor/facts.h"

struct check_group {
	const char *name;
	const struct check *rows;
	size_t n;
	bool host; /* of a host of VMs; else of a guest */
};

extern const struct check_group checks_tools, checks_kernel, checks_cpu, checks_memory, checks_disk,
	checks_net, checks_clone, checks_time, checks_host, checks_host_set;

#endif
