/* SPDX-License-Identifier: MIT */
/* What a local process may send to a daemon: one line, any bytes. One answer, or an error. */
#include "fuzz.h"

#include "service/requests.h"

#include <string.h>

static json_t *answer(const json_t *request, void *data)
{
	CHECK(json_is_object(request) && data);
	return json_pack("{s:O}", "is", json_object_get(request, "get"));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct request_row rows[] = {
		{"snapshot", answer, false}, {"gaps", answer, false}, {"set", answer, true}};
	static int own;
	const struct requests list = {rows, 3, &own};
	json_t *o = requests_answer(&list, 1, false, (const char *)data, size);
	const char *is = json_string_value(json_object_get(o, "is"));

	CHECK(is ? !strcmp(is, "snapshot") || !strcmp(is, "gaps")
		 : json_object_get(o, "error") != NULL);
	json_decref(o);
	return 0;
}
