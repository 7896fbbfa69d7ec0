/* SPDX-License-Identifier: MIT */
#include "service/requests.h"

#include "base/rows.h"

#include <stdio.h>
#include <string.h>

#define NAMED_MAX 32

json_t *requests_error(const char *why)
{
	return json_pack("{s:s}", "error", why);
}

/* NULL: none of the lists has it. */
static const struct request_row *find(const struct requests *lists, size_t n, const char *name,
				      void **ret_data)
{
	for (size_t i = 0; i < n; i++) {
		for (size_t k = 0; k < lists[i].n; k++) {
			*ret_data = lists[i].data;
			if (!strcmp(lists[i].rows[k].name, name))
				return &lists[i].rows[k];
		}
	}
	return NULL;
}

static json_t *refuse(const struct requests *lists, size_t n)
{
	const char *names[NAMED_MAX];
	char all[256], text[320];
	size_t used = 0;

	for (size_t i = 0; i < n; i++) {
		for (size_t k = 0; k < lists[i].n && used < NAMED_MAX; k++)
			names[used++] = lists[i].rows[k].name;
	}
	names_join(names, used, all, sizeof(all));
	snprintf(text, sizeof(text), "expected {\"get\":...} with %s", all);
	return requests_error(text);
}

json_t *requests_answer(const struct requests *lists, size_t n, const char *line, size_t size)
{
	json_t *request = json_loadb(line, size, JSON_REJECT_DUPLICATES, NULL), *answer;
	const char *get = json_string_value(json_object_get(request, "get"));
	void *data = NULL;
	const struct request_row *row = get ? find(lists, n, get, &data) : NULL;

	if (row)
		answer = row->answer(request, data);
	else
		answer = request ? refuse(lists, n) : requests_error("not JSON");
	json_decref(request);
	return answer;
}
