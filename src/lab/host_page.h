/* SPDX-License-Identifier: MIT */
/*
 * Machines whose page is a file, as docs/guide-page.md has it: QEMU makes it, and whichever daemon
 * publishes pages on this host (deschedd, desched ledger) finds it and writes it. The lab only
 * looks.
 */
#ifndef LAB_HOST_PAGE_H
#define LAB_HOST_PAGE_H

#include "base/failure.h"

struct session;
struct machine;

/* Makes the directory for what has to have a name while machines of other users run: its own name
 * is that of no other lab's. */
int host_page_begin(struct session *s, struct failure *f);

/* Removes what host_page_begin() and QEMU have made. */
void host_page_end(struct session *s);

/* Removes the files in /dev/shm of a machine that has ended. */
void host_page_remove(const struct session *s, const struct machine *m);

/* Waits until the machine's page is written. -EINTR after a signal, -ETIMEDOUT. */
int host_page_await(struct session *s, const struct machine *m, struct failure *f);

#endif
