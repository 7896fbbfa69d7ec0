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
#include <sys/stat.h>
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

static uint64_t size_of(int dir, const char *name)
{
	struct stat st;

	return fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) ? 0 : (uint64_t)st.st_size;
}

/* From the newest on, as many as may stay. Names sort by time. */
static int count_kept(int dir, struct dirent *const *list, int n, uint64_t keep, uint64_t bytes)
{
	uint64_t sum = 0;
	int kept = 0;

	while (kept < n && (uint64_t)kept + 1 < keep) {
		sum += size_of(dir, list[n - 1 - kept]->d_name);
		if (bytes && sum > bytes)
			break;
		kept++;
	}
	return kept;
}

static int remove_oldest(const char *dir, uint64_t keep, uint64_t bytes)
{
	struct dirent **list;
	int n = scandir(dir, &list, ours, alphasort), fd, err = 0, gone;

	if (n < 0)
		return -errno;
	fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	err = fd < 0 ? -errno : 0;
	gone = err ? 0 : n - count_kept(fd, list, n, keep, bytes);
	for (int i = 0; i < n; i++) {
		if (i < gone && !err && unlinkat(fd, list[i]->d_name, 0) && errno != ENOENT)
			err = -errno;
		free(list[i]);
	}
	free(list);
	if (fd >= 0)
		close(fd);
	return err;
}

int rotation_next(const char *dir, uint64_t time, uint64_t keep, uint64_t bytes, struct failure *f,
		  char ret_path[PATH_MAX])
{
	int err = remove_oldest(dir, keep, bytes);
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
