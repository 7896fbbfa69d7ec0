/* SPDX-License-Identifier: MIT */
/* vmdesched's socket (guest/protocol.h): one connection and one request for each snapshot, so that
 * the daemon may be started anew in between. What it answers is bounded and checked. */
#include "base/ask.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/units.h"
#include "screen/feed.h"
#include "wire/wire.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PATIENCE_NS (5 * NS_PER_SEC)

static int complain(int err, const char *path, struct failure *f)
{
	if (err == -ENOENT || err == -ECONNREFUSED)
		return failure_set(f, err, "no vmdesched at %s", path);
	if (err == -ENAMETOOLONG)
		return failure_set(f, err, "socket path %s is too long (107 bytes)", path);
	return failure_errno(f, err, "vmdesched at %s", path);
}

int feed_ask(const char *path, const char *what, struct failure *f, json_t **ret)
{
	char request[64];
	uint64_t deadline = clock_mono() + PATIENCE_NS;
	_cleanup_(close_fd) int fd = -1;
	_cleanup_(free_ptr) char *text = NULL;
	size_t size = 0;
	json_t *o = NULL;
	int err = ask_dial(path, deadline, &fd);

	snprintf(request, sizeof(request), "{\"get\":\"%s\"}\n", what);
	if (!err)
		err = ask_line(fd, request, deadline, &text, &size);
	if (err)
		return complain(err, path, f);
	err = wire_load(text, size, &o);
	if (err || !json_is_string(json_object_get(o, "schema"))) {
		json_decref(o);
		return failure_set(f, -EBADMSG, "%s: what answers there is no vmdesched", path);
	}
	*ret = o;
	return 0;
}

static int take(void *feed, struct failure *f, json_t **ret)
{
	return feed_ask(feed, "snapshot", f, ret);
}

static int history(void *feed, struct failure *f, json_t **ret)
{
	return feed_ask(feed, "history", f, ret);
}

static int open_socket(const struct asked *config, struct failure *f, void **ret)
{
	char *path = strdup(asked_socket(config));
	json_t *first = NULL;
	int err;

	if (!path)
		return failure_errno(f, -ENOMEM, "socket");
	err = take(path, f, &first);
	if (err) {
		free(path);
		return err;
	}
	json_decref(first);
	*ret = path;
	return 0;
}

const struct feed_ops feed_vmdesched = {
	.name = "vmdesched",
	.open = open_socket,
	.close = free,
	.take = take,
	.history = history,
};
