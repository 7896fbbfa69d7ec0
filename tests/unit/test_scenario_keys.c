/* SPDX-License-Identifier: MIT */
/* sim/scenario_keys.h: a key that is one of several names says which, as the table of these has
 * them. What scenarios are refused is in test_sim.c. */
#include "base/options.h"
#include "policy/cosched.h"
#include "policy/tick.h"
#include "sim/guest.h"
#include "sim/scenario_keys.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static const char *cosched_name_at(size_t i)
{
	return i < COSCHED_ROWS ? cosched_rows[i].name : NULL;
}

static const char *workload_name_at(size_t i)
{
	return i < n_workload_rows ? workload_rows[i]->name : NULL;
}

static const struct {
	int (*find)(const char *name);
	option_name_fn name;
} tables[] = {
	{cosched_find, cosched_name_at},
	{workload_find, workload_name_at},
	{tick_find, tick_policy_name},
};

/* The i-th of the names in "a, b, c"; false behind the last. */
static bool choice(const char *choices, size_t i, char ret[32])
{
	while (i-- && choices)
		choices = strstr(choices, ", ") ? strstr(choices, ", ") + 2 : NULL;
	if (choices)
		snprintf(ret, 32, "%.*s", (int)strcspn(choices, ","), choices);
	return choices;
}

static void check_row(const struct key_row *row)
{
	unsigned long seen = 0;
	char name[32];

	for (size_t i = 0; choice(row->choices, i, name); i++) {
		int found = row->find(name);

		if (found < 0 || seen >> found & 1)
			fail_msg("%s: '%s' is no name, or the same as another", row->key, name);
		seen |= 1ul << found;
	}
	for (size_t t = 0; t < sizeof(tables) / sizeof(tables[0]); t++) {
		for (size_t i = 0; row->find == tables[t].find && tables[t].name(i); i++) {
			assert_true(choice(row->choices, i, name));
			assert_string_equal(name, tables[t].name(i));
			assert_false(!tables[t].name(i + 1) && choice(row->choices, i + 1, name));
		}
	}
}

static void choices_are_the_tables(void **state)
{
	unsigned checked = 0;

	(void)state;
	for (int s = 0; s < SECTIONS; s++) {
		for (uint32_t i = 0; i < key_tables[s].n; i++) {
			if (key_tables[s].rows[i].type != KEY_ONE_OF)
				continue;
			check_row(&key_tables[s].rows[i]);
			checked++;
		}
	}
	assert_true(checked >= 10);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(choices_are_the_tables),
	};

	return cmocka_run_group_tests_name("scenario_keys", tests, NULL, NULL);
}
