/* SPDX-License-Identifier: MIT */
#include "cmd/companion.h"

#include <errno.h>
#include <limits.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static int find(const char *program, char ret[PATH_MAX])
{
	char self[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
	char *slash;

	self[n > 0 ? n : 0] = '\0';
	slash = strrchr(self, '/');
	if (slash &&
	    snprintf(ret, PATH_MAX, "%.*s/%s", (int)(slash - self), self, program) < PATH_MAX &&
	    !access(ret, X_OK))
		return 0;
	snprintf(ret, PATH_MAX, "%s/%s", DESCHED_LIBEXECDIR, program);
	return access(ret, X_OK) ? -errno : 0;
}

bool companion_is_there(const char *program)
{
	char path[PATH_MAX];

	return !find(program, path);
}

int companion_run(const char *program, const char *word)
{
	char path[PATH_MAX];
	char *const argv[] = {path, (char *)word, NULL};
	int status, err = find(program, path);
	pid_t pid;

	if (!err)
		err = -posix_spawn(&pid, path, NULL, NULL, argv, environ);
	if (err)
		return err;
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	return WIFEXITED(status) && !WEXITSTATUS(status) ? 0 : -EIO;
}

int companion_become(const char *program, char **argv, struct failure *f)
{
	char path[PATH_MAX];
	int err = find(program, path);

	if (!err) {
		execv(path, argv);
		err = -errno;
	}
	if (err == -ENOENT)
		return failure_set(f, err, "'%s' is not installed here; install the package %s",
				   argv[1], program);
	return failure_errno(f, err, "%s", path);
}
