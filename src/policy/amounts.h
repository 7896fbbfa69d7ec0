/* SPDX-License-Identifier: MIT */
/*
 * The amounts that VMs and groups are given, as rows of values that people type (base/rows.h): a
 * scenario of the simulator and the settings of a real host have the same keys, units and bounds,
 * since both have them from here. AT is where a row's value goes.
 */
#ifndef POLICY_AMOUNTS_H
#define POLICY_AMOUNTS_H

#include "base/rows.h"

/* double, or "none" for ENTITLE_UNLIMITED */
extern const struct row_type row_cpus;
/* double: a number of the VM; or low, normal, high: negative, of each of its vCPUs */
extern const struct row_type row_shares;

/* What `shares` says of a VM with so many vCPUs. */
double amount_shares(double shares, double vcpus);

/* Of a VM. */
#define AMOUNT_SHARES(at)                                                                          \
	{                                                                                          \
		"shares", &row_shares, at, 1e-3, 1e9, "normal",                                    \
			"of the VM; low, normal, high: 500, 1000, 2000 a vCPU", NULL, 0            \
	}
/* Of a group. */
#define AMOUNT_GROUP_SHARES(at)                                                                    \
	{                                                                                          \
		"shares", &row_number, at, 1e-3, 1e9, "1000", "against its siblings", NULL, 0      \
	}
/* Of both. */
#define AMOUNT_RESERVATION(at)                                                                     \
	{                                                                                          \
		"reservation", &row_number, at, 0, 1e6, "0", "CPUs, at least", NULL, 0             \
	}
#define AMOUNT_LIMIT(at)                                                                           \
	{                                                                                          \
		"limit", &row_cpus, at, 1e-3, 1e6, "none", "CPUs, at most", NULL, 0                \
	}

#endif
