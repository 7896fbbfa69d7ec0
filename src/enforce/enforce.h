/* SPDX-License-Identifier: MIT */
/*
 * VMs held to their settings: about once a second, and whenever settings change, what each VM wanted
 * is divided among all by the policy (host/entitlement.h), and the enforcer of the settings
 * (enforcer.h) is told. With the enforcer `none` the same is computed and shown, and nothing is
 * touched.
 *
 * A VM's CPU time here is that of all its threads: the vCPUs', and those for I/O and emulation.
 */
#ifndef ENFORCE_ENFORCE_H
#define ENFORCE_ENFORCE_H

#include "enforce/keys.h"
#include "host/measured.h"

#include <jansson.h>

#define POLICY_SCHEMA "desched-policy/1"
#define SET_SCHEMA    "desched-set/1"

struct enforce;

struct enforce_setup {
	const struct enforce_settings
		*settings; /* outlives it, and may change: enforce_changed() */
	double cpus;	   /* to divide; 0: all that are online */
	void (*say)(const char *line, void *data);
	void *data;
};

/* With all privileges, and before there are threads: an enforcer may want a process of its own.
 * -EOPNOTSUPP: it doesn't work here, and why. */
int enforce_open(const struct enforce_setup *setup, struct failure *f, struct enforce **ret);
/* Everything is as it was before. NULL accepted; returns NULL. */
struct enforce *enforce_close(struct enforce *e);

/* After a reading of `m` (measure_read()). -EPIPE: the enforcer has broken down, and nothing is
 * enforced any more; -ENOMEM: things stay as they were told last. */
int enforce_step(struct enforce *e, const struct measurement *m);

/* The settings have changed, and are followed at once. */
void enforce_changed(struct enforce *e);

/* The answers to requests; NULL without memory. `request` is as deschedd(8) says, and hostile. */
json_t *enforce_set(struct enforce *e, const json_t *request);
json_t *enforce_unset(struct enforce *e, const json_t *request);
json_t *enforce_policy(const struct enforce *e);

/* CPUs that this VM was entitled to in the last second; negative: not known. */
double enforce_entitled(const struct enforce *e, pid_t pid, uint64_t since);

#endif
