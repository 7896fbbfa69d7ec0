/* SPDX-License-Identifier: MIT */
#include "sim/workload.h"

#include <errno.h>
#include <string.h>

const struct workload_row *const workload_rows[] = {
	&workload_busy,	    &workload_duty,  &workload_io,   &workload_barrier,
	&workload_spinlock, &workload_ticks, &workload_idle, &workload_requests,
};
const uint32_t n_workload_rows = sizeof(workload_rows) / sizeof(workload_rows[0]);

const char *workload_name(size_t i)
{
	return i < n_workload_rows ? workload_rows[i]->name : NULL;
}

int workload_find(const char *name)
{
	for (uint32_t i = 0; i < n_workload_rows; i++) {
		if (!strcmp(workload_rows[i]->name, name))
			return (int)i;
	}
	return -EINVAL;
}
