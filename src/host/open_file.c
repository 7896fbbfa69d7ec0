/* SPDX-License-Identifier: MIT */
#include "host/open_file.h"

#include "base/cleanup.h"
#include "base/proc.h"
#include "base/units.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#define LINK_SIZE (PATH_MAX + 16) /* with " (deleted)" */

/* ---- which file system ---- */

/* The mount that an open file is on; `fdinfo` is a file of /proc/PID/fdinfo. */
static int read_mount(const char *fdinfo, unsigned long *ret)
{
	char text[512];
	const char *line;
	ssize_t n = file_read(fdinfo, text, sizeof(text));

	if (n < 0)
		return (int)n;
	line = strstr(text, "mnt_id:");
	if (!line)
		return -EBADMSG;
	*ret = strtoul(line + strlen("mnt_id:"), NULL, 10);
	return 0;
}

/* Files of memfd_create(2) are all on one mount, which no list has. */
static bool is_mount_of_memfd(unsigned long mount)
{
	_cleanup_(close_fd) int fd = memfd_create("desched", MFD_CLOEXEC);
	unsigned long own;
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	return fd >= 0 && !read_mount(path, &own) && own == mount;
}

/* Not those that a process or another machine serves, nor an overlay, which may lie over one: who
 * reads them waits for it. */
static bool is_local(const char *type, size_t length)
{
	static const char *const types[] = {"tmpfs", "ramfs", "ext2", "ext3",	  "ext4",
					    "xfs",   "btrfs", "f2fs", "bcachefs", "zfs"};

	for (size_t i = 0; i < ARRAY_SIZE(types); i++) {
		if (strlen(types[i]) == length && !strncmp(types[i], type, length))
			return true;
	}
	return false;
}

/* A line of mountinfo is "ID PARENT DEV ROOT POINT OPTIONS [FIELD...] - TYPE SOURCE OPTIONS". */
static bool is_local_mount(pid_t pid, unsigned long mount)
{
	_cleanup_(free_ptr) char *line = NULL;
	_cleanup_(close_file) FILE *f = NULL;
	char path[64];
	size_t size = 0;

	snprintf(path, sizeof(path), "/proc/%d/mountinfo", pid);
	f = fopen(path, "re");
	while (f && getline(&line, &size, f) > 0) {
		const char *type = strstr(line, " - ");

		if (strtoul(line, NULL, 10) == mount && type)
			return is_local(type + 3, strcspn(type + 3, " "));
	}
	return is_mount_of_memfd(mount);
}

/* ---- which file ---- */

struct search {
	pid_t pid;
	const char *name;
	bool by_last_part;
	int fd; /* in that process; -1: none yet */
	char link[LINK_SIZE];
	bool several;
};

static int read_link(pid_t pid, int fd, char ret[LINK_SIZE])
{
	char path[64];
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/%d/fd/%d", pid, fd);
	n = readlink(path, ret, LINK_SIZE - 1);
	if (n < 0)
		return -errno;
	ret[n] = '\0';
	return 0;
}

