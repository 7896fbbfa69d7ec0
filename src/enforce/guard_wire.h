/* SPDX-License-Identifier: MIT */
/*
 * What the daemon and its guardian exchange: datagrams on a socket that both have inherited. A set of
 * orders is one block of bytes, the head and its three arrays, sent in parts; it is valid, and
 * nothing in it leads outside of it, once guard_receive() has handed it out.
 */
#ifndef ENFORCE_GUARD_WIRE_H
#define ENFORCE_GUARD_WIRE_H

#include "enforce/enforcer.h"

#define GUARD_PART     32768 /* bytes */
#define GUARD_VMS      2048
#define GUARD_VCPUS    16384
#define GUARD_GROUPS   64
#define GUARD_OUTCOMES 32

struct guard_part {
	bool first, last; /* of a set, which is whole when the last has come */
	bool end;	  /* undo everything and go */
	uint32_t n;
	unsigned char bytes[GUARD_PART];
};

struct guard_outcomes {
	uint32_t n;
	struct enforce_outcome outcomes[GUARD_OUTCOMES];
};

/* The socket's other end is the guardian's. -EAGAIN, -EPIPE; -E2BIG: more than GUARD_VMS and so on;
 * -ENOMEM. */
int guard_send(int fd, const struct enforce_orders *orders);
int guard_send_end(int fd);

struct guard_inbox {
	unsigned char *bytes; /* [GUARD_INBOX] */
	size_t n;
	bool whole; /* no part was missing or wrong */
};

int guard_inbox_new(struct guard_inbox *ret); /* -ENOMEM */

/* One part: 1 and the set, which points into the inbox, when it was the last; 0 when more is to come;
 * -EBADMSG: a set that makes no sense, or isn't whole, is at its end; -EPIPE when the other end has gone or says so; -EAGAIN. */
int guard_receive(struct guard_inbox *in, int fd, struct enforce_orders *ret);

/* What came of a VM's orders, and whether the daemon has been told; `told` at first. */
struct guard_told {
	struct enforce_outcome outcome;
	bool told;
};

/* The daemon is to be told, unless it knows. */
void guard_conclude(struct guard_told *of, const struct enforce_outcome *outcome);

/* Tells the daemon what it doesn't know of at(data, 0) to at(data, n - 1); what it has no room for it gets
 * the next time. */
void guard_tell(int fd, struct guard_told *(*at)(void *data, size_t i), void *data, size_t n);

#endif
