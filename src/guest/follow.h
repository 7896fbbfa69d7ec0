/* SPDX-License-Identifier: MIT */
/*
 * An offset that drifts: the brackets of the last seconds, brought forward by the drift that they
 * show, each wider by what the drift may have changed since. What is common to them is the offset.
 *
 * Older brackets that the newest ones contradict are dropped, and show by how much the drift may
 * change. A bracket that contradicts all that is known is held in doubt until the next one lies on
 * the same side: its writer may have been away between reading its clock and writing it. Pure: no
 * clock in here.
 */
#ifndef GUEST_FOLLOW_H
#define GUEST_FOLLOW_H

#include "guest/bracket.h"

#include <stdbool.h>

#define FOLLOW_BRACKETS 16

struct follow {
	struct bracket kept[FOLLOW_BRACKETS]; /* oldest first */
	unsigned n;
	struct bracket doubt;
	bool doubted;
	int64_t rate;	 /* 1e-9: the drift */
	int64_t unsure;	 /* 1e-9: by how much, since brackets are as wide as they are */
	int64_t wander;	 /* 1e-9: by how much it may have changed */
	uint64_t newest; /* ns: the last bracket */
	uint64_t contradicted;
};

void follow_add(struct follow *f, const struct bracket *b);

/* Between what the offset lies at an instant. False: nothing is known. */
bool follow_at(const struct follow *f, uint64_t at, struct bracket *ret);

#endif
