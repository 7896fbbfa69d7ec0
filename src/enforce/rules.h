/* SPDX-License-Identifier: MIT */
/*
 * What is set for a VM, key by key, and by whom. The first that says something of a key has it:
 *
 *     what was set while the daemon runs, the last first
 *     the sections [vm PATTERN] of the file, the last first
 *     what the VM's own cgroup had when it was first seen
 *     the default
 */
#ifndef ENFORCE_RULES_H
#define ENFORCE_RULES_H

#include "enforce/keys.h"
#include "host/host_vm.h"

#include <stdbool.h>

#define RULES_MAX 1024 /* words for which something is set at one time */

enum rules_origin { ORIGIN_DEFAULT, ORIGIN_CGROUP, ORIGIN_FILE, ORIGIN_SET };

struct rules {
	const struct enforce_settings *file;
	struct vm_given *set; /* [n_set], in the order in which their words came; owned */
	size_t n_set;
};

struct resolved {
	struct vm_given to; /* the values; name and mask mean nothing */
	enum rules_origin from[VM_KEYS];
	const char *word[VM_KEYS]; /* of file and set, the rule's; good until rules change */
};

void rules_done(struct rules *r);
int rules_copy(const struct rules *from, struct rules *ret); /* -ENOMEM */

/* Whether the word is for this VM. */
bool rules_fits(const char *word, const struct host_vm *vm);

/* `own` has what its cgroup had, where its mask says so. */
void rules_resolve(const struct rules *r, const struct host_vm *vm, const struct vm_given *own,
		   struct resolved *ret);

/* What is set for exactly this word; NULL: nothing. */
struct vm_given *rules_find(const struct rules *r, const char *word);

/* Sets for `word` what the mask of `given` says, in addition to what is set for it. -E2BIG, -ENOMEM. */
int rules_set(struct rules *r, const char *word, const struct vm_given *given, struct failure *f);

/* Takes back what the mask says; a word for which nothing is left is forgotten. */
void rules_unset(struct rules *r, const char *word, uint64_t mask);

#endif
