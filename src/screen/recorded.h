/* SPDX-License-Identifier: MIT */
/* The frames of a recording (data/recording.h), of whichever subject it is. */
#ifndef SCREEN_RECORDED_H
#define SCREEN_RECORDED_H

#include "data/recording.h"
#include "screen/frame.h"

/* What the recording is about, by its first frame; a guest's processes where it has none. */
int recorded_subject(struct recording *r, struct failure *f, const struct subject **ret);

/* Frame `at`, which is below recording_frames(); the caller's. */
int recorded_frame(struct recording *r, const struct subject *subject, size_t at, struct failure *f,
		   struct frame *ret);

/* `now` is to be shown as what came after `skipped`, which is released: what ended in that is in it,
 * too. -ENOMEM. */
int recorded_skip(struct frame *skipped, struct frame *now);

/* What stands before a frame of a feed, for a recorder. `last` is the frame before, and its mark;
 * NULL: none. */
struct recording_mark recorded_mark(const struct frame *now, const struct frame *last,
				    const struct recording_mark *last_mark);

#endif
