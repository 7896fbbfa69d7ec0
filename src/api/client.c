/* SPDX-License-Identifier: MIT */
/* The connection to vmdesched (wire/ask.h). After any failure it is closed, and the next reading
 * begins a new one. */
#include "api/answer.h"

#include "base/clock.h"
#include "base/proc.h"
#include "base/units.h"
#include "wire/ask.h"
#include "wire/client.h"
#include "wire/snapshot.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct desched {
	char *path;
	int fd; /* -1: not connected */
};

static void hang_up(struct desched *d)
{
	if (d->fd >= 0)
		close(d->fd);
	d->fd = -1;
}

static int talk(struct desched *d, uint64_t deadline, struct desched_snapshot **ret)
{
	struct snapshot s;
	int err = d->fd < 0 ? ask_dial(d->path, deadline, &d->fd) : 0;

	if (!err)
		err = client_snapshot(d->fd, deadline, NULL, &s);
	if (!err) {
		err = answer_make(&s, ret);
		snapshot_done(&s);
	}
	if (err && err != -EREMOTEIO)
		hang_up(d);
	return err == -EBADMSG ? -EPROTO : err;
}

static uint64_t own_speed(void)
{
	char text[4096];

	return file_read("/proc/cpuinfo", text, sizeof(text)) > 0 ? answer_speed(text) : 0;
}

int desched_read(struct desched *d, struct desched_snapshot **ret)
{
	uint64_t deadline = clock_mono() + DESCHED_TIMEOUT_MS * NS_PER_MS;
	bool old = d->fd >= 0;
	int err = talk(d, deadline, ret);

	/* The daemon that we were connected to is gone; there may be another. */
	if (old && (err == -EPIPE || err == -ECONNRESET))
		err = talk(d, deadline, ret);
	if (!err)
		(*ret)->speed_hz = own_speed();
	return err;
}

const char *desched_socket(void)
{
	const char *path = secure_getenv("DESCHED_SOCKET");

	return path && path[0] ? path : DESCHED_SOCKET;
}

int desched_connect(const char *path, struct desched **ret)
{
	struct desched *d = calloc(1, sizeof(*d));
	int err;

	if (!d)
		return -ENOMEM;
	d->fd = -1;
	d->path = strdup(path ? path : desched_socket());
	err = d->path ? ask_dial(d->path, clock_mono() + DESCHED_TIMEOUT_MS * NS_PER_MS, &d->fd)
		      : -ENOMEM;
	if (err) {
		desched_close(d);
		return err;
	}
	*ret = d;
	return 0;
}

struct desched *desched_close(struct desched *d)
{
	if (!d)
		return NULL;
	hang_up(d);
	free(d->path);
	free(d);
	return NULL;
}
