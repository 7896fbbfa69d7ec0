/* SPDX-License-Identifier: MIT */
#include "policy/core_marks.h"

#include "policy/core_dispatch.h"
#include "policy/core_limit.h"
#include "policy/core_skew.h"

static void look_at_domains(struct core *c, uint64_t now)
{
	for (uint32_t i = 0; i < c->n_domains; i++) {
		if (c->domains[i].look)
			core_refill_domain(c, i, now);
		c->domains[i].look = false;
	}
	c->look = false;
}

void core_marks_look(struct core *c, uint64_t now)
{
	if (c->look)
		look_at_domains(c, now);
	for (uint32_t i = 0; i < c->n_marked; i++) {
		uint32_t vm = c->marked[i];
		uint8_t marks = c->vms[vm].marks;

		c->vms[vm].marks = 0;
		if (marks & CORE_MARK_SKEW)
			core_skew_look(c, vm, now);
		if (marks & CORE_MARK_BUDGET)
			core_limit_deadline(c, vm, now);
	}
	c->n_marked = 0;
}
