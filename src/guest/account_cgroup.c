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

void cgroup_enter(struct account_task *t, struct account_cgroup *c)
{
	if (t->cgroup)
		t->cgroup->n_tasks--;
	t->cgroup = c;
	if (c)
		c->n_tasks++;
}

static struct account_cgroup *find(const struct account *a, const char *path)
{
	struct account_cgroup *c;

	HASH_FIND_STR(a->cgroups, path, c);
	return c;
}

static struct account_cgroup *make(struct account *a, const char *path)
{
	struct account_cgroup *c = calloc(1, sizeof(*c));

	if (c)
		c->path = strdup(path);
	if (c && c->path)
		HASH_ADD_KEYPTR(hh, a->cgroups, c->path, strlen(c->path), c);
	if (c && c->hh.tbl)
		return c;
	if (c)
		free(c->path);
	free(c);
	return NULL;
}

static void drop(struct account *a, struct account_cgroup *c)
{
	HASH_DEL(a->cgroups, c);
	free(c->path);
	free(c);
}

static struct account_cgroup *oldest_empty(const struct account *a)
{
	struct account_cgroup *c = a->cgroups;

	while (c && (c->n_tasks || !strcmp(c->path, OTHER)))
		c = c->hh.next;
	return c;
}

/* Makes room for one more; "(other)" where all have tasks. */
static struct account_cgroup *fold(struct account *a, const char *path)
{
	struct account_cgroup *other = find(a, OTHER), *old = oldest_empty(a);

	if (!other)
		other = make(a, OTHER);
	a->counters.cgroups_folded++;
	if (!other || !old)
		return other;
	amounts_add(&other->amounts, &old->amounts);
	drop(a, old);
	return make(a, path);
}

struct account_cgroup *cgroup_get(struct account *a, const char *path)
{
	struct account_cgroup *c = find(a, path);

	if (c)
		return c;
	return HASH_COUNT(a->cgroups) < ACCOUNT_CGROUPS_MAX ? make(a, path) : fold(a, path);
}

void account_move(struct account *a, pid_t tid, bool all, const char *path)
{
	struct account_task *t = account_find_task(a, tid), *other;
	struct account_cgroup *c = t ? cgroup_get(a, path) : NULL;

	if (!c)
		return;
	cgroup_enter(t, c);
	if (!all || t->process->n_live < 2)
		return;
	for (other = a->tasks; other; other = other->hh.next)
		if (other->process == t->process)
			cgroup_enter(other, c);
}

void cgroup_free_all(struct account *a)
{
	struct account_cgroup *c, *next;

	HASH_ITER (hh, a->cgroups, c, next)
		drop(a, c);
}
