/* SPDX-License-Identifier: MIT */
#include "doctor/tree.h"

#include "base/cleanup.h"
#include "base/proc.h"
#include "base/quantity.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#define PATH_SIZE 512

#define FORMAT_PATH(path, format)                                                                  \
	do {                                                                                       \
		va_list ap;                                                                        \
                                                                                                   \
		va_start(ap, format);                                                              \
		vsnprintf(path, sizeof(path), format, ap);                                         \
		va_end(ap);                                                                        \
	} while (0)

/* What was too long is cut, and then names nothing or something else in the tree. */
static int open_below(const struct tree *t, const char *path, uint64_t flags)
{
	struct open_how how = {.flags = flags | O_CLOEXEC, .resolve = RESOLVE_IN_ROOT};
	long fd = syscall(SYS_openat2, t->root, path, &how, sizeof(how));

	return fd < 0 ? -errno : (int)fd;
}

int tree_open(const char *root, struct failure *f, struct tree *ret)
{
	struct stat own, given;
	struct tree t = {.root = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC)};
	int fd;

	if (t.root < 0)
		return failure_errno(f, -errno, "%s is not a directory to look at", root);
	fd = open_below(&t, ".", O_PATH);
	if (fd < 0) {
		tree_close(&t);
		return failure_errno(f, fd, "%s: openat2(2), Linux 5.6 or later, is needed", root);
	}
	close(fd);
	t.own = !stat("/", &own) && !fstat(t.root, &given) && own.st_dev == given.st_dev &&
		own.st_ino == given.st_ino;
	*ret = t;
	return 0;
}

void tree_close(struct tree *t)
{
	close_fd(&t->root);
	t->root = -1;
}

/* O_NONBLOCK: a pipe in the place of a file is opened at once, and then refused. */
int tree_file(const struct tree *t, const char *path)
{
	int fd = open_below(t, path, O_RDONLY | O_NONBLOCK | O_NOCTTY);
	struct stat st;

	if (fd < 0)
		return fd;
	if (!fstat(fd, &st) && S_ISREG(st.st_mode))
		return fd;
	close(fd);
	return -EINVAL;
}

static ssize_t read_path(const struct tree *t, char *buf, size_t size, const char *path)
{
	_cleanup_(close_fd) int fd = tree_file(t, path);
	ssize_t n = fd < 0 ? fd : file_read_fd(fd, buf, size);

	return n < 0 ? n : (ssize_t)strlen(buf);
}

ssize_t tree_read(const struct tree *t, char *buf, size_t size, const char *format, ...)
{
	char path[PATH_SIZE];

	FORMAT_PATH(path, format);
	return read_path(t, buf, size, path);
}

static int read_line(const struct tree *t, char *buf, size_t size, const char *path)
{
	ssize_t n = read_path(t, buf, size, path);
	size_t from, len;

	if (n < 0)
		return (int)n;
	from = strspn(buf, " \t");
	len = strcspn(buf + from, "\n");
	while (len && strchr(" \t\r", buf[from + len - 1]))
		len--;
	memmove(buf, buf + from, len);
	buf[len] = '\0';
	return len ? 0 : -ENODATA;
}

int tree_line(const struct tree *t, char *buf, size_t size, const char *format, ...)
{
	char path[PATH_SIZE];

	FORMAT_PATH(path, format);
	return read_line(t, buf, size, path);
}

int tree_uint(const struct tree *t, uint64_t *ret, const char *format, ...)
{
	char path[PATH_SIZE], line[64];
	int err;

	FORMAT_PATH(path, format);
	err = read_line(t, line, sizeof(line), path);
	if (err)
		return err;
	return quantity_count(line, ret) ? -EBADMSG : 0;
}

bool tree_has(const struct tree *t, const char *format, ...)
{
	_cleanup_(close_fd) int fd = -1;
	char path[PATH_SIZE];

	FORMAT_PATH(path, format);
	fd = open_below(t, path, O_PATH);
	return fd >= 0;
}

int tree_changed(const struct tree *t, int64_t *ret, const char *format, ...)
{
	_cleanup_(close_fd) int fd = -1;
	char path[PATH_SIZE];
	struct stat st;

	FORMAT_PATH(path, format);
	fd = open_below(t, path, O_PATH);
	if (fd < 0)
		return fd;
	if (fstat(fd, &st) < 0)
		return -errno;
	*ret = st.st_mtim.tv_sec;
	return 0;
}

static int visible(const struct dirent *e)
{
	return e->d_name[0] != '.';
}

int tree_names(const struct tree *t, const char *dir, struct tree_names *ret)
{
	_cleanup_(close_fd) int fd = open_below(t, dir, O_RDONLY | O_DIRECTORY);
	struct tree_names names = {.list = NULL};

	if (fd < 0)
		return fd;
	names.n = scandirat(fd, ".", &names.list, visible, versionsort);
	if (names.n < 0)
		return -errno;
	*ret = names;
	return 0;
}

void tree_names_free(struct tree_names *names)
{
	for (int i = 0; i < names->n; i++)
		free(names->list[i]);
	free(names->list);
}
