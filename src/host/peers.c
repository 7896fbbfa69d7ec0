/* SPDX-License-Identifier: MIT */
#include "host/peers.h"

#include <sys/socket.h>
#include <unistd.h>

#define AT_ONCE 16

static pid_t process_of(int fd)
{
	struct ucred who = {.pid = 0};
	socklen_t size = sizeof(who);

	return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &size) ? 0 : who.pid;
}

void peers_accept(int listener, bool (*take)(pid_t pid, int fd, void *data), void *data)
{
	for (int i = 0; i < AT_ONCE; i++) {
		int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
		pid_t pid;

		if (fd < 0)
			return;
		pid = process_of(fd);
		if (!pid || !take(pid, fd, data))
			close(fd);
	}
}
