/* SPDX-License-Identifier: MIT */
/*
 * What a service tells systemd (sd_notify(3)): one datagram to the socket that $NOTIFY_SOCKET
 * names. libsystemd would do the same for 1.4 MiB of resident memory.
 */
#ifndef SERVICE_NOTIFY_H
#define SERVICE_NOTIFY_H

#include <stdint.h>

struct notify {
	int fd;		   /* -1: nobody listens */
	uint64_t watchdog; /* ns within which it wants "WATCHDOG=1"; 0: it doesn't */
};

/* Connects, while we still may; takes the variables out of the environment. */
void notify_open(struct notify *n);
void notify_close(struct notify *n);

/* "READY=1", "RELOADING=1", "STOPPING=1", "STATUS=...". Never fails: nobody depends on it. */
void notify_send(const struct notify *n, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

#endif
