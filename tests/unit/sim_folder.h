/* SPDX-License-Identifier: MIT */
/* A folder for a test's scenario and its trace; sim_folder_make() is the group's setup. Include after
 * cmocka.h. */
#ifndef TEST_SIM_FOLDER_H
#define TEST_SIM_FOLDER_H

#include "scratch.h"

static const char *folder;
static char scenario_path[96], csv_path[96];

static inline int sim_folder_make(void **state)
{
	(void)state;
	folder = scratch_dir("test-sim");
	snprintf(scenario_path, sizeof(scenario_path), "%s/t.ini", folder);
	snprintf(csv_path, sizeof(csv_path), "%s/t.csv", folder);
	return 0;
}

static inline void write_csv(const char *text, size_t size)
{
	FILE *f = fopen(csv_path, "w");

	assert_non_null(f);
	assert_int_equal(fwrite(text, 1, size, f), size);
	assert_int_equal(fclose(f), 0);
}

#endif
