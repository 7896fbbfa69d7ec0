/* SPDX-License-Identifier: MIT */
/*
 * The processes that keep a view, none of them a child of the command:
 *
 *     server    serve.h: answers what the kernel asks; ends when the view is mounted nowhere
 *     guard     holds /dev/fuse and waits for the server. When that is killed, the guard unmounts
 *               the view, so that the real /proc is back, and serves what is still open itself,
 *               uncorrected: a program that holds such a file or directory goes on
 *     watcher   holds nothing of the view, and has a name of its own (unmount-view), so that what
 *               is meant for the others does not hit it, and the kernel's OOM killer spares it. When
 *               both are killed it unmounts the view; what was open there has gone
 *
 * They stay in the namespace that the caller comes from and never enter the view.
 */
#ifndef VIEW_KEEPERS_H
#define VIEW_KEEPERS_H

#include "base/failure.h"
#include "view/mounts.h"
#include "view/shape.h"
#include "view/teller.h"

struct keepers {
	const struct asked *teller;
	const struct mounts_label *label;
	const struct mounts_home *home;
	struct shape *shape;
	int fuse;
	int proc; /* the real /proc */
};

/* Starts them, and returns when the server answers, or why it cannot. *ret_alive is a descriptor
 * that hangs up when the server ends. */
int keepers_start(const struct keepers *keepers, struct failure *f, int *ret_alive);

/* Whether the server that *ret_alive stands for still answers. */
bool keepers_alive(int alive);

#endif
