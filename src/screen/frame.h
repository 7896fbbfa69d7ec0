/* SPDX-License-Identifier: MIT */
/*
 * A frame: what there was to show at one instant. Every subject (screen/subject.h) has frames of
 * its own; what an interval holds is the difference of two of one subject.
 */
#ifndef SCREEN_FRAME_H
#define SCREEN_FRAME_H

#include "screen/host_frame.h"
#include "wire/snapshot.h"

struct subject;

struct frame {
	const struct subject *subject; /* says which of these it is */
	union {
		struct snapshot guest;
		struct host_frame host;
	};
};

/* ns since what tells of it began, and ns of CLOCK_REALTIME, 0: not known. */
uint64_t frame_elapsed(const struct frame *f);
uint64_t frame_time(const struct frame *f);

/* `now` says more than `shown`, a frame of the same feed. */
bool frame_is_news(const struct frame *shown, const struct frame *now);

void frame_done(struct frame *f);

#endif
