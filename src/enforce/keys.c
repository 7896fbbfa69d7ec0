/* SPDX-License-Identifier: MIT */
#include "enforce/keys.h"

#include "base/units.h"
#include "enforce/enforcer.h"
#include "policy/cosched.h"

#include <errno.h>
#include <string.h>

#define VM(field)      offsetof(struct vm_given, field)
#define GROUP(field)   offsetof(struct group_given, field)
#define ENFORCE(field) offsetof(struct enforce_settings, field)

const struct row vm_key_rows[VM_KEYS] = {
	[VM_KEY_SHARES] = AMOUNT_SHARES(VM(shares)),
	[VM_KEY_RESERVATION] = AMOUNT_RESERVATION(VM(reservation)),
	[VM_KEY_LIMIT] = AMOUNT_LIMIT(VM(limit)),
	[VM_KEY_BURST_CREDIT] = {"burst_credit", &row_time, VM(burst_credit), 0, NS_PER_SEC, "0s",
				 "CPU time that may be saved up below the limit, and used above it",
				 NULL, 0},
	[VM_KEY_GROUP] = {"group", &row_word, VM(group), 0, 0, "", "the group they belong to", NULL,
			  ENFORCE_NAME},
	[VM_KEY_COSCHED] = {"cosched", &row_name, VM(cosched), 0, 0, "none", "co-scheduling",
			    cosched_name, 0},
};

const struct row group_key_rows[GROUP_KEYS] = {
	{"parent", &row_word, GROUP(parent), 0, 0, "", "a group further up in the file", NULL,
	 ENFORCE_NAME},
	AMOUNT_GROUP_SHARES(GROUP(shares)),
	AMOUNT_RESERVATION(GROUP(reservation)),
	AMOUNT_LIMIT(GROUP(limit)),
};

const struct row enforce_rows[ENFORCE_KEYS] = {
	{"enforcer", &row_name, ENFORCE(enforcer), 0, 0, "none",
	 "what holds VMs to their settings; none: nothing is enforced", enforcer_name, 0},
	{"limit_period", &row_time, ENFORCE(limit_period), 2 * NS_PER_MS, NS_PER_SEC, "10ms",
	 "period of a limit's budget: the shorter, the shorter a VM stands still", NULL, 0},
};

int enforce_group(const struct enforce_settings *s, const char *name)
{
	if (!name[0])
		return 0;
	for (size_t i = 0; i < s->n_groups; i++)
		if (!strcmp(s->groups[i].named.name, name))
			return (int)i + 1;
	return -ENOENT;
}

static int below(const char *kind, const char *name, double limit, double reservation,
		 struct failure *f)
{
	return failure_set(f, -EINVAL,
			   "[%s %s]: the limit (%.12g) is below the reservation (%.12g)", kind,
			   name, limit, reservation);
}

static int check_group(const struct enforce_settings *s, size_t i, struct failure *f)
{
	const struct group_given *g = &s->groups[i];
	int parent = enforce_group(s, g->parent);

	if (g->limit < g->reservation)
		return below("group", g->named.name, g->limit, g->reservation, f);
	if (parent >= 0 && (size_t)parent <= i)
		return 0;
	return failure_set(f, -EINVAL, "[group %s]: no group '%s' stands before it", g->named.name,
			   g->parent);
}

int enforce_check(const struct enforce_settings *s, struct failure *f)
{
	int err = 0;

	for (size_t i = 0; i < s->n_groups && !err; i++)
		err = check_group(s, i, f);
	for (size_t i = 0; i < s->n_vms && !err; i++) {
		const struct vm_given *vm = &s->vms[i];

		if (vm->limit < vm->reservation)
			err = below("vm", vm->named.name, vm->limit, vm->reservation, f);
		else if (enforce_group(s, vm->group) < 0)
			err = failure_set(f, -EINVAL,
					  "[vm %s]: there is no [group %s] in this file",
					  vm->named.name, vm->group);
	}
	return err;
}
