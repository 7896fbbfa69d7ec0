/* SPDX-License-Identifier: MIT */
/* The daemon's side of guard.h. */
#include "enforce/guard.h"

#include "base/units.h"
#include "enforce/guard_wire.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define BUFFER	 (1 << 20) /* bytes on the way: orders of some hundreds of VMs */
#define PATIENCE 5	   /* s, for the guardian to undo everything */

struct guard {
	pid_t pid;
	int fd;
};

int guard_open(guard_life *life, const void *work, struct failure *f, struct guard **ret)
{
	struct guard *g = calloc(1, sizeof(*g));
	const struct timeval patience = {.tv_sec = PATIENCE};
	int fds[2], size = BUFFER;

	if (!g)
		return failure_errno(f, -ENOMEM, "the guardian");
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds)) {
		free(g);
		return failure_errno(f, -errno, "the guardian's socket");
	}
	setsockopt(fds[0], SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	setsockopt(fds[0], SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	setsockopt(fds[1], SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	g->pid = fork();
	if (g->pid == 0) {
		close(fds[0]);
		life(work, fds[1]);
		_exit(0);
	}
	close(fds[1]);
	g->fd = fds[0];
	if (g->pid < 0) {
		close(g->fd);
		free(g);
		return failure_errno(f, -EAGAIN, "the guardian");
	}
	*ret = g;
	return 0;
}

int guard_apply(struct guard *g, const struct enforce_orders *orders)
{
	return guard_send(g->fd, orders);
}

int guard_take(struct guard *g, void (*got)(const struct enforce_outcome *o, void *data),
	       void *data)
{
	struct guard_outcomes m;
	ssize_t n;

	while ((n = recv(g->fd, &m, sizeof(m), MSG_DONTWAIT)) == (ssize_t)sizeof(m))
		for (uint32_t i = 0; i < m.n && i < GUARD_OUTCOMES; i++)
			got(&m.outcomes[i], data);
	return n < 0 && (errno == EAGAIN || errno == EINTR) ? 0 : -EPIPE;
}

void guard_close(struct guard *g)
{
	struct guard_outcomes m;

	if (!g)
		return;
	/* It closes its end when all is undone; the daemon's sandbox has no way to wait for it. */
	if (!guard_send_end(g->fd))
		while (recv(g->fd, &m, sizeof(m), 0) > 0)
			;
	close(g->fd);
	free(g);
}
