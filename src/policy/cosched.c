/* SPDX-License-Identifier: MIT */
#include "policy/cosched.h"

const struct cosched_row cosched_rows[COSCHED_ROWS] = {
	[COSCHED_NONE] = {"none", "each vCPU for itself", false, false, false},
	[COSCHED_STRICT] = {"strict", "all vCPUs at once or none", true, false, false},
	[COSCHED_RELAXED] = {"relaxed", "leaders wait for the slowest", false, true, false},
	[COSCHED_BALANCE] = {"balance", "siblings in different queues", false, false, true},
};

const char *cosched_name(size_t i)
{
	return i < COSCHED_ROWS ? cosched_rows[i].name : NULL;
}
