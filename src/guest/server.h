/* SPDX-License-Identifier: MIT */
/*
 * vmdesched's socket: a few clients at a time, each with one line to send and one answer to take.
 * Never blocks on a client: who does not read loses its connection.
 */
#ifndef GUEST_SERVER_H
#define GUEST_SERVER_H

#include "base/failure.h"

#include <poll.h>
#include <stdbool.h>
#include <stddef.h>

#define SERVER_CLIENTS_MAX 8

struct server;

/* Fills *ret with a line (malloc'ed, without newline) that answers the request; the server frees
 * it. -errno closes the connection. */
typedef int (*server_answer_fn)(const char *line, size_t size, void *data, char **ret);

/* Listens on `path`. A socket of a dead daemon is replaced; -EADDRINUSE where one answers. */
int server_open(const char *path, server_answer_fn answer, void *data, struct failure *f,
		struct server **ret);
struct server *server_close(struct server *s); /* removes the socket */

/* What to poll for, at most SERVER_CLIENTS_MAX + 1 entries; returns how many. */
int server_pollfds(const struct server *s, struct pollfd *fds);

/* After poll(2), with the same entries. */
void server_handle(struct server *s, const struct pollfd *fds, int n);

#endif
