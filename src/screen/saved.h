/* SPDX-License-Identifier: MIT */
/*
 * What somebody wants the screen to be like the next time, too: top.ini in
 * $XDG_CONFIG_HOME/desched, or ~/.config/desched, with a section for each subject. A file that can't
 * be understood, whatever the section, is refused with its line.
 */
#ifndef SCREEN_SAVED_H
#define SCREEN_SAVED_H

#include "base/failure.h"
#include "screen/subject.h"

struct saved {
	struct model_view view; /* without filter, user, pids and folds */
	uint64_t delay;		/* ns; 0: not said */
};

/* Where it is, "" where there is no home. */
#define SAVED_PATH_SIZE 4096
void saved_path(char ret[SAVED_PATH_SIZE]);

/* Changes in *s what the file says of this subject. One that is not there says nothing. -EINVAL, or
 * what reading gave. */
int saved_load(const char *path, const struct subject *subject, struct failure *f, struct saved *s);

/* Makes the directories, and the file anew: whole, or as it was. What it says of other subjects
 * stays. */
int saved_store(const char *path, const struct subject *subject, const struct saved *s,
		struct failure *f);

#endif
