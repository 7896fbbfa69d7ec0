/* SPDX-License-Identifier: MIT */
/*
 * Making a view, and what is there when its server dies.
 *
 *     caller   mounts the view and goes on, as the command that is to see it or back to the shell
 *     guard    holds the FUSE descriptor and waits for the server
 *     server   serve.h; ends when the view is unmounted, by umount(8) or with the last process that
 *              sees it
 *
 * When the server is killed the guard unmounts the view, so that the real /proc is back (on another
 * directory it is mounted), and serves what is still open itself, uncorrected, so that a program
 * that holds such a file does not fail.
 */
#ifndef VIEW_GUARD_H
#define VIEW_GUARD_H

#include "base/failure.h"
#include "view/teller.h"

/* A new mount namespace for this process, with a view over /proc. */
int guard_enter(const struct teller_config *teller, struct failure *f);

/* A view on an existing directory, in this mount namespace. */
int guard_mount(const char *directory, const struct teller_config *teller, struct failure *f);

#endif
