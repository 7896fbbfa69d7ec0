/* SPDX-License-Identifier: MIT */
/* The socket to which VMs connect that want their ledger as a stream (host/stream.h). One process at
 * a time has it; another one takes over within a second after that one has ended. */
#ifndef DESCHEDD_STREAM_SOCKET_H
#define DESCHEDD_STREAM_SOCKET_H

#include "host/measure.h"
#include "service/listener.h"

#define STREAM_SOCKET "/run/desched/stream"

struct stream_socket {
	struct listener listener;
	const char *path; /* NULL: there is to be none */
	uint64_t next;	  /* ns: when it is tried again */
	bool wanted;
	bool said;
};

/* `path` NULL: there is to be none. `wanted`: someone asked for it, so that it matters when another
 * process has it. */
void stream_socket_open(struct stream_socket *s, const char *path, bool wanted);

/* To be called at every step: opens it if it isn't, and lets `m` have it. What is in the way is put
 * into `f` once, and returned. */
int stream_socket_step(struct stream_socket *s, struct measurement *m, struct failure *f);

void stream_socket_close(struct stream_socket *s); /* all zero accepted */

#endif
