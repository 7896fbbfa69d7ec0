/* SPDX-License-Identifier: MIT */
/* The end of an event: what lower layers have marked is looked at by higher ones. */
#ifndef POLICY_CORE_MARKS_H
#define POLICY_CORE_MARKS_H

#include "policy/core_state.h"

void core_marks_look(struct core *c, uint64_t now);

/* The last thing that each event does. */
static inline void core_end(struct core *c, uint64_t now)
{
	if (c->look || c->n_marked)
		core_marks_look(c, now);
}

#endif
