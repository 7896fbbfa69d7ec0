/* SPDX-License-Identifier: MIT */
/* deschedd's socket (wire/protocol.h): one connection and one request for each frame, so that the
 * daemon may be started again in between. What it answers is bounded and checked. */
#include "screen/feed.h"
#include "wire/client.h"
#include "wire/protocol.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct deschedd_feed {
	uint64_t session, elapsed; /* of the last frame */
	char path[];
};

static int take(void *feed, struct failure *f, struct frame *ret)
{
	struct deschedd_feed *d = feed;
	int err = client_frame(d->path, d->session, d->elapsed, f, &ret->host);

	if (err)
		return err;
	d->session = ret->host.session;
	d->elapsed = ret->host.elapsed;
	return 0;
}

static int open_socket(const struct asked *config, struct failure *f, void **ret)
{
	const char *path = config->socket ? config->socket : PROTOCOL_HOST_SOCKET;
	struct deschedd_feed *d = calloc(1, sizeof(*d) + strlen(path) + 1);
	struct frame first;
	int err;

	if (!d)
		return failure_errno(f, -ENOMEM, "socket");
	strcpy(d->path, path);
	err = take(d, f, &first);
	if (err) {
		free(d);
		return err;
	}
	host_frame_done(&first.host);
	*ret = d;
	return 0;
}

const struct feed_ops feed_deschedd = {
	.name = "deschedd",
	.subject = &subject_host,
	.open = open_socket,
	.close = free,
	.take = take,
};
