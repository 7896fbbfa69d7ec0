/* SPDX-License-Identifier: MIT */
/*
 * Where the figures come from: the vmdesched that answers on a socket, or an agent of our own where
 * none does. Which of the two is decided once; a vmdesched that goes away is waited for.
 */
#ifndef VIEW_TELLER_H
#define VIEW_TELLER_H

#include "base/failure.h"
#include "guest/asked.h"
#include "wire/snapshot.h"

#include <sys/types.h>

struct teller;

/* `config` must outlive the teller. Fails as agent_open() does when neither is to be had, or when
 * what is asked for is not. */
int teller_open(const struct asked *config, struct failure *f, struct teller **ret);
struct teller *teller_close(struct teller *teller);

/* A snapshot, and the process that shows the descheduled time: vmdesched, or this one. Waits a
 * second at most. -errno where nobody answers, -EBADMSG for an answer that is no snapshot. */
int teller_snapshot(struct teller *teller, struct snapshot *ret, pid_t *ret_holder);

#endif
