/* SPDX-License-Identifier: MIT */
/* A directory for one test's files, and its removal. */
#ifndef TESTS_DOCTOR_ROOT_H
#define TESTS_DOCTOR_ROOT_H

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>

#define ROOT_SIZE 64

/* In memory where there is such a place: the fuzz target makes thousands. */
static inline void root_make(char root[ROOT_SIZE])
{
	snprintf(root, ROOT_SIZE, "/dev/shm/doctor-XXXXXX");
	if (mkdtemp(root))
		return;
	snprintf(root, ROOT_SIZE, "/tmp/doctor-XXXXXX");
	if (!mkdtemp(root)) {
		perror(root);
		abort();
	}
}

static inline int root_remove_one(const char *path, const struct stat *st, int type,
				  struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

static inline void root_remove(const char *root)
{
	nftw(root, root_remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

#endif
