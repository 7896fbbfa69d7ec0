/* SPDX-License-Identifier: MIT */
/*
 * A frame: what there was to show at one instant. Every subject (screen/subject.h) has frames of
 * its own, and knows what to do with them; what an interval holds is the difference of two.
 */
#ifndef SCREEN_FRAME_H
#define SCREEN_FRAME_H

#include "wire/host_frame.h"
#include "wire/snapshot.h"

struct subject;

struct frame {
	const struct subject *subject; /* says which of these it is */
	union {
		struct snapshot guest;
		struct host_frame host;
	};
};

#endif
