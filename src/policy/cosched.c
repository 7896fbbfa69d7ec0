/* SPDX-License-Identifier: MIT */
#include "policy/cosched.h"

#include <errno.h>
#include <string.h>

const struct cosched_row cosched_rows[COSCHED_ROWS] = {
	[COSCHED_NONE] = {"none", "each vCPU for itself", false, false, false, true},
	[COSCHED_STRICT] = {"strict", "all vCPUs at once or none", true, false, false, false},
	[COSCHED_RELAXED] = {"relaxed", "leaders wait for the slowest", false, true, false, false},
	[COSCHED_BALANCE] = {"balance", "siblings in different queues", false, false, true, true},
};

int cosched_find(const char *name)
{
	for (int i = 0; i < COSCHED_ROWS; i++) {
		if (!strcmp(cosched_rows[i].name, name))
			return i;
	}
	return -EINVAL;
}
