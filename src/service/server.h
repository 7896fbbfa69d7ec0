/* SPDX-License-Identifier: MIT */
/*
 * Requests of one line and answers of one line over a stream socket, for many peers of which any
 * may be slow, silent or hostile. Never blocks. A peer costs at most one request in memory and one
 * answer; what it has sent beyond that waits in its own socket. Between two answers to one peer,
 * every other peer that has asked gets one, and the loop's timers and signals get their turn.
 *
 * Where there is no place for a new client, the oldest idle one goes: of the same user if that user
 * has as many as it may, else of the user with the most. Deadlines are counted in rounds of the
 * loop, so that the peers of a machine that was stopped for a minute aren't late when it continues.
 */
#ifndef SERVICE_SERVER_H
#define SERVICE_SERVER_H

#include "service/loop.h"

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct server;

struct server_limits {
	unsigned clients;    /* at one time */
	unsigned per_uid;    /* of them, of one user */
	size_t line;	     /* bytes of a request, its newline included */
	size_t unsent;	     /* bytes of answers that wait for their readers, of all clients; one
			      * answer may be larger */
	uint64_t request_ns; /* from the first byte of a request to its newline */
	uint64_t answer_ns;  /* to take an answer */
};

/* Each since the server was made. */
struct server_counters {
	uint64_t accepted, answered;
	uint64_t refused;      /* no place, and no idle client to go */
	uint64_t dropped_idle; /* made place for another */
	uint64_t dropped_late; /* a request without an end in time */
	uint64_t dropped_slow; /* an answer not taken in time, or too many bytes of them */
	uint64_t dropped_long; /* a request longer than `line` */
	uint64_t failed;       /* answers that could not be made, and clients without memory */
	uint64_t pauses;       /* accept(2) found no descriptor, and no idle client had one */
};

/* Fills *ret with an answer (malloc'ed, *ret_size bytes, no newline, none at its end either); the
 * server frees it. `line` is without its newline, `peer` the user that connected. -errno closes the
 * connection. */
typedef int (*server_answer_fn)(uid_t peer, const char *line, size_t size, void *data, char **ret,
				size_t *ret_size);

/* `fd` listens, does not block, and stays the caller's. -ENOMEM. */
int server_new(struct loop *loop, int fd, const struct server_limits *limits,
	       server_answer_fn answer, void *data, struct server **ret);
struct server *server_free(struct server *s); /* before the loop; returns NULL */

const struct server_counters *server_counters(const struct server *s);
unsigned server_clients(const struct server *s);

#endif
