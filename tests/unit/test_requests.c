/* SPDX-License-Identifier: MIT */
/* service/requests.h: what a local process may send to a daemon. What then: test_peers.c. */
#include "service/requests.h"

#include "base/units.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static json_t *answer_twice(const json_t *request, void *data)
{
	return json_pack("{s:i, s:O}", "twice", 2 * *(int *)data, "of",
			 json_object_get(request, "of"));
}

static json_t *answer_plain(const json_t *request, void *data)
{
	(void)request;
	return json_pack("{s:i}", "plain", *(int *)data);
}

static const struct request_row own[] = {{"twice", answer_twice, false},
					 {"set", answer_plain, true}};
static const struct request_row common[] = {{"plain", answer_plain, false},
					    {"version", answer_plain, false}};
static int three = 3, seven = 7;
static const struct requests lists[] = {{own, ARRAY_SIZE(own), &three},
					{common, ARRAY_SIZE(common), &seven}};

static bool owner;

static void check(const char *line, size_t size, const char *expected)
{
	json_t *o = requests_answer(lists, ARRAY_SIZE(lists), owner, line, size);
	char *text = json_dumps(o, JSON_COMPACT);

	assert_non_null(text);
	assert_string_equal(text, expected);
	free(text);
	json_decref(o);
}

static void each_list_has_its_own_data(void **state)
{
	static const char twice[] = "{\"get\":\"twice\",\"of\":\"web\"}",
			  plain[] = "{\"get\":\"plain\"}";

	(void)state;
	check(twice, strlen(twice), "{\"twice\":6,\"of\":\"web\"}");
	check(plain, strlen(plain), "{\"plain\":7}");
}

static void what_is_no_request_is_refused(void **state)
{
	static const char *const lines[] = {"[]", "{}", "{\"get\":5}", "{\"get\":\"all\"}"};
	static const char *const not_json[] = {"", "{", "{\"get\":\"plain\",\"get\":\"plain\"}"};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(lines); i++)
		check(lines[i], strlen(lines[i]),
		      "{\"error\":\"expected {\\\"get\\\":...} with twice, plain or version, "
		      "or {\\\"do\\\":...} with set\"}");
	for (size_t i = 0; i < ARRAY_SIZE(not_json); i++)
		check(not_json[i], strlen(not_json[i]), "{\"error\":\"not JSON\"}");
	check("\0\xff{}", 4, "{\"error\":\"not JSON\"}");
}

/* Whoever may ask may read; only the owner may change, and a reader's word changes nothing. */
static void changes_are_the_owners(void **state)
{
	static const char get[] = "{\"get\":\"plain\"}", change[] = "{\"do\":\"set\"}",
			  disguised[] = "{\"get\":\"set\"}",
			  both[] = "{\"do\":\"set\",\"get\":\"plain\"}",
			  reading[] = "{\"do\":\"plain\"}";

	(void)state;
	check(get, strlen(get), "{\"plain\":7}");
	check(both, strlen(both), "{\"plain\":7}");
	check(change, strlen(change),
	      "{\"error\":\"only root and the owner of the socket may change that\"}");
	owner = true;
	check(change, strlen(change), "{\"plain\":3}");
	for (int i = 0; i < 2; i++) {
		const char *line = i ? reading : disguised;

		check(line, strlen(line),
		      "{\"error\":\"expected {\\\"get\\\":...} with twice, plain or version, "
		      "or {\\\"do\\\":...} with set\"}");
	}
	owner = false;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_list_has_its_own_data),
		cmocka_unit_test(what_is_no_request_is_refused),
		cmocka_unit_test(changes_are_the_owners),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
