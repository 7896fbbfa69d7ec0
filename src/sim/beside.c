/* SPDX-License-Identifier: MIT */
#include "sim/beside.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int beside_path(const struct scenario *s, const char *file, char *ret, size_t size)
{
	const char *slash = strrchr(s->path, '/');
	int folder = slash && file[0] != '/' ? (int)(slash + 1 - s->path) : 0;
	int n = snprintf(ret, size, "%.*s%s", folder, s->path, file);

	return n < 0 || (size_t)n >= size ? -ENAMETOOLONG : 0;
}

int beside_open(const char *path, const char *what, struct failure *f, FILE **ret)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	struct stat st;

	if (fd < 0)
		return failure_errno(f, -errno, "%s", path);
	if (fstat(fd, &st) || !S_ISREG(st.st_mode)) {
		close(fd);
		return failure_set(f, -EINVAL, "%s: not a file; expected %s", path, what);
	}
	*ret = fdopen(fd, "r");
	if (*ret)
		return 0;
	close(fd);
	return failure_errno(f, -ENOMEM, "%s", path);
}
