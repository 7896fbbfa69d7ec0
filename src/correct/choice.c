/* SPDX-License-Identifier: MIT */
#include "correct/choice.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CANDIDATES_MAX 4096

struct candidate {
	char *name; /* followed by the id */
	const char *id;
};

static bool matches(const struct choice *c, const struct candidate *x)
{
	if (!c->wanted)
		return x == c->list; /* the first; choice_end() sees whether it is the only one */
	return !strcmp(c->wanted, x->name) || (x->id[0] && !strcmp(c->wanted, x->id));
}

static const struct candidate *find(const struct choice *c, const char *id, const char *name)
{
	for (size_t i = 0; i < c->n; i++)
		if (!strcmp(c->list[i].id, id) && !strcmp(c->list[i].name, name))
			return &c->list[i];
	return NULL;
}

/* NULL: no memory. */
static const struct candidate *add(struct choice *c, const char *id, const char *name)
{
	size_t length = strlen(name) + 1, size = length + strlen(id) + 1;
	struct candidate *list;
	char *text;

	list = reallocarray(c->list, c->n + 1, sizeof(*list));
	if (!list)
		return NULL;
	c->list = list;
	text = malloc(size);
	if (!text)
		return NULL;
	memcpy(text, name, length);
	memcpy(text + length, id, size - length);
	list[c->n] = (struct candidate){text, text + length};
	return &list[c->n++];
}

int choice_take(struct choice *c, const char *id, const char *name)
{
	const struct candidate *x = find(c, id, name);

	if (!x && c->n >= CANDIDATES_MAX)
		return -E2BIG;
	if (!x)
		x = add(c, id, name);
	return x ? matches(c, x) : -ENOMEM;
}

static bool name_repeats(const struct choice *c, const struct candidate *x)
{
	for (size_t i = 0; i < c->n; i++)
		if (&c->list[i] != x && !strcmp(c->list[i].name, x->name))
			return true;
	return false;
}

/* "web1, db" or, where a name repeats, "web1 (1001), web1 (2001)". */
static void describe(const struct choice *c, bool only_matches, char *ret, size_t size)
{
	size_t used = 0;

	snprintf(ret, size, "none");
	for (size_t i = 0; i < c->n && used < size; i++) {
		const struct candidate *x = &c->list[i];
		const char *comma = used ? ", " : "";

		if (only_matches && !matches(c, x))
			continue;
		if (x->id[0] && name_repeats(c, x))
			used += (size_t)snprintf(ret + used, size - used, "%s%s (%s)", comma,
						 x->name, x->id);
		else
			used += (size_t)snprintf(ret + used, size - used, "%s%s", comma, x->name);
	}
}

int choice_end(const struct choice *c, const char *path, struct failure *f)
{
	size_t found = 0;
	char all[320];

	for (size_t i = 0; i < c->n; i++)
		found += matches(c, &c->list[i]);
	describe(c, found > 0 && c->wanted, all, sizeof(all));
	if (!found && c->wanted)
		return failure_set(f, -ENOENT, "%s: no %s '%s'; it has: %s", path, c->what,
				   c->wanted, all);
	if (!found)
		return failure_set(f, -ENODATA, "%s: it has no %s's figures", path, c->what);
	if (found > 1)
		return failure_set(f, -EINVAL,
				   "%s: more than one %s is '%s'; choose one with %s and the "
				   "number in brackets: %s",
				   path, c->what, c->wanted, c->option, all);
	if (c->n > 1 && !c->wanted)
		return failure_set(f, -EINVAL, "%s: it has several %ss; choose one with %s: %s",
				   path, c->what, c->option, all);
	return 0;
}

void choice_done(struct choice *c)
{
	for (size_t i = 0; i < c->n; i++)
		free(c->list[i].name);
	free(c->list);
	c->list = NULL;
	c->n = 0;
}
