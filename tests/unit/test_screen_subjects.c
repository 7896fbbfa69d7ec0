/* SPDX-License-Identifier: MIT */
/*
 * The tables that all screens are made of: columns, orders, kinds of rows, keys and settings, whatever
 * the subject. What the subjects make of them is test_screen_model.c's and test_screen_host.c's affair.
 */
#include "base/units.h"
#include "screen/saved.h"
#include "screen/subject.h"
#include "screen/ui.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static bool is_bound_key(const struct subject *s, int key)
{
	struct ui ui = {.subject = s};

	for (int replay = 0; replay < 2; replay++) {
		ui.replay = replay;
		for (size_t i = 0; i < n_ui_bindings; i++)
			if (ui_bindings[i].key == key && ui_is_bound(&ui, &ui_bindings[i]))
				return true;
	}
	return false;
}

/* A key does one thing, a name means one column, and every figure can be sorted by. */
static void columns_make_sense(void **state)
{
	(void)state;
	for (size_t s = 0; s < n_subjects; s++) {
		const struct subject *subject = subjects[s];

		assert_non_null(subject_column(subject, subject->sort));
		for (size_t i = 0; i < subject->n_columns; i++) {
			const struct column *c = &subject->columns[i];

			assert_true(!c->key || (c->name && !is_bound_key(subject, c->key)));
			assert_true(!c->json || c->name);
			assert_true(c->unit == UNIT_BAR || c->value);
			assert_true(c->unit != UNIT_PERCENT || column_is_order(c));
			assert_ptr_equal(c->name ? subject_column(subject, c->name) : c, c);
			for (size_t j = 0; j < i; j++)
				assert_true(!c->key || subject->columns[j].key != c->key);
		}
	}
}

/* Every kind says who it is, and is told from the others. */
static void kinds_make_sense(void **state)
{
	char letters[32] = "";

	(void)state;
	for (size_t s = 0; s < n_subjects; s++) {
		assert_true(subjects[s]->kinds[0] != NULL);
		for (size_t i = 0; subjects[s]->kinds[i]; i++) {
			const struct row_kind *kind = subjects[s]->kinds[i];

			assert_non_null(kind->status);
			assert_null(strchr(letters, kind->letter));
			letters[strlen(letters)] = kind->letter;
		}
	}
}

/* -o and completion have every order of every subject, each once. */
static void orders_have_names(void **state)
{
	const char *name;
	size_t n = 0, found = 0;

	(void)state;
	for (; (name = subject_order_name(n)); n++) {
		bool known = false;

		for (size_t s = 0; s < n_subjects; s++)
			known |= subject_column(subjects[s], name) != NULL;
		assert_true(known);
		for (size_t i = 0; i < n; i++)
			assert_string_not_equal(subject_order_name(i), name);
	}
	for (size_t s = 0; s < n_subjects; s++)
		for (size_t i = 0; i < subjects[s]->n_columns; i++)
			for (size_t o = 0; column_is_order(&subjects[s]->columns[i]) && o < n; o++)
				found += !strcmp(subject_order_name(o),
						 subjects[s]->columns[i].name);
	assert_int_equal(found, n + 3); /* pid, memory and name are of both */
}

/* Each subject's settings stay when another's are kept. */
static void settings_of_both_subjects(void **state)
{
	char dir[] = "/tmp/test-screen-host.XXXXXX", path[64];
	struct saved host = {.view = {.sort = subject_column(&subject_host, "ready")}};
	struct saved guest = {.view = {.sort = subject_column(&subject_guest, "pid"), .tree = true},
			      .delay = NS_PER_SEC};
	struct saved back = {.view = {.threads = true}};
	struct failure f = {""};

	(void)state;
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/top.ini", dir);
	assert_int_equal(saved_store(path, &subject_host, &host, &f), 0);
	assert_int_equal(saved_store(path, &subject_guest, &guest, &f), 0);
	assert_int_equal(saved_load(path, &subject_host, &f, &back), 0);
	assert_ptr_equal(back.view.sort, host.view.sort);
	assert_false(back.view.threads);
	assert_int_equal(saved_load(path, &subject_guest, &f, &back), 0);
	assert_ptr_equal(back.view.sort, guest.view.sort);
	assert_true(back.view.tree);
	assert_int_equal(back.delay, NS_PER_SEC);
	unlink(path);
	rmdir(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(columns_make_sense),
		cmocka_unit_test(kinds_make_sense),
		cmocka_unit_test(orders_have_names),
		cmocka_unit_test(settings_of_both_subjects),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
