/* SPDX-License-Identifier: MIT */
#include "base/newfile.h"

#include "base/cleanup.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

static bool is_open_as(int fd, const struct stat *st)
{
	struct stat ours;

	return !fstat(fd, &ours) && ours.st_dev == st->st_dev && ours.st_ino == st->st_ino;
}

/* A descriptor for a stream; -ENOENT where a file has to be made. */
static int open_stream(const char *path)
{
	struct stat st;
	int fd;

	if (!strcmp(path, "-"))
		path = "/dev/stdout";
	if (stat(path, &st))
		return -ENOENT;
	if (is_open_as(STDOUT_FILENO, &st))
		return fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3);
	if (is_open_as(STDERR_FILENO, &st))
		return fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);
	if (!S_ISCHR(st.st_mode) && !S_ISFIFO(st.st_mode))
		return -ENOENT;
	fd = open(path, O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (fd >= 0 && fcntl(fd, F_SETFL, 0)) {
		close(fd);
		return -EIO;
	}
	return fd < 0 ? -errno : fd;
}

static int open_directory(const char *path, struct newfile *n)
{
	const char *slash = strrchr(path, '/');
	_cleanup_(free_ptr) char *dir = slash ? strndup(path, (size_t)(slash - path) + 1)
					      : strdup(".");

	n->name = strdup(slash ? slash + 1 : path);
	if (!dir || !n->name)
		return -ENOMEM;
	if (!n->name[0])
		return -EISDIR;
	n->dir = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	return n->dir < 0 ? -errno : 0;
}

static int choose_name(struct newfile *n)
{
	uint64_t random;

	if (getrandom(&random, sizeof(random), 0) != (ssize_t)sizeof(random))
		return -EIO;
	snprintf(n->temporary, sizeof(n->temporary), ".new-%016" PRIx64, random);
	return 0;
}

/* Without a name, which not every file system can do (EOPNOTSUPP, or EISDIR from old kernels). */
static int make_file(struct newfile *n, mode_t mode)
{
	int fd = openat(n->dir, ".", O_TMPFILE | O_WRONLY | O_CLOEXEC, mode);

	if (fd >= 0 || (errno != EOPNOTSUPP && errno != EISDIR && errno != EINVAL))
		return fd < 0 ? -errno : fd;
	fd = openat(n->dir, n->temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
		    mode);
	n->named = fd >= 0;
	return fd < 0 ? -errno : fd;
}

/* What is at the path now must be a thing that a file may take the place of. */
static int look(const struct newfile *n, mode_t *mode)
{
	struct stat st;

	if (fstatat(n->dir, n->name, &st, AT_SYMLINK_NOFOLLOW))
		return errno == ENOENT ? 0 : -errno;
	if (S_ISDIR(st.st_mode))
		return -EISDIR;
	if (S_ISBLK(st.st_mode) || S_ISCHR(st.st_mode))
		return -EINVAL;
	if (!*mode && S_ISREG(st.st_mode))
		*mode = st.st_mode & 0777;
	return 0;
}

static int open_file(const char *path, mode_t mode, struct newfile *n)
{
	int err = open_directory(path, n), fd;

	if (!err)
		err = look(n, &mode);
	if (!err)
		err = choose_name(n);
	if (err)
		return err;
	fd = make_file(n, mode ? mode : 0666);
	if (fd >= 0 && mode && fchmod(fd, mode)) {
		err = -errno;
		close(fd);
		return err;
	}
	return fd;
}

/* What the link at `path` leads to, malloc'ed; *ret is NULL where there is none. The kernel decides
 * whether it is to be followed. */
static int follow(const char *path, char **ret)
{
	struct stat st;

	*ret = NULL;
	if (lstat(path, &st) || !S_ISLNK(st.st_mode))
		return 0;
	if (stat(path, &st))
		return -errno;
	*ret = realpath(path, NULL);
	return *ret ? 0 : -errno;
}

int newfile_open(const char *path, mode_t mode, unsigned flags, struct newfile *ret)
{
	struct newfile n = {.dir = -1};
	_cleanup_(free_ptr) char *target = NULL;
	int fd = flags & NEWFILE_STREAMS ? open_stream(path) : -ENOENT;

	if (fd == -ENOENT && flags & NEWFILE_STREAMS) {
		int err = follow(path, &target);

		if (err)
			return err;
		path = target ? target : path;
	}

	n.stream = fd >= 0;
	n.sync = flags & NEWFILE_SYNC;
	if (fd == -ENOENT)
		fd = open_file(path, mode, &n);
	if (fd >= 0) {
		n.to = fdopen(fd, "w");
		if (!n.to) { /* also standard output that nobody has opened for writing (EINVAL) */
			int err = errno == EINVAL ? -EBADF : -errno;

			close(fd);
			fd = err;
		}
	}
	if (fd < 0) {
		newfile_abandon(&n);
		return fd;
	}
	*ret = n;
	return 0;
}

void newfile_abandon(struct newfile *n)
{
	close_file(&n->to);
	if (n->named)
		unlinkat(n->dir, n->temporary, 0);
	close_fd(&n->dir);
	free(n->name);
	*n = (struct newfile){.dir = -1};
}

/* A file takes the place of another only by rename(2), for which it wants a name. */
static int take_place(struct newfile *n)
{
	char self[40];

	if (n->sync && fsync(fileno(n->to)))
		return -errno;
	snprintf(self, sizeof(self), "/proc/self/fd/%d", fileno(n->to));
	if (!n->named && linkat(AT_FDCWD, self, n->dir, n->temporary, AT_SYMLINK_FOLLOW))
		return -errno;
	n->named = true;
	if (renameat(n->dir, n->temporary, n->dir, n->name))
		return -errno;
	n->named = false;
	return 0;
}

/* stdio keeps that something failed, not what: a file that is given up may be asked once more. */
static int forgotten_error(const struct newfile *n)
{
	return !n->stream && write(fileno(n->to), "", 1) < 0 ? -errno : -EIO;
}

int newfile_commit(struct newfile *n)
{
	int err = fflush(n->to) ? -errno : 0;

	if (!err && ferror(n->to))
		err = forgotten_error(n);
	if (!err && !n->stream)
		err = take_place(n);
	if (fclose(n->to) && !err)
		err = -errno;
	n->to = NULL;
	newfile_abandon(n);
	return err;
}

int newfile_write(const char *path, const char *text, size_t size, mode_t mode, unsigned flags)
{
	struct newfile n;
	int err = newfile_open(path, mode, flags, &n);

	if (err)
		return err;
	fwrite(text, 1, size, n.to);
	return newfile_commit(&n);
}
