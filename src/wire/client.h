/* SPDX-License-Identifier: MIT */
/* Asking vmdesched (wire/protocol.h) over a connection that ask_dial() made. */
#ifndef WIRE_CLIENT_H
#define WIRE_CLIENT_H

#include "base/failure.h"

#include <jansson.h>
#include <stdint.h>

/* The answer to {"get":"WHAT"}, the caller's. As ask_line(); -EBADMSG for what is no JSON or too
 * large for its text, -EREMOTEIO when the daemon says that it failed, -ENOMEM. After the others
 * than -EREMOTEIO the connection is of no more use. */
int client_ask(int fd, const char *what, uint64_t deadline, json_t **ret);

/* As client_ask() and snapshot_decode(). */
struct snapshot;
int client_snapshot(int fd, uint64_t deadline, struct failure *f, struct snapshot *ret);

#endif
