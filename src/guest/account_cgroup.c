/* SPDX-License-Identifier: MIT */
/*
 * Control groups: every task is in one, and what the task has, the group has. A group whose last
 * task is gone keeps its figures, as the kernel's own cpu.stat does until it is removed, while
 * there is room; then the oldest such group becomes part of "(other)".
 */
#include "guest/account_cgroup.h"

#include <stdlib.h>
#include <string.h>

#define OTHER "(other)"

void account_cgroup_enter(struct account_cgroup **at, struct account_cgroup *c)
{
	if (*at)
		(*at)->n_tasks--;
	*at = c;
	if (c)
		c->n_tasks++;
}

static struct account_cgroup *find(struct account_cgroup *groups, const char *path)
{
	struct account_cgroup *c;

	HASH_FIND_STR(groups, path, c);
	return c;
}

static struct account_cgroup *make(struct account_cgroup **groups, const char *path)
{
	struct account_cgroup *c = calloc(1, sizeof(*c));

	if (c)
		c->path = strdup(path);
	if (c && c->path)
		HASH_ADD_KEYPTR(hh, *groups, c->path, strlen(c->path), c);
	if (c && c->hh.tbl)
		return c;
	if (c)
		free(c->path);
	free(c);
	return NULL;
}

static void drop(struct account_cgroup **groups, struct account_cgroup *c)
{
	HASH_DEL(*groups, c);
	free(c->path);
	free(c);
}

static struct account_cgroup *oldest_empty(struct account_cgroup *groups)
{
	struct account_cgroup *c = groups;

	while (c && (c->n_tasks || !strcmp(c->path, OTHER)))
		c = c->hh.next;
	return c;
}

/* Makes room for one more; "(other)" where all have tasks. */
static struct account_cgroup *fold(struct account_cgroup **groups, uint64_t *folded,
				   const char *path)
{
	struct account_cgroup *other = find(*groups, OTHER), *old = oldest_empty(*groups);

	if (!other)
		other = make(groups, OTHER);
	(*folded)++;
	if (!other || !old)
		return other;
	amounts_add(&other->amounts, &old->amounts);
	drop(groups, old);
	return make(groups, path);
}

struct account_cgroup *account_cgroup_get(struct account_cgroup **groups, uint64_t *folded,
					  const char *path)
{
	struct account_cgroup *c = find(*groups, path);

	if (c)
		return c;
	return HASH_COUNT(*groups) < ACCOUNT_CGROUPS_MAX ? make(groups, path)
							 : fold(groups, folded, path);
}

void account_cgroup_free_all(struct account_cgroup **groups)
{
	struct account_cgroup *c, *next;

	HASH_ITER (hh, *groups, c, next)
		drop(groups, c);
}
