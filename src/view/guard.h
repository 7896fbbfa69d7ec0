/* SPDX-License-Identifier: MIT */
/*
 * Making a view. keepers.h has the processes that keep it, mounts.h how it comes and goes without
 * harm to what else is mounted.
 *
 * For a command the view covers /proc in a mount namespace of its own, which is checked to be one
 * before anything is mounted in it. Parts of the real /proc are mounted in it.
 *
 * On a directory it is a single mount, so that umount(8) takes it, and appears as a whole. What it
 * does not correct leads to the reader's own /proc.
 */
#ifndef VIEW_GUARD_H
#define VIEW_GUARD_H

#include "base/failure.h"
#include "view/teller.h"

/* A new mount namespace for this process, with a view over /proc. After a failure the process may
 * be in that namespace, and should end. */
int guard_enter(const struct asked *teller, struct failure *f);

/* A view on an existing directory, in this mount namespace. */
int guard_mount(const char *directory, const struct asked *teller, struct failure *f);

#endif
