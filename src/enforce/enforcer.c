/* SPDX-License-Identifier: MIT */
#include "enforce/enforcer.h"

const struct enforcer *const enforcers[ENFORCERS] = {&enforcer_none, &enforcer_cgroup,
						     &enforcer_dispatch, &enforcer_sched_ext};

const char *enforcer_name(size_t i)
{
	return i < ENFORCERS ? enforcers[i]->name : NULL;
}

void enforcers_recover(void (*say)(const char *line, void *data), void *data)
{
	for (size_t i = 0; i < ENFORCERS; i++)
		if (enforcers[i]->recover)
			enforcers[i]->recover(say, data);
}
