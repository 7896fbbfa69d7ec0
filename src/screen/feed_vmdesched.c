/* SPDX-License-Identifier: MIT */
/* vmdesched's socket (wire/protocol.h): one connection and one request for each snapshot, so that
 * the daemon may be started anew in between. What it answers is bounded and checked. */
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/units.h"
#include "screen/feed.h"
#include "wire/ask.h"
#include "wire/client.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define PATIENCE_NS (5 * NS_PER_SEC)

static int complain(int err, const char *path, struct failure *f)
{
	if (err == -ENOENT || err == -ECONNREFUSED)
		return failure_set(f, err, "no vmdesched at %s", path);
	if (err == -ENAMETOOLONG)
		return failure_set(f, err, "socket path %s is too long (107 bytes)", path);
	if (err == -EBADMSG || err == -EREMOTEIO)
		return failure_set(f, -EBADMSG, "%s: what answers there is no vmdesched", path);
	return failure_errno(f, err, "vmdesched at %s", path);
}

int feed_ask(const char *path, const char *what, struct failure *f, json_t **ret)
{
	uint64_t deadline = clock_mono() + PATIENCE_NS;
	_cleanup_(close_fd) int fd = -1;
	json_t *o = NULL;
	int err = ask_dial(path, deadline, &fd);

	if (!err)
		err = client_ask(fd, what, deadline, &o);
	if (!err && !json_is_string(json_object_get(o, "schema"))) {
		json_decref(o);
		err = -EBADMSG;
	}
	if (err)
		return complain(err, path, f);
	*ret = o;
	return 0;
}

static int take(void *feed, struct failure *f, struct frame *ret)
{
	struct failure why = {.text = ""};
	json_t *o = NULL;
	int err = feed_ask(feed, "snapshot", f, &o);

	if (err)
		return err;
	err = snapshot_decode(o, &why, &ret->guest);
	json_decref(o);
	return err ? failure_set(f, err, "vmdesched at %s: %s", (const char *)feed, why.text) : 0;
}

static int history(void *feed, struct failure *f, json_t **ret)
{
	return feed_ask(feed, "history", f, ret);
}

static int open_socket(const struct asked *config, struct failure *f, void **ret)
{
	char *path = strdup(asked_socket(config));
	struct frame first;
	int err;

	if (!path)
		return failure_errno(f, -ENOMEM, "socket");
	err = take(path, f, &first);
	if (err) {
		free(path);
		return err;
	}
	snapshot_done(&first.guest);
	*ret = path;
	return 0;
}

const struct feed_ops feed_vmdesched = {
	.name = "vmdesched",
	.subject = &subject_guest,
	.open = open_socket,
	.close = free,
	.take = take,
	.history = history,
};
