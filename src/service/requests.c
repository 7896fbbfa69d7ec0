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
				      bool changes, void **ret_data)
{
	for (size_t i = 0; i < n; i++) {
		for (size_t k = 0; k < lists[i].n; k++) {
			const struct request_row *row = &lists[i].rows[k];

			*ret_data = lists[i].data;
			if (row->changes == changes && !strcmp(row->name, name))
				return row;
		}
	}
	return NULL;
}

/* "a, b or c" of the rows that change things, or of those that don't; "": there are none. */
static void names_of_rows(const struct requests *lists, size_t n, bool changes, char *ret,
			  size_t size)
{
	const char *names[NAMED_MAX];
	size_t used = 0;

	for (size_t i = 0; i < n; i++)
		for (size_t k = 0; k < lists[i].n && used < NAMED_MAX; k++)
			if (lists[i].rows[k].changes == changes)
				names[used++] = lists[i].rows[k].name;
	ret[0] = '\0';
	if (used)
		names_join(names, used, ret, size);
}

static json_t *refuse(const struct requests *lists, size_t n)
{
	char get[256], change[256], text[600];

	names_of_rows(lists, n, false, get, sizeof(get));
	names_of_rows(lists, n, true, change, sizeof(change));
	snprintf(text, sizeof(text), "expected {\"get\":...} with %s%s%s", get,
		 change[0] ? ", or {\"do\":...} with " : "", change);
	return requests_error(text);
}

json_t *requests_answer(const struct requests *lists, size_t n, bool owner, const char *line,
			size_t size)
{
	json_t *request = json_loadb(line, size, JSON_REJECT_DUPLICATES, NULL), *answer;
	const char *get = json_string_value(json_object_get(request, "get"));
	const char *change = get ? NULL : json_string_value(json_object_get(request, "do"));
	const char *name = get ? get : change;
	void *data = NULL;
	const struct request_row *row = name ? find(lists, n, name, !get, &data) : NULL;

	if (row && row->changes && !owner)
		answer = requests_error("only root and the owner of the socket may change that");
	else if (row)
		answer = row->answer(request, data);
	else
		answer = request ? refuse(lists, n) : requests_error("not JSON");
	json_decref(request);
	return answer;
}
