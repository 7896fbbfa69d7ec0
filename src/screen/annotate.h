/* SPDX-License-Identifier: MIT */
/*
 * What the agent does not know about a process and /proc tells everybody: parent, user, cgroup.
 * They are added to a snapshot, unless they stand there; as is what changes, state and memory.
 * Users and cgroups seldom change and are read again now and then.
 */
#ifndef SCREEN_ANNOTATE_H
#define SCREEN_ANNOTATE_H

#include "wire/snapshot.h"

struct annotator;

struct annotator *annotator_new(void); /* NULL without memory */
struct annotator *annotator_free(struct annotator *a);

/* The snapshot is of this machine, and of now. */
void annotate(struct annotator *a, struct snapshot *s);

#endif
