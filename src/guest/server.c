/* SPDX-License-Identifier: MIT */
#include "guest/server.h"

#include "guest/protocol.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

struct client {
	int fd; /* -1: free */
	size_t used;
	char line[PROTOCOL_LINE_MAX];
};

struct server {
	int fd;
	struct sockaddr_un address;
	server_answer_fn answer;
	void *data;
	struct client clients[SERVER_CLIENTS_MAX];
};

static bool somebody_answers(const struct sockaddr_un *address)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	bool yes = fd >= 0 && !connect(fd, (const struct sockaddr *)address, sizeof(*address));

	if (fd >= 0)
		close(fd);
	return yes;
}

static int listen_on(struct server *s, const char *path, struct failure *f)
{
	if (strlen(path) >= sizeof(s->address.sun_path))
		return failure_set(f, -ENAMETOOLONG, "socket path %s is too long (107 bytes)",
				   path);
	s->address.sun_family = AF_UNIX;
	strcpy(s->address.sun_path, path);
	if (somebody_answers(&s->address))
		return failure_set(f, -EADDRINUSE, "%s: another vmdesched serves it", path);
	s->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (s->fd < 0)
		return failure_errno(f, -errno, "socket");
	unlink(path);
	if (bind(s->fd, (struct sockaddr *)&s->address, sizeof(s->address)) || chmod(path, 0660) ||
	    listen(s->fd, SERVER_CLIENTS_MAX))
		return failure_errno(f, -errno, "socket %s", path);
	return 0;
}

int server_open(const char *path, server_answer_fn answer, void *data, struct failure *f,
		struct server **ret)
{
	struct server *s = calloc(1, sizeof(*s));
	int err;

	if (!s)
		return failure_errno(f, -ENOMEM, "socket");
	s->fd = -1;
	s->answer = answer;
	s->data = data;
	for (int i = 0; i < SERVER_CLIENTS_MAX; i++)
		s->clients[i].fd = -1;
	err = listen_on(s, path, f);
	if (err) {
		if (s->fd >= 0)
			close(s->fd);
		free(s);
		return err;
	}
	*ret = s;
	return 0;
}

struct server *server_close(struct server *s)
{
	if (!s)
		return NULL;
	for (int i = 0; i < SERVER_CLIENTS_MAX; i++)
		if (s->clients[i].fd >= 0)
			close(s->clients[i].fd);
	close(s->fd);
	unlink(s->address.sun_path);
	free(s);
	return NULL;
}

int server_pollfds(const struct server *s, struct pollfd *fds)
{
	for (int i = 0; i < SERVER_CLIENTS_MAX; i++)
		fds[i] = (struct pollfd){.fd = s->clients[i].fd, .events = POLLIN};
	fds[SERVER_CLIENTS_MAX] = (struct pollfd){.fd = s->fd, .events = POLLIN};
	return SERVER_CLIENTS_MAX + 1;
}

static void drop(struct client *c)
{
	close(c->fd);
	c->fd = -1;
}

/* Answers are larger than a socket's buffer: the client has a moment to read, no more. */
static int send_all(int fd, const char *text, size_t size)
{
	while (size) {
		ssize_t n = send(fd, text, size, MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return -EIO;
		text += n;
		size -= (size_t)n;
	}
	return 0;
}

static int answer_line(struct server *s, struct client *c, size_t size)
{
	char *text = NULL;
	int err = s->answer(c->line, size, s->data, &text);

	if (!err)
		err = send_all(c->fd, text, strlen(text));
	if (!err)
		err = send_all(c->fd, "\n", 1);
	free(text);
	return err;
}

static void read_client(struct server *s, struct client *c)
{
	ssize_t n = recv(c->fd, c->line + c->used, sizeof(c->line) - c->used, MSG_DONTWAIT);
	char *newline;

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		drop(c);
		return;
	}
	c->used += (size_t)n;
	while ((newline = memchr(c->line, '\n', c->used))) {
		size_t size = (size_t)(newline - c->line);

		if (answer_line(s, c, size)) {
			drop(c);
			return;
		}
		c->used -= size + 1;
		memmove(c->line, newline + 1, c->used);
	}
	if (c->used == sizeof(c->line))
		drop(c); /* no request is that long */
}

static void accept_client(struct server *s)
{
	const struct timeval patience = {.tv_usec = 200000};
	int fd = accept4(s->fd, NULL, NULL, SOCK_CLOEXEC);

	if (fd < 0)
		return;
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
	for (int i = 0; i < SERVER_CLIENTS_MAX; i++) {
		if (s->clients[i].fd >= 0)
			continue;
		s->clients[i].fd = fd;
		s->clients[i].used = 0;
		return;
	}
	close(fd);
}

void server_handle(struct server *s, const struct pollfd *fds, int n)
{
	for (int i = 0; i < n && i < SERVER_CLIENTS_MAX; i++)
		if (fds[i].fd >= 0 && fds[i].revents)
			read_client(s, &s->clients[i]);
	if (n > SERVER_CLIENTS_MAX && fds[SERVER_CLIENTS_MAX].revents)
		accept_client(s);
}
