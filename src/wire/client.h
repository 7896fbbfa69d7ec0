/* SPDX-License-Identifier: MIT */
/* Asking vmdesched or deschedd (wire/protocol.h). */
#ifndef WIRE_CLIENT_H
#define WIRE_CLIENT_H

#include "base/failure.h"

#include <jansson.h>
#include <stdint.h>

/* The answer to a request, which is a line of JSON without its newline, over a connection that
 * ask_dial() made; the caller's. As ask_line(); -EBADMSG for what is no JSON or too large for its
 * text, -EREMOTEIO when the daemon says that it failed, with its words in `f` (may be NULL),
 * -ENOMEM. After the others than -EREMOTEIO the connection is of no more use. */
int client_ask(int fd, const char *request, uint64_t deadline, struct failure *f, json_t **ret);

/* Connects to the `daemon` ("vmdesched") at `path`, asks, and takes what has a "schema". With one
 * line in `f` that says what is wrong; -EBADMSG for what is no such daemon. */
int client_query(const char *daemon, const char *path, const char *request, struct failure *f,
		 json_t **ret);

/* The request {"get":"WHAT"}. */
#define CLIENT_GET(what) "{\"get\":\"" what "\"}"

/* As client_ask() and snapshot_decode(). */
struct snapshot;
int client_snapshot(int fd, uint64_t deadline, struct failure *f, struct snapshot *ret);

/* A frame of the deschedd at `path`, of what was since one of session `session` at `since` (ns of
 * its elapsed time; 0 and 0: none). As client_query() and host_frame_decode(). */
struct host_frame;
int client_frame(const char *path, uint64_t session, uint64_t since, struct failure *f,
		 struct host_frame *ret);

#endif
