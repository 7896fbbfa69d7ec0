/* SPDX-License-Identifier: MIT */
#include "view/corrected_files.h"

#include "base/units.h"

const struct corrected_file corrected_files[] = {
	{"stat", rewrite_system_stat, NULL},	     {"schedstat", rewrite_system_schedstat, NULL},
	{"stat", NULL, rewrite_task_stat},	     {"sched", NULL, rewrite_task_sched},
	{"schedstat", NULL, rewrite_task_schedstat},
};

const unsigned n_corrected_files = ARRAY_SIZE(corrected_files);
