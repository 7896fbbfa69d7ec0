/* SPDX-License-Identifier: MIT */
/* What the daemon and its guardian tell each other: datagrams on a socket that both have inherited. */
#ifndef ENFORCE_GUARD_WIRE_H
#define ENFORCE_GUARD_WIRE_H

#include "enforce/cgroup.h"
#include "enforce/enforcer.h"

#define GUARD_ORDERS   64
#define GUARD_OUTCOMES 32

struct guard_orders {
	bool first, last; /* of a set, which is whole when the last has come */
	bool end;	  /* undo everything and go */
	uint32_t n;
	struct enforce_order orders[GUARD_ORDERS];
};

struct guard_outcomes {
	uint32_t n;
	struct enforce_outcome outcomes[GUARD_OUTCOMES];
};

/* The guardian's life: serves the socket, undoes everything at the end. Never returns. */
_Noreturn void guardian(const struct cgroup_host *h, const char *file, int fd);

#endif
