/* SPDX-License-Identifier: MIT */
/* vmdesched's socket (wire/protocol.h): one connection and one request for each snapshot, so that
 * the daemon may be started anew in between. What it answers is bounded and checked. */
#include "screen/feed.h"
#include "wire/client.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static int take(void *feed, struct failure *f, struct frame *ret)
{
	struct failure why = {.text = ""};
	json_t *o = NULL;
	int err = client_query("vmdesched", feed, CLIENT_GET("snapshot"), f, &o);

	if (err)
		return err;
	err = snapshot_decode(o, &why, &ret->guest);
	json_decref(o);
	return err ? failure_set(f, err, "vmdesched at %s: %s", (const char *)feed, why.text) : 0;
}

static int history(void *feed, struct failure *f, json_t **ret)
{
	return client_query("vmdesched", feed, CLIENT_GET("history"), f, ret);
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
