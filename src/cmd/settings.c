/* SPDX-License-Identifier: MIT */
#include "cmd/settings.h"

#include "base/json_out.h"
#include "base/text.h"
#include "enforce/keys.h"
#include "wire/client.h"
#include "wire/protocol.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

const char *settings_key(size_t i)
{
	return i < VM_KEYS ? vm_key_rows[i].name : NULL;
}

static void put(const json_t *text)
{
	text_put(json_string_value(text) ? json_string_value(text) : "?", stdout);
}

static void print(const json_t *answer)
{
	const json_t *item, *fits = json_object_get(answer, "fits");
	size_t i;

	put(json_object_get(answer, "vm"));
	printf(": %zu VM%s", json_array_size(fits), json_array_size(fits) == 1 ? "" : "s");
	json_array_foreach(fits, i, item)
	{
		printf("%s", i ? ", " : ": ");
		put(item);
	}
	printf("\n");
	json_array_foreach(json_object_get(answer, "notes"), i, item)
	{
		printf("  ");
		put(item);
		printf("\n");
	}
}

int settings_change(const char *what, const char *vm, const char *key, json_t *value,
		    const char *socket, struct failure *f)
{
	json_t *o = json_pack("{s:s, s:s}", "do", what, "vm", vm), *answer;
	char *request;
	int err;

	if (!o) {
		json_decref(value);
		return failure_set(f, -EINVAL, "no VM is called so: its name is no UTF-8");
	}
	if (value)
		json_object_set_new(o, key, value);
	request = json_out_text(o, JSON_COMPACT);
	json_decref(o);
	if (!request)
		return failure_errno(f, -ENOMEM, "the request");
	err = client_query("deschedd", socket ? socket : PROTOCOL_HOST_SOCKET, request, f, &answer);
	free(request);
	if (err)
		return err;
	print(answer);
	json_decref(answer);
	return 0;
}
