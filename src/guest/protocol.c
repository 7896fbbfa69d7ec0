/* SPDX-License-Identifier: MIT */
#include "guest/protocol.h"

#include "base/options.h"
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

static const char *request_name(size_t i)
{
	return i < ARRAY_SIZE(requests) ? requests[i].name : NULL;
}

static int refuse(bool json, struct failure *f)
{
	char names[128];

	if (!json)
		return failure_set(f, -EINVAL, "not JSON");
	options_names(request_name, names, sizeof(names));
	return failure_set(f, -EINVAL, "expected {\"get\":...} with %s", names);
}

int protocol_parse(const char *line, size_t size, struct failure *f, enum protocol_request *ret)
{
	json_t *root = json_loadb(line, size, JSON_REJECT_DUPLICATES, NULL);
	const char *get = json_string_value(json_object_get(root, "get"));
	bool json = root, found = false;

	for (size_t i = 0; get && i < ARRAY_SIZE(requests); i++) {
		if (strcmp(get, requests[i].name) != 0)
			continue;
		*ret = requests[i].request;
		found = true;
	}
	json_decref(root);
	return found ? 0 : refuse(json, f);
}
