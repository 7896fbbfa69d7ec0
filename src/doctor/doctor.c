/* SPDX-License-Identifier: MIT */
#include "doctor/doctor.h"

#include "doctor/checks.h"

#include <string.h>

static const struct check_group *const groups[] = {
	&checks_tools, &checks_kernel, &checks_cpu,   &checks_memory,
	&checks_disk,  &checks_net,    &checks_clone, &checks_time,
};

size_t doctor_count(void)
{
	size_t n = 0;

	for (size_t g = 0; g < ARRAY_SIZE(groups); g++)
		n += groups[g]->n;
	return n;
}

const struct check *doctor_check(size_t i)
{
	for (size_t g = 0; g < ARRAY_SIZE(groups); g++) {
		if (i < groups[g]->n)
			return &groups[g]->rows[i];
		i -= groups[g]->n;
	}
	return NULL;
}

const struct check *doctor_find(const char *id)
{
	const struct check *c;

	for (size_t i = 0; (c = doctor_check(i)); i++)
		if (!strcmp(c->id, id))
			return c;
	return NULL;
}

const char *doctor_group(const struct check *c)
{
	for (size_t g = 0; g < ARRAY_SIZE(groups); g++)
		if (c >= groups[g]->rows && c < groups[g]->rows + groups[g]->n)
			return groups[g]->name;
	return "";
}

/* Names in files may hold anything, and what was found goes to a terminal. */
static void make_printable(char *text)
{
	for (char *c = text; *c; c++)
		*c = *c < ' ' || *c > '~' ? '?' : *c;
}

void doctor_look(const struct check *check, const struct tree *t, struct exam *ret)
{
	*ret = (struct exam){.check = check, .tree = t};
	ret->verdict = check->look(ret);
	make_printable(ret->found);
}