static const char *last_part(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

static bool is_same(const char *name, const char *link)
{
	size_t n = strlen(name);

	return n && !strncmp(name, link, n) && (!link[n] || !strcmp(link + n, " (deleted)"));
}

static int look_at(pid_t fd, void *data)
{
	struct search *s = data;
	char link[LINK_SIZE];

	if (read_link(s->pid, fd, link) || link[0] != '/')
		return 0; /* closed by now; or a pipe, a socket and the like */
	if (!(s->by_last_part ? is_same(last_part(s->name), last_part(link))
			      : is_same(s->name, link)))
		return 0;
	if (s->fd < 0) {
		s->fd = fd;
		strcpy(s->link, link);
	} else if (strcmp(s->link, link) != 0) {
		s->several = true;
	}
	return 0;
}

/* What "/proc/self/fd/N" meant to the process. */
static void resolve_self(pid_t pid, char name[LINK_SIZE])
{
	char link[LINK_SIZE];
	int fd;

	if (sscanf(name, "/proc/self/fd/%d", &fd) != 1 && sscanf(name, "/dev/fd/%d", &fd) != 1)
		return;
	if (!read_link(pid, fd, link))
		strcpy(name, link);
}

static int find(pid_t pid, const char *given, struct search *s)
{
	char name[LINK_SIZE], path[64];
	int err = 0;

	if (strlen(given) >= PATH_MAX)
		return -ENOENT;
	strcpy(name, given);
	resolve_self(pid, name);
	*s = (struct search){.pid = pid, .name = name, .fd = -1};
	snprintf(path, sizeof(path), "/proc/%d/fd", pid);
	for (int i = 0; i < 2 && s->fd < 0 && !err; i++) {
		s->by_last_part = i;
		err = proc_each_id(path, look_at, s);
	}
	s->name = NULL;
	return err ? err : s->fd < 0 ? -ENOENT : s->several ? -ENOTUNIQ : 0;
}

/* ---- taking it ---- */

static bool is_own_files(pid_t pid, uid_t owner)
{
	uid_t uid[4];

	if (proc_read_uids(pid, uid))
		return false;
	for (int i = 0; i < 4; i++) {
		if (uid[i] != owner)
			return false;
	}
	return true;
}

/* For one that its process has for reading only: its user could have it for writing. */
static int make_writable(pid_t pid, uid_t owner, int *fd)
{
	char path[64];
	int writable;

	if ((fcntl(*fd, F_GETFL) & O_ACCMODE) == O_RDWR)
		return 0;
	if (!is_own_files(pid, owner))
		return -EBADF;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", *fd);
	writable = open(path, O_RDWR | O_CLOEXEC | O_NONBLOCK);
	if (writable < 0)
		return -errno;
	close(*fd);
	*fd = writable;
	return 0;
}

/* For want of the right to take descriptors: opened by our own right to the file, which counts only
 * if its process's user has it, too. */
static int open_again(pid_t pid, int fd)
{
	struct stat st;
	char path[64];
	int got;

	snprintf(path, sizeof(path), "/proc/%d/fd/%d", pid, fd);
	got = open(path, O_RDWR | O_CLOEXEC | O_NONBLOCK);
	if (got < 0)
		return -errno;
	if (geteuid() != 0 || (!fstat(got, &st) && is_own_files(pid, st.st_uid)))
		return got;
	close(got);
	return -EBADF;
}

static int copy_fd(pid_t pid, int process, int fd)
{
	int got = (int)syscall(SYS_pidfd_getfd, process, fd, 0);

	if (got < 0 && errno != EPERM && errno != EACCES)
		return -errno;
	return got < 0 ? open_again(pid, fd) : got;
}

static int check_place(pid_t owner, pid_t pid, int fd)
{
	unsigned long mount;
	char path[64];
	int err;

	snprintf(path, sizeof(path), "/proc/%d/fdinfo/%d", owner, fd);
	err = read_mount(path, &mount);
	return err ? err : is_local_mount(pid, mount) ? 0 : -EMEDIUMTYPE;
}

/* Its process may have put another file there since it was found. That one is not even closed:
 * closing waits for whoever serves it. */
static int check_again(const struct search *s, int fd)
{
	char link[LINK_SIZE];
	int err = read_link(getpid(), fd, link);

	if (err || strcmp(link, s->link) != 0)
		return -ESTALE;
	return check_place(getpid(), s->pid, fd);
}

static bool is_alive(int process)
{
	struct pollfd p = {.fd = process, .events = POLLIN};

	return poll(&p, 1, 0) == 0;
}

static int take(const struct search *s, int *ret_fd)
{
	_cleanup_(close_fd) int process = (int)syscall(SYS_pidfd_open, s->pid, 0);
	int err = process < 0 ? -errno : check_place(s->pid, s->pid, s->fd), fd;
	struct stat st;

	fd = err ? err : copy_fd(s->pid, process, s->fd);
	if (fd < 0)
		return fd;
	err = check_again(s, fd);
	if (err)
		return err;
	if (fstat(fd, &st))
		err = -errno;
	else if (!S_ISREG(st.st_mode))
		err = -EINVAL;
	else
		err = make_writable(s->pid, st.st_uid, &fd);
	if (!err && !is_alive(process))
		err = -ESRCH;
	if (err)
		close(fd);
	else
		*ret_fd = fd;
	return err;
}

int open_file_take(pid_t pid, const char *name, int *ret_fd)
{
	struct search s;
	int err = find(pid, name, &s);

	return err ? err : take(&s, ret_fd);
}
