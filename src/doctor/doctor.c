/* SPDX-License-Identifier: MIT */
#include "doctor/doctor.h"

#include "doctor/checks.h"
#include "doctor/vms.h"

#include <string.h>

static const struct check_group *const groups[] = {
	&checks_tools, &checks_kernel, &checks_cpu,  &checks_memory, &checks_disk,
	&checks_net,   &checks_clone,  &checks_time, &checks_host,   &checks_host_set,
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

bool doctor_of_host(const struct check *c)
{
	for (size_t g = 0; g < ARRAY_SIZE(groups); g++)
		if (c >= groups[g]->rows && c < groups[g]->rows + groups[g]->n)
			return groups[g]->host;
	return false;
}

/* A machine that is neither seems to be a guest, and says what it lacks. */
unsigned doctor_sides(const struct tree *t)
{
	enum hypervisor h = HYPERVISOR_NONE;
	struct vms_seen vms = {.list = NULL};
	unsigned sides = 0;

	if (!vms_find(t, &vms) && vms.n)
		sides |= DOCTOR_HOST;
	vms_done(&vms);
	fact_hypervisor(t, &h);
	return h != HYPERVISOR_NONE || !sides ? sides | DOCTOR_GUEST : sides;
}

/* Names in files may hold anything, and what was found goes to a terminal. */
static void make_printable(char *text)
{
	for (char *c = text; *c; c++)
		*c = *c < ' ' || *c > '~' ? '?' : *c;
}

static enum verdict not_this_side(struct exam *e)
{
	if (doctor_of_host(e->check))
		return exam_not_here(e, "no VM is running here; --host looks all the same");
	return exam_not_here(e, "this is a host, not a guest; --guest looks all the same");
}

void doctor_look(const struct check *check, const struct tree *t, unsigned sides, struct exam *ret)
{
	unsigned side = doctor_of_host(check) ? DOCTOR_HOST : DOCTOR_GUEST;

	*ret = (struct exam){.check = check, .tree = t};
	ret->verdict = sides & side ? check->look(ret) : not_this_side(ret);
	make_printable(ret->found);
}
