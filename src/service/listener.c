/* SPDX-License-Identifier: MIT */
#include "service/listener.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/units.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#define LOCK_PATIENCE (2 * NS_PER_SEC)
#define LOCK_PAUSE_MS 10
#define QUEUE	      64 /* connections that wait to be accepted */

/* The file that the lock is of may have been removed by the one who had it before us. */
static bool is_still_there(int fd, const char *path)
{
	struct stat ours, theirs;

	return !fstat(fd, &ours) && !lstat(path, &theirs) && ours.st_dev == theirs.st_dev &&
	       ours.st_ino == theirs.st_ino;
}

static int try_lock(const char *path, int *ret_fd)
{
	int fd = open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0600);
	int err = fd < 0 ? -errno : 0;
	struct stat st;

	if (!err && (fstat(fd, &st) || !S_ISREG(st.st_mode)))
		err = -EEXIST;
	if (!err && flock(fd, LOCK_EX | LOCK_NB))
		err = -errno;
	if (!err && !is_still_there(fd, path))
		err = -EWOULDBLOCK;
	if (err) {
		close_fd(&fd);
		return err;
	}
	*ret_fd = fd;
	return 0;
}

static int lock(const char *path, struct failure *f, int *ret_fd)
{
	uint64_t deadline = clock_mono() + LOCK_PATIENCE;
	int err = try_lock(path, ret_fd);

	while (err == -EWOULDBLOCK && clock_mono() < deadline) {
		poll(NULL, 0, LOCK_PAUSE_MS);
		err = try_lock(path, ret_fd);
	}
	if (err == -EWOULDBLOCK)
		return failure_set(f, -EADDRINUSE,
				   "%s: locked; is another program about to listen there?", path);
	return err ? failure_errno(f, err, "%s", path) : 0;
}

static const char *kind(mode_t mode)
{
	switch (mode & S_IFMT) {
	case S_IFREG:
		return "a file";
	case S_IFDIR:
		return "a directory";
	case S_IFLNK:
		return "a symbolic link";
	case S_IFIFO:
		return "a FIFO";
	default:
		return "a device";
	}
}

/* 0: no process listens on it. */
static int probe(const struct sockaddr_un *address, struct failure *f)
{
	const char *path = address->sun_path;
	_cleanup_(close_fd) int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int err = 0;

	if (fd < 0)
		return failure_errno(f, -errno, "socket");
	if (connect(fd, (const struct sockaddr *)address, sizeof(*address)))
		err = -errno;
	if (err == -ECONNREFUSED || err == -ENOENT)
		return 0;
	if (!err || err == -EAGAIN)
		return failure_set(f, -EADDRINUSE,
				   "%s: another program serves it; stop that, or give another path",
				   path);
	return failure_set(f, -EEXIST,
			   "%s: can't tell whether the socket there is in use (%s); remove it, or "
			   "give another path",
			   path, strerror(-err));
}

static int clear(const struct sockaddr_un *address, struct failure *f)
{
	const char *path = address->sun_path;
	struct stat st;
	int err;

	if (lstat(path, &st))
		return errno == ENOENT ? 0 : failure_errno(f, -errno, "socket %s", path);
	if (!S_ISSOCK(st.st_mode))
		return failure_set(f, -EEXIST,
				   "socket %s: %s is there, not a socket; move it, or give another "
				   "path",
				   path, kind(st.st_mode));
	err = probe(address, f);
	if (!err && unlink(path) && errno != ENOENT)
		err = failure_errno(f, -errno, "%s: a dead socket that can't be removed", path);
	return err;
}

/* A socket in the file system is born with the mode that its descriptor has, less the umask: no
 * chmod(2) by name. */
static int bind_with_mode(int fd, const struct sockaddr_un *address, mode_t mode)
{
	mode_t before = umask(0);
	int err = 0;

	if (fchmod(fd, mode) || bind(fd, (const struct sockaddr *)address, sizeof(*address)))
		err = -errno;
	umask(before);
	return err;
}

static int listen_at(const struct sockaddr_un *address, mode_t mode, struct failure *f,
		     struct listener *ret)
{
	struct listener l = {.fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)};
	int err = l.fd < 0 ? -errno : bind_with_mode(l.fd, address, mode);
	struct stat st;

	if (!err && (lstat(address->sun_path, &st) || listen(l.fd, QUEUE))) {
		err = -errno;
		unlink(address->sun_path);
	}
	if (err) {
		close_fd(&l.fd);
		return failure_errno(f, err, "socket %s", address->sun_path);
	}
	strcpy(l.path, address->sun_path);
	l.dev = st.st_dev;
	l.ino = st.st_ino;
	*ret = l;
	return 0;
}

int listener_open(const char *path, mode_t mode, struct failure *f, struct listener *ret)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	char lock_path[sizeof(address.sun_path) + sizeof(".lock")];
	_cleanup_(close_fd) int held = -1;
	int err;

	if (!path[0] || strlen(path) >= sizeof(address.sun_path))
		return failure_set(f, path[0] ? -ENAMETOOLONG : -EINVAL,
				   "socket '%s': expected a path of at most %zu bytes", path,
				   sizeof(address.sun_path) - 1);
	strcpy(address.sun_path, path);
	snprintf(lock_path, sizeof(lock_path), "%s.lock", path);
	err = lock(lock_path, f, &held);
	if (err)
		return err;
	err = clear(&address, f);
	if (!err)
		err = listen_at(&address, mode, f, ret);
	unlink(lock_path);
	return err;
}

void listener_close(struct listener *l)
{
	struct stat st;

	if (l->fd < 0)
		return;
	if (!lstat(l->path, &st) && st.st_dev == l->dev && st.st_ino == l->ino)
		unlink(l->path);
	close_fd(&l->fd);
	l->fd = -1;
}
