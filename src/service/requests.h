/* SPDX-License-Identifier: MIT */
/*
 * What a daemon answers on its socket, as rows: a request is one line of JSON, {"get":"NAME"} and
 * what the name may want besides, the answer another one, {"error":"..."} where it can't be. What
 * changes something is {"do":"NAME"}, for root and the daemon's owner alone. The bytes come from any
 * local process and are hostile.
 */
#ifndef SERVICE_REQUESTS_H
#define SERVICE_REQUESTS_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#define REQUESTS_LINE_MAX 4096

struct request_row {
	const char *name;
	json_t *(*answer)(const json_t *request, void *data); /* NULL: without memory */
	bool changes;					      /* "do", not "get" */
};

struct requests {
	const struct request_row *rows;
	size_t n;
	void *data; /* the rows' */
};

/* By the row that the line names, of the first list that has it; `owner`: whoever asks may change
 * things. NULL without memory. */
json_t *requests_answer(const struct requests *lists, size_t n, bool owner, const char *line,
			size_t size);

json_t *requests_error(const char *why);

#endif
