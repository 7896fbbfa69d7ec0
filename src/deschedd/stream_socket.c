/* SPDX-License-Identifier: MIT */
#include "deschedd/stream_socket.h"

#include "base/clock.h"
#include "base/units.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MODE	 0666 /* monitors have users of their own; what a peer is told is its own ledger */
#define RETRY_NS NS_PER_SEC

void stream_socket_open(struct stream_socket *s, const char *path, bool wanted)
{
	*s = (struct stream_socket){.listener = {.fd = -1}, .path = path, .wanted = wanted};
}

static int try_to_open(struct stream_socket *s, struct failure *f)
{
	if (!strcmp(s->path, STREAM_SOCKET))
		mkdir("/run/desched", 0755); /* where that fails, so does the next step */
	return listener_open(s->path, MODE, f, &s->listener);
}

int stream_socket_step(struct stream_socket *s, struct measurement *m, struct failure *f)
{
	int err;

	if (!s->path || s->listener.fd >= 0 || clock_mono() < s->next)
		return 0;
	err = try_to_open(s, f);
	if (!err) {
		measure_listen(m, s->listener.fd);
		return 0;
	}
	s->next = clock_mono() + RETRY_NS;
	if (s->said || (!s->wanted && err == -EADDRINUSE))
		return 0;
	s->said = true;
	return err;
}

void stream_socket_close(struct stream_socket *s)
{
	if (s->path)
		listener_close(&s->listener);
}
