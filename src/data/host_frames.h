/* SPDX-License-Identifier: MIT */
/* A recording of a host (`desched record --host`): what its VMs and their vCPUs had between frames. */
#ifndef DATA_HOST_FRAMES_H
#define DATA_HOST_FRAMES_H

#include "data/out.h"
#include "data/recording.h"

/* 0 or what ended the reading; the reason is in `f`, or the caller's to make. */
int host_frames_read(struct recording *r, struct out *out, struct failure *f);

#endif
