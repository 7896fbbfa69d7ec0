/* SPDX-License-Identifier: MIT */
#include "wire/ask.h"

#include "base/clock.h"
#include "base/units.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define ANSWER_FIRST (64 * KIB)

/* A server whose queue is full makes connect(2) wait; non-blocking it says EAGAIN. */
int ask_dial(const char *path, uint64_t deadline, int *ret_fd)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd;

	if (strlen(path) >= sizeof(address.sun_path))
		return -ENAMETOOLONG;
	strcpy(address.sun_path, path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	while (connect(fd, (struct sockaddr *)&address, sizeof(address))) {
		int err = -errno;

		if ((err == -EAGAIN || err == -EINTR) && clock_mono() < deadline) {
			poll(NULL, 0, 10);
			continue;
		}
		close(fd);
		return err == -EAGAIN ? -ETIMEDOUT : err;
	}
	*ret_fd = fd;
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

static int speak(int fd, const char *request, uint64_t deadline)
{
	size_t size = strlen(request), sent = 0;

	while (sent < size) {
		ssize_t n = send(fd, request + sent, size - sent, MSG_NOSIGNAL);
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

struct answer {
	char *text;
	size_t used, size;
};

/* Room for at least one byte more, and a NUL. */
static int grow(struct answer *a)
{
	size_t more = a->size ? 2 * a->size : ANSWER_FIRST;
	char *larger;

	if (a->used + 1 < a->size)
		return 0;
	if (more > ASK_ANSWER_MAX)
		return -EPROTO;
	larger = realloc(a->text, more);
	if (!larger)
		return -ENOMEM;
	a->text = larger;
	a->size = more;
	return 0;
}

/* What has come, or what is wrong; 0 for nothing yet. */
static ssize_t take(int fd, struct answer *a, uint64_t deadline)
{
	int err = grow(a);
	ssize_t n = err ? err : recv(fd, a->text + a->used, a->size - a->used - 1, 0);

	if (err || n > 0)
		return n;
	if (n == 0)
		return -ECONNRESET;
	err = errno == EAGAIN ? await(fd, POLLIN, deadline) : -errno;
	return err == -EINTR ? 0 : err;
}

/* Up to the newline, in whose place there is a NUL then. */
static int hear(int fd, struct answer *a, uint64_t deadline)
{
	for (;;) {
		ssize_t n = take(fd, a, deadline);
		char *newline;

		if (n < 0)
			return (int)n;
		newline = n ? memchr(a->text + a->used, '\n', (size_t)n) : NULL;
		a->used += (size_t)n;
		if (newline) {
			*newline = '\0';
			return newline == a->text + a->used - 1 ? 0 : -EPROTO;
		}
		if (clock_mono() >= deadline)
			return -ETIMEDOUT; /* bytes keep coming, but no end of line */
	}
}

int ask_line(int fd, const char *request, uint64_t deadline, char **ret, size_t *ret_size)
{
	struct answer a = {0};
	int err = speak(fd, request, deadline);

	if (!err)
		err = hear(fd, &a, deadline);
	if (err) {
		free(a.text);
		return err;
	}
	*ret = a.text;
	*ret_size = a.used - 1;
	return 0;
}
