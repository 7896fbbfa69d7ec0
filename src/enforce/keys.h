/* SPDX-License-Identifier: MIT */
/*
 * What may be set for VMs and groups, as rows: the sections [vm PATTERN] and [group NAME] of
 * deschedd.conf and `desched set` are read by them. Keys that scenarios of the simulator have as
 * well are the same rows (policy/amounts.h).
 */
#ifndef ENFORCE_KEYS_H
#define ENFORCE_KEYS_H

#include "policy/amounts.h"
#include "service/settings.h"

#define ENFORCE_VMS_MAX	   128
#define ENFORCE_GROUPS_MAX 32
#define ENFORCE_NAME	   32 /* of a group, the zero at the end included */

enum vm_key {
	VM_KEY_SHARES,
	VM_KEY_RESERVATION,
	VM_KEY_LIMIT,
	VM_KEY_BURST_CREDIT,
	VM_KEY_GROUP,
	VM_KEY_COSCHED,
	VM_KEYS
};

/* What is given for the VMs that a word fits (host/vm_name.h, or "pid=N"). */
struct vm_given {
	struct settings_named named;
	double shares;	       /* negative: of each vCPU */
	double reservation;    /* CPUs */
	double limit;	       /* CPUs; ENTITLE_UNLIMITED: none */
	uint64_t burst_credit; /* ns */
	uint32_t cosched;
	char group[ENFORCE_NAME]; /* "": none */
};

struct group_given {
	struct settings_named named;
	char parent[ENFORCE_NAME]; /* "": the host */
	double shares, reservation, limit;
};

extern const struct row vm_key_rows[VM_KEYS];

/* The section [enforce] and those of VMs and groups. */
struct enforce_settings {
	uint32_t enforcer;     /* which of enforcers[] (enforcer.h) */
	uint64_t limit_period; /* ns */
	size_t n_vms, n_groups;
	struct vm_given vms[ENFORCE_VMS_MAX];
	struct group_given groups[ENFORCE_GROUPS_MAX];
};

#define ENFORCE_KEYS 2
extern const struct row enforce_rows[ENFORCE_KEYS]; /* of [enforce] */

/* For a table of settings whose struct has one at `field`. */
#define ENFORCE_MANY(type, field)                                                                  \
	{"vm",                                                                                     \
	 vm_key_rows,                                                                              \
	 VM_KEYS,                                                                                  \
	 offsetof(type, field.vms),                                                                \
	 sizeof(struct vm_given),                                                                  \
	 ENFORCE_VMS_MAX,                                                                          \
	 offsetof(type, field.n_vms)},                                                             \
	{                                                                                          \
		"group", group_key_rows, GROUP_KEYS, offsetof(type, field.groups),                 \
			sizeof(struct group_given), ENFORCE_GROUPS_MAX,                            \
			offsetof(type, field.n_groups)                                             \
	}

#define GROUP_KEYS 4
extern const struct row group_key_rows[GROUP_KEYS];

/* The group of this name: 0 for "", i + 1 for groups[i], -ENOENT. */
int enforce_group(const struct enforce_settings *s, const char *name);

/* A group that isn't there, a parent behind its child, a limit below a reservation. -EINVAL. */
int enforce_check(const struct enforce_settings *s, struct failure *f);

#endif
