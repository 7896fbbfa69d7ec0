/* SPDX-License-Identifier: MIT */
/*
 * A client of QMP, the monitor protocol of QEMU: one line of JSON each way, on a connected socket.
 *
 * The peer is not trusted: a line is at most QMP_LINE_MAX bytes, and every call ends by its timeout
 * whatever the peer sends. Nothing behind the end of a line is ever taken from the socket, so that
 * a handle can be closed between commands and another one go on with the same connection.
 *
 * Errors: -ETIMEDOUT; -ECONNRESET when the peer closed; -EMSGSIZE for a line that is too long and
 * -EBADMSG for one that is no JSON object, after both of which the handle only returns -EPIPE;
 * -EREMOTEIO when QEMU refused the command (its words are in the failure).
 */
#ifndef HOST_QMP_H
#define HOST_QMP_H

#include "base/failure.h"

#include <jansson.h>
#include <stdint.h>

#define QMP_LINE_MAX (1024 * 1024)

struct qmp;

/* `data` may be NULL and is the caller's only during the call. Must not use the handle. */
typedef void (*qmp_event_fn)(const char *name, const json_t *data, void *opaque);

/* Reads the greeting and leaves the negotiation mode. The descriptor stays the caller's. */
int qmp_open(int fd, uint64_t timeout_ns, struct failure *f, struct qmp **ret);

/* A handle for a connection on which qmp_open() succeeded before. */
int qmp_resume(int fd, struct qmp **ret);

struct qmp *qmp_close(struct qmp *q); /* NULL accepted; returns NULL */

/* Events that arrive while a command waits go to `fn`; without one they are dropped. */
void qmp_on_event(struct qmp *q, qmp_event_fn fn, void *opaque);

/*
 * Runs a command. `arguments` is borrowed, NULL for none. *ret_value is a new reference to what
 * came back; ret_value may be NULL.
 */
int qmp_command(struct qmp *q, const char *name, json_t *arguments, uint64_t timeout_ns,
		struct failure *f, json_t **ret_value);

#endif
