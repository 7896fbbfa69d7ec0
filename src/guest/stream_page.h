/* SPDX-License-Identifier: MIT */
/*
 * The ledger page by way of a stream (ledger/stream_frame.h), for a machine that has no memory in
 * common with its host: what comes is written into a page in memory of our own, so that whoever
 * reads pages reads this one. What memory would show at once comes late here; when the host read its
 * clock is bounded by asking it (`line` of hostclock.h).
 *
 * The stream is a port of virtio-serial called org.desched.ledger.0, which one process can have.
 */
#ifndef GUEST_STREAM_PAGE_H
#define GUEST_STREAM_PAGE_H

#include "guest/port_page.h"

#include <stdbool.h>

/* Opens the port; `ret->line` is not NULL then. The page is empty until the host has sent
 * something. -ENODEV where there is no such port; -EBUSY where a process has it. */
int stream_page_map(struct failure *f, struct guest_page *ret);
void stream_page_unmap(struct guest_page *m);

/* The same on a descriptor that leads to the host, which is the page's from now on, also on
 * failure: -ENOMEM. */
int stream_page_map_fd(int fd, struct guest_page *ret);

/* Takes what has come, for so long at most, until there is a page. */
bool stream_page_has_come(const struct guest_page *m, uint64_t ns);

/* What the host sent and made no sense, in bytes. */
uint64_t stream_page_garbage(const struct guest_page *m);

#endif
