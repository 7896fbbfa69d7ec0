/* SPDX-License-Identifier: MIT */
/* vmdesched's socket (guest/protocol.h): one connection and one request for each snapshot, so that
 * the daemon may be started anew in between. What it answers is bounded and checked. */
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/units.h"
#include "screen/feed.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>

#define REQUEST	   "{\"get\":\"snapshot\"}\n"
#define ANSWER_MAX (64u << 20) /* bytes */
#define PIECE	   (64u << 10) /* bytes that there is always room for */
#define PATIENCE_S 5	       /* for each piece */
#define WHOLE_NS   (20 * NS_PER_SEC)

struct socket_feed {
	struct sockaddr_un address;
};

static int dial(const struct socket_feed *s, struct failure *f)
{
	const struct timeval patience = {.tv_sec = PATIENCE_S};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return failure_errno(f, -errno, "socket");
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
	if (connect(fd, (const struct sockaddr *)&s->address, sizeof(s->address))) {
		int err = -errno;

		close(fd);
		if (err == -ENOENT || err == -ECONNREFUSED)
			return failure_set(f, err, "no vmdesched at %s", s->address.sun_path);
		return failure_errno(f, err, "vmdesched at %s", s->address.sun_path);
	}
	return fd;
}

struct text {
	char *bytes;
	size_t used, room;
};

static void text_done(struct text *t)
{
	free(t->bytes);
}

static int make_room(struct text *t)
{
	size_t room = 2 * t->room + 2 * PIECE;
	char *bytes;

	if (t->room - t->used >= PIECE)
		return 0;
	if (room > ANSWER_MAX)
		return -EFBIG;
	bytes = realloc(t->bytes, room);
	if (!bytes)
		return -ENOMEM;
	t->bytes = bytes;
	t->room = room;
	return 0;
}

/* One line, without its newline; *ret_size bytes of `t`. */
static int read_line(int fd, struct text *t, size_t *ret_size)
{
	uint64_t until = clock_mono() + WHOLE_NS;

	while (clock_mono() < until) {
		const char *newline;
		int err = make_room(t);
		ssize_t n = err ? 0 : recv(fd, t->bytes + t->used, t->room - t->used, 0);

		if (n < 0 && errno == EINTR)
			continue;
		if (err || n <= 0)
			return err ? err : n < 0 ? -errno : -ECONNRESET;
		newline = memchr(t->bytes + t->used, '\n', (size_t)n);
		t->used += (size_t)n;
		if (newline) {
			*ret_size = (size_t)(newline - t->bytes);
			return 0;
		}
	}
	return -ETIMEDOUT;
}

static int take(void *feed, struct failure *f, json_t **ret)
{
	const struct socket_feed *s = feed;
	_cleanup_(close_fd) int fd = dial(s, f);
	_cleanup_(text_done) struct text text = {.bytes = NULL};
	size_t size = 0;
	json_t *o;
	int err;

	if (fd < 0)
		return fd;
	if (send(fd, REQUEST, strlen(REQUEST), MSG_NOSIGNAL) != (ssize_t)strlen(REQUEST))
		return failure_errno(f, -EIO, "vmdesched at %s", s->address.sun_path);
	err = read_line(fd, &text, &size);
	if (err)
		return failure_errno(f, err, "vmdesched at %s", s->address.sun_path);
	o = json_loadb(text.bytes, size, JSON_REJECT_DUPLICATES, NULL);
	if (!o || !json_is_string(json_object_get(o, "schema"))) {
		json_decref(o);
		return failure_set(f, -EBADMSG, "%s: what answers there is no vmdesched",
				   s->address.sun_path);
	}
	*ret = o;
	return 0;
}

static int open_socket(const struct feed_config *config, struct failure *f, void **ret)
{
	struct socket_feed *s = calloc(1, sizeof(*s));
	json_t *first = NULL;
	int err;

	if (!s)
		return failure_errno(f, -ENOMEM, "socket");
	s->address.sun_family = AF_UNIX;
	if (strlen(config->socket) >= sizeof(s->address.sun_path)) {
		free(s);
		return failure_set(f, -ENAMETOOLONG, "socket path %s is too long (107 bytes)",
				   config->socket);
	}
	strcpy(s->address.sun_path, config->socket);
	err = take(s, f, &first);
	if (err) {
		free(s);
		return err;
	}
	json_decref(first);
	*ret = s;
	return 0;
}

const struct feed_ops feed_vmdesched = {
	.name = "vmdesched",
	.open = open_socket,
	.close = free,
	.take = take,
};
