/* SPDX-License-Identifier: MIT */
#include "enforce/rules.h"

#include "base/quantity.h"
#include "host/vm_name.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void rules_done(struct rules *r)
{
	free(r->set);
	r->set = NULL;
	r->n_set = 0;
}

bool rules_fits(const char *word, const struct host_vm *vm)
{
	uint64_t pid;

	if (!strncmp(word, "pid=", 4))
		return !quantity_count(word + 4, &pid) && pid == (uint64_t)vm->pid;
	return vm_name_fits(vm, word);
}

/* Takes those of the keys that nobody has had anything to say of yet. */
static void take(struct resolved *to, const struct vm_given *from, enum rules_origin origin)
{
	for (size_t i = 0; i < VM_KEYS; i++) {
		const struct row *row = &vm_key_rows[i];

		if (to->from[i] != ORIGIN_DEFAULT || !(from->named.given >> i & 1))
			continue;
		memcpy((char *)&to->to + row->offset, (const char *)from + row->offset,
		       row_size(row));
		to->from[i] = origin;
		to->word[i] = origin == ORIGIN_CGROUP ? NULL : from->named.name;
	}
}

void rules_resolve(const struct rules *r, const struct host_vm *vm, const struct vm_given *own,
		   struct resolved *ret)
{
	memset(ret, 0, sizeof(*ret));
	rows_default(vm_key_rows, VM_KEYS, &ret->to);
	for (size_t i = r->n_set; i-- > 0;)
		if (rules_fits(r->set[i].named.name, vm))
			take(ret, &r->set[i], ORIGIN_SET);
	for (size_t i = r->file->n_vms; i-- > 0;)
		if (rules_fits(r->file->vms[i].named.name, vm))
			take(ret, &r->file->vms[i], ORIGIN_FILE);
	take(ret, own, ORIGIN_CGROUP);
}

struct vm_given *rules_find(const struct rules *r, const char *word)
{
	for (size_t i = 0; i < r->n_set; i++)
		if (!strcmp(r->set[i].named.name, word))
			return &r->set[i];
	return NULL;
}

/* The word's place is behind all others: what was set last comes first. */
static struct vm_given *move_last(struct rules *r, struct vm_given *of)
{
	struct vm_given moved = *of, *last = &r->set[r->n_set - 1];

	memmove(of, of + 1, (size_t)(last - of) * sizeof(*of));
	*last = moved;
	return last;
}

static struct vm_given *add(struct rules *r, const char *word)
{
	struct vm_given *bigger = reallocarray(r->set, r->n_set + 1, sizeof(*bigger)), *new;

	if (!bigger)
		return NULL;
	r->set = bigger;
	new = &r->set[r->n_set++];
	memset(new, 0, sizeof(*new));
	snprintf(new->named.name, sizeof(new->named.name), "%s", word);
	return new;
}

int rules_set(struct rules *r, const char *word, const struct vm_given *given, struct failure *f)
{
	struct vm_given *to = rules_find(r, word);

	if (!to && r->n_set == RULES_MAX)
		return failure_set(f, -E2BIG, "%d words have settings already; unset some",
				   RULES_MAX);
	to = to ? move_last(r, to) : add(r, word);
	if (!to)
		return failure_errno(f, -ENOMEM, "settings of %s", word);
	for (size_t i = 0; i < VM_KEYS; i++) {
		const struct row *row = &vm_key_rows[i];

		if (given->named.given >> i & 1)
			memcpy((char *)to + row->offset, (const char *)given + row->offset,
			       row_size(row));
	}
	to->named.given |= given->named.given;
	return 0;
}

int rules_copy(const struct rules *from, struct rules *ret)
{
	struct rules copy = {from->file, calloc(from->n_set + 1, sizeof(*copy.set)), from->n_set};

	if (!copy.set)
		return -ENOMEM;
	if (from->n_set)
		memcpy(copy.set, from->set, from->n_set * sizeof(*copy.set));
	*ret = copy;
	return 0;
}

void rules_unset(struct rules *r, const char *word, uint64_t mask)
{
	struct vm_given *of = rules_find(r, word);

	if (!of)
		return;
	of->named.given &= ~mask;
	if (of->named.given)
		return;
	r->n_set--;
	memmove(of, of + 1, (size_t)(r->set + r->n_set - of) * sizeof(*of));
}
