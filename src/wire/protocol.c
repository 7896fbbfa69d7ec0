/* SPDX-License-Identifier: MIT */
#include "wire/protocol.h"

#include "base/units.h"

#include <errno.h>
#include <jansson.h>
#include <string.h>

static const struct {
	const char *name;
	enum protocol_request request;
} requests[] = {
	{"snapshot", PROTOCOL_SNAPSHOT}, {"history", PROTOCOL_HISTORY}, {"gaps", PROTOCOL_GAPS},
	{"metrics", PROTOCOL_METRICS},	 {"version", PROTOCOL_VERSION},
};

int protocol_parse(const char *line, size_t size, enum protocol_request *ret, const char **ret_why)
{
	json_t *root = json_loadb(line, size, JSON_REJECT_DUPLICATES, NULL);
	const char *get = json_string_value(json_object_get(root, "get"));
	int err = -EINVAL;

	*ret_why = root ? "expected {\"get\":...} with snapshot, history, gaps, metrics or version"
			: "not JSON";
	for (size_t i = 0; get && i < ARRAY_SIZE(requests); i++) {
		if (strcmp(get, requests[i].name) != 0)
			continue;
		*ret = requests[i].request;
		err = 0;
	}
	json_decref(root);
	return err;
}
