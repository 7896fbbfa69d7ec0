/* SPDX-License-Identifier: MIT */
#include "wire/client.h"

#include "base/cleanup.h"
#include "wire/ask.h"
#include "wire/snapshot.h"
#include "wire/wire.h"

#include <errno.h>
#include <stdio.h>

int client_ask(int fd, const char *what, uint64_t deadline, json_t **ret)
{
	_cleanup_(free_ptr) char *text = NULL;
	char request[64];
	size_t size = 0;
	json_t *o = NULL;
	int err;

	snprintf(request, sizeof(request), "{\"get\":\"%s\"}\n", what);
	err = ask_line(fd, request, deadline, &text, &size);
	if (!err)
		err = wire_load(text, size, &o);
	if (err)
		return err == -E2BIG ? -EBADMSG : err;
	if (json_object_get(o, "error")) {
		json_decref(o);
		return -EREMOTEIO;
	}
	*ret = o;
	return 0;
}

int client_snapshot(int fd, uint64_t deadline, struct failure *f, struct snapshot *ret)
{
	json_t *o = NULL;
	int err = client_ask(fd, "snapshot", deadline, &o);

	if (err)
		return failure_errno(f, err, "a snapshot");
	err = snapshot_decode(o, f, ret);
	json_decref(o);
	return err;
}
