/* SPDX-License-Identifier: MIT */
/*
 * What somebody wants the screen to be like the next time, too: top.ini in
 * $XDG_CONFIG_HOME/desched, or ~/.config/desched. A file that can't be understood is refused with
 * its line.
 */
#ifndef SCREEN_SAVED_H
#define SCREEN_SAVED_H

#include "base/failure.h"
#include "screen/model.h"

struct saved {
	struct model_view view; /* without filter, user and pids */
	uint64_t delay;		/* ns; 0: not said */
};

/* Where it is, "" where there is no home. */
#define SAVED_PATH_SIZE 4096
void saved_path(char ret[SAVED_PATH_SIZE]);

/* Changes in *s what the file says. One that is not there says nothing. -EINVAL, or what reading
 * gave. */
int saved_load(const char *path, struct failure *f, struct saved *s);

/* Makes the directories, and the file anew: whole, or as it was. */
int saved_store(const char *path, const struct saved *s, struct failure *f);

/* The order of this name; -EINVAL, and the names that there are. */
int saved_sort(const char *name, struct failure *f, enum model_sort *ret);

#endif
