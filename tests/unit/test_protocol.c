/* SPDX-License-Identifier: MIT */
/* guest/protocol.h: what a local process may send to vmdesched. What then: test_peers.c. */
#include "guest/protocol.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void check(const char *line, int expected)
{
	enum protocol_request request;
	struct failure f = {""};

	assert_int_equal(protocol_parse(line, strlen(line), &f, &request), expected);
	if (expected)
		assert_int_not_equal(strlen(f.text), 0);
}

static void requests_are_parsed_or_refused(void **state)
{
	enum protocol_request request = PROTOCOL_VERSION;
	struct failure f;

	(void)state;
	assert_int_equal(protocol_parse("{\"get\":\"snapshot\"}", 18, &f, &request), 0);
	assert_int_equal(request, PROTOCOL_SNAPSHOT);
	assert_int_equal(protocol_parse("{\"get\":\"version\"}", 17, &f, &request), 0);
	assert_int_equal(request, PROTOCOL_VERSION);
	check("", -EINVAL);
	check("{", -EINVAL);
	check("[]", -EINVAL);
	check("{\"get\":5}", -EINVAL);
	check("{\"get\":\"all\"}", -EINVAL);
	check("{\"get\":\"snapshot\",\"get\":\"version\"}", -EINVAL);
	assert_int_equal(protocol_parse("\0\xff{}", 4, &f, &request), -EINVAL);
	assert_int_equal(protocol_parse("{}", 2, &f, &request), -EINVAL);
	assert_string_equal(f.text,
			    "expected {\"get\":...} with snapshot, history, gaps, metrics or "
			    "version");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(requests_are_parsed_or_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
