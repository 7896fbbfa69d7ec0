/* SPDX-License-Identifier: MIT */
/*
 * A scenario: what a file under tests/sim/ says (desched-scenario(5)). One host or several alike,
 * groups and VMs on each, how long to run, variants that change some of it, and the limits that
 * the outcome must keep.
 */
#ifndef SIM_SCENARIO_H
#define SIM_SCENARIO_H

#include "base/failure.h"
#include "sim/spec.h"

/* From memory; `path` is for messages and the name. 0 or -errno with file, line, what is wrong and
 * what was expected in `f`. */
int scenario_parse(const char *text, size_t size, const char *path, struct failure *f,
		   struct scenario **ret);
int scenario_load(const char *path, struct failure *f, struct scenario **ret);
struct scenario *scenario_free(struct scenario *s); /* NULL accepted; returns NULL */

/* The scenario as one of its variants has it (index below n_variants), without variants. */
int scenario_vary(const struct scenario *s, uint32_t variant, struct failure *f,
		  struct scenario **ret);

/* One "section.key=value", as --set has it. */
int scenario_set(struct scenario *s, const char *text, struct failure *f);

/* One key by the name of its section: host, run, cluster, a VM, a group or a host. */
int scenario_apply(struct scenario *s, const char *section, const char *key, const char *value,
		   int line, struct failure *f);

/* A copy without variants and limits. */
int scenario_copy(const struct scenario *s, struct scenario **ret);
void scenario_forget_changes(struct scenario *s);

/* What the keys' own bounds cannot see: names that do not exist, contradictions, sizes. Called by
 * scenario_parse(); again after scenario_set(). */
int scenario_check(struct scenario *s, struct failure *f);

/* NULL if there is none of this name. */
struct vm_spec *scenario_find_vm(struct scenario *s, const char *name);
struct group_spec *scenario_find_group(struct scenario *s, const char *name);
struct named_host *scenario_find_host(struct scenario *s, const char *name);

/* Sets a key of a named host. As scenario_key_set(); -E2BIG for too many. */
int scenario_set_host(struct scenario *s, struct named_host *h, const char *key, const char *value,
		      int line, struct failure *f);

/* How many hosts there are: the named ones, or as many alike as [host] says. */
uint32_t scenario_hosts(const struct scenario *s);

/* The scenario as one host has it (index below scenario_hosts()): its own keys, and of VMs that are
 * elsewhere none. */
int scenario_on_host(const struct scenario *s, uint32_t host, struct failure *f,
		     struct scenario **ret);

/* The scenario's host cannot have this VM, whatever changes say. */
void scenario_bar(struct vm_spec *vm);

uint32_t scenario_vms_per_host(const struct scenario *s);
uint64_t scenario_vcpus_per_host(const struct scenario *s);

#endif
