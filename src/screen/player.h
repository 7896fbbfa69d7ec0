/* SPDX-License-Identifier: MIT */
/* Finding a place in a recording: what somebody typed, as a frame. Pure. */
#ifndef SCREEN_PLAYER_H
#define SCREEN_PLAYER_H

#include <stddef.h>
#include <stdint.h>

/*
 * `text` is "#12" (from 1), "+30" or "-30" (seconds from frame `at`), "12:01" or "12:01:07": the
 * first such local time that comes after the recording's beginning. times[n], ns of
 * CLOCK_REALTIME. The last frame at or before that time, the first where there is none; -EINVAL for
 * a text that is none of these.
 */
int player_find(const uint64_t *times, size_t n, size_t at, const char *text, size_t *ret);

/* `at` moved by `step` frames, as far as there are any. */
size_t player_step(size_t at, long step, size_t n);

#endif
