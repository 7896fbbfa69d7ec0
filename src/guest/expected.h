/* SPDX-License-Identifier: MIT */
/*
 * A ledger page that may come later: its memory is there, mapped while the agent still may, but
 * nothing is written, or no longer. A source that estimates stands in until it is.
 */
#ifndef GUEST_EXPECTED_H
#define GUEST_EXPECTED_H

#include "guest/guest_page.h"

#include <stdbool.h>
#include <stdint.h>

struct expected {
	struct guest_page mapping; /* base NULL: nothing is expected */
	uint64_t updates;	   /* the host record's heartbeat, when it was looked at last */
	uint64_t next;		   /* ns: not looked at before */
};

/* No failure: where there is no such memory nothing is expected. */
void expected_open(struct expected *e);
void expected_close(struct expected *e);

/* Whether somebody writes it now; looks once a second. */
bool expected_has_come(struct expected *e, uint64_t now);

#endif
