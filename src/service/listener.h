/* SPDX-License-Identifier: MIT */
/*
 * A Unix socket at a well-known path. The socket of a killed predecessor is taken over; one that a
 * process serves is left alone, and so is anything that isn't a socket: nothing but a dead socket
 * is ever removed.
 *
 * connect(2) says at once whether a socket is dead: it gives ECONNREFUSED then, and EAGAIN where a
 * stopped or busy server's queue is full. Two programs that start at the same time take turns by a
 * lock on PATH.lock, which exists only while one of them looks.
 */
#ifndef SERVICE_LISTENER_H
#define SERVICE_LISTENER_H

#include "base/failure.h"

#include <sys/types.h>
#include <sys/un.h>

struct listener {
	int fd; /* -1: none. Non-blocking */
	char path[sizeof(((struct sockaddr_un *)NULL)->sun_path)];
	dev_t dev; /* of our socket */
	ino_t ino;
};

/* -EADDRINUSE: a process serves it, or is about to; -EEXIST: it is something else, or a socket of
 * which we can't say; -ENAMETOOLONG; -errno. Waits for at most 2 s. `mode` is exactly what the
 * socket gets; no other thread may make files meanwhile (umask). */
int listener_open(const char *path, mode_t mode, struct failure *f, struct listener *ret);

/* Removes the socket if it is still ours and we may; no harm if there is none (fd -1). */
void listener_close(struct listener *l);

#endif
