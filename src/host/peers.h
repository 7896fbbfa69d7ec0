/* SPDX-License-Identifier: MIT */
/* Processes that connect to a Unix socket. Which one it is says the kernel, and nothing is read from
 * them. */
#ifndef HOST_PEERS_H
#define HOST_PEERS_H

#include <stdbool.h>
#include <sys/types.h>

/* Accepts those that wait, up to a number. take() says whether it has taken the descriptor over,
 * which doesn't block; else it is closed. */
void peers_accept(int listener, bool (*take)(pid_t pid, int fd, void *data), void *data);

#endif
