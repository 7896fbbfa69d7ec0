/* SPDX-License-Identifier: MIT */
/*
 * The connection to vmdesched: one line out, one line back, within a time limit, whatever the other
 * side does. After any failure the socket is closed, since what comes next on it may be the rest of
 * an old answer; the next reading begins a new one.
 */
#include "api/snapshot.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/proc.h"
#include "base/units.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define ANSWER_MAX   (64 * MIB)
#define ANSWER_FIRST (64 * KIB)

static const char request[] = "{\"get\":\"snapshot\"}\n";

struct desched {
	struct sockaddr_un address;
	int fd; /* -1: not connected */
};

static void hang_up(struct desched *d)
{
	if (d->fd >= 0)
		close(d->fd);
	d->fd = -1;
}

/* A daemon whose queue is full makes connect(2) wait; non-blocking it says EAGAIN. */
static int dial(struct desched *d, uint64_t deadline)
{
	const struct sockaddr *address = (const struct sockaddr *)&d->address;

	d->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (d->fd < 0)
		return -errno;
	while (connect(d->fd, address, sizeof(d->address))) {
		int err = -errno;

		if ((err == -EAGAIN || err == -EINTR) && clock_mono() < deadline) {
			poll(NULL, 0, 10);
			continue;
		}
		hang_up(d);
		return err == -EAGAIN ? -ETIMEDOUT : err;
	}
	return 0;
}

static int await(int fd, short what, uint64_t deadline)
{
	struct pollfd p = {.fd = fd, .events = what};
	int n;

	do {
		uint64_t left = u64_sub_floor(deadline, clock_mono());

		n = poll(&p, 1, (int)(left / NS_PER_MS));
		if (!left && !n)
			return -ETIMEDOUT;
	} while (n == 0 || (n < 0 && errno == EINTR));
	return n < 0 ? -errno : 0;
}

static int ask(int fd, uint64_t deadline)
{
	size_t sent = 0;

	while (sent < sizeof(request) - 1) {
		ssize_t n = send(fd, request + sent, sizeof(request) - 1 - sent, MSG_NOSIGNAL);
		int err = n < 0 ? -errno : 0;

		if (err == -EAGAIN)
			err = await(fd, POLLOUT, deadline);
		else if (n > 0)
			sent += (size_t)n;
		if (err && err != -EINTR)
			return err;
	}
	return 0;
}

/* Room for at least one byte more, and a NUL. */
static int grow(char **buffer, size_t used, size_t *size)
{
	size_t more = *size ? 2 * *size : ANSWER_FIRST;
	char *larger;

	if (used + 1 < *size)
		return 0;
	if (more > ANSWER_MAX)
		return -EPROTO;
	larger = realloc(*buffer, more);
	if (!larger)
		return -ENOMEM;
	*buffer = larger;
	*size = more;
	return 0;
}

/* One line. *ret is malloc'ed, on failure too. */
static int hear(int fd, uint64_t deadline, char **ret, size_t *ret_size)
{
	size_t used = 0, size = 0;

	for (;;) {
		int err = grow(ret, used, &size);
		ssize_t n = err ? 0 : recv(fd, *ret + used, size - used - 1, 0);
		char *newline;

		if (err)
			return err;
		if (n == 0)
			return -ECONNRESET;
		if (n < 0) {
			err = errno == EAGAIN ? await(fd, POLLIN, deadline) : -errno;
			if (err && err != -EINTR)
				return err;
			continue;
		}
		newline = memchr(*ret + used, '\n', (size_t)n);
		used += (size_t)n;
		if (newline) {
			*ret_size = (size_t)(newline - *ret);
			return newline == *ret + used - 1 ? 0 : -EPROTO;
		}
		if (clock_mono() >= deadline)
			return -ETIMEDOUT; /* bytes keep coming, but no end of line */
	}
}

static int talk(struct desched *d, uint64_t deadline, struct desched_snapshot **ret)
{
	_cleanup_(free_ptr) char *answer = NULL;
	size_t size = 0;
	int err = d->fd < 0 ? dial(d, deadline) : 0;

	if (!err)
		err = ask(d->fd, deadline);
	if (!err)
		err = hear(d->fd, deadline, &answer, &size);
	if (!err)
		err = snapshot_parse(answer, size, ret);
	if (err && err != -EREMOTEIO)
		hang_up(d);
	return err;
}

static uint64_t own_speed(void)
{
	char text[4096];

	return file_read("/proc/cpuinfo", text, sizeof(text)) > 0 ? snapshot_speed(text) : 0;
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
	struct desched *d;
	int err;

	if (!path)
		path = desched_socket();
	if (strlen(path) >= sizeof(d->address.sun_path))
		return -ENAMETOOLONG;
	d = calloc(1, sizeof(*d));
	if (!d)
		return -ENOMEM;
	d->address.sun_family = AF_UNIX;
	strcpy(d->address.sun_path, path);
	err = dial(d, clock_mono() + DESCHED_TIMEOUT_MS * NS_PER_MS);
	if (err) {
		free(d);
		return err;
	}
	*ret = d;
	return 0;
}

struct desched *desched_close(struct desched *d)
{
	if (d)
		hang_up(d);
	free(d);
	return NULL;
}
