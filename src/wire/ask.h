/* SPDX-License-Identifier: MIT */
/*
 * A question to a Unix socket: one line out, one line back, until a deadline (ns, CLOCK_MONOTONIC),
 * whatever the other side does. After a failure the socket is of no more use, since what comes next
 * on it may be the rest of an old answer.
 */
#ifndef WIRE_ASK_H
#define WIRE_ASK_H

#include <stddef.h>
#include <stdint.h>

#define ASK_ANSWER_MAX (UINT64_C(64) << 20) /* bytes */

/* Connects. -ENAMETOOLONG, -ETIMEDOUT where nobody takes the call, -errno of connect(2). */
int ask_dial(const char *path, uint64_t deadline, int *ret_fd);

/* `request` ends with its newline. The answer is malloc'ed, *ret_size bytes without its newline and
 * a NUL behind them. -ETIMEDOUT; -ECONNRESET or -EPIPE when the other side is gone; -EPROTO for an
 * answer of more than one line or ASK_ANSWER_MAX; -ENOMEM. */
int ask_line(int fd, const char *request, uint64_t deadline, char **ret, size_t *ret_size);

#endif
