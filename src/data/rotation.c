/* SPDX-License-Identifier: MIT */
#include "data/rotation.h"

#include "base/units.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define PATTERN "dddddddd?dddddd?" /* d: a digit */
#define SUFFIX	".rec"

static bool is_ours(const char *name)
{
	const size_t length = strlen(PATTERN);

	if (strlen(name) != length + strlen(SUFFIX) || name[8] != 'T' || name[15] != 'Z' ||
	    strcmp(name + length, SUFFIX) != 0)
		return false;
	for (size_t i = 0; i < length; i++)
		if (PATTERN[i] == 'd' && (name[i] < '0' || name[i] > '9'))
			return false;
	return true;
}

static int ours(const struct dirent *e)
{
	return is_ours(e->d_name);
}

/* Names sort by time. */
static int remove_oldest(const char *dir, uint64_t keep)
{
	struct dirent **list;
	int n = scandir(dir, &list, ours, alphasort), fd, err = 0;

	if (n < 0)
		return -errno;
	fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	err = fd < 0 ? -errno : 0;
	for (int i = 0; i < n; i++) {
		if (!err && (uint64_t)(n - i) >= keep && unlinkat(fd, list[i]->d_name, 0) &&
		    errno != ENOENT)
			err = -errno;
		free(list[i]);
	}
	free(list);
	if (fd >= 0)
		close(fd);
	return err;
}

int rotation_next(const char *dir, uint64_t time, uint64_t keep, struct failure *f,
		  char ret_path[PATH_MAX])
{
	int err = remove_oldest(dir, keep);
	char name[32], path[PATH_MAX];

	if (err)
		return failure_errno(f, err, "%s", dir);
	for (;; time += NS_PER_SEC) { /* two within a second: the later one a second later */
		time_t seconds = (time_t)(time / NS_PER_SEC);
		struct tm tm;

		if (!gmtime_r(&seconds, &tm) ||
		    !strftime(name, sizeof(name), "%Y%m%dT%H%M%SZ", &tm))
			return failure_set(f, -ERANGE, "%s: the clock has no date", dir);
		if (snprintf(path, sizeof(path), "%s/%s" SUFFIX, dir, name) >= (int)sizeof(path))
			return failure_errno(f, -ENAMETOOLONG, "%.100s", dir);
		if (access(path, F_OK))
			break;
	}
	memcpy(ret_path, path, sizeof(path));
	return 0;
}
