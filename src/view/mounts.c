/* SPDX-License-Identifier: MIT */
#include "view/mounts.h"

#include "base/cleanup.h"
#include "base/units.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- the mount table ---- */

/* The kernel writes blanks, tabs, newlines and backslashes as three octal digits. */
static void unescape(char *s)
{
	char *out = s;

	for (; *s; s++) {
		bool escaped = s[0] == '\\' && strspn(s + 1, "01234567") >= 3;

		*out++ = escaped ? (char)((s[1] - '0') << 6 | (s[2] - '0') << 3 | (s[3] - '0'))
				 : *s;
		if (escaped)
			s += 3;
	}
	*out = '\0';
}

/* "ID PARENT MAJOR:MINOR ROOT PLACE OPTIONS [TAG...] - TYPE SOURCE OPTIONS" */
int mounts_parse(char *text, struct mounts_line *ret)
{
	enum { ID, PLACE = 4, TAGS = 6 };
	struct mounts_line l = {0};
	char *rest = text, *word, *end = text;
	int behind = -1; /* the words behind the dash */

	for (int i = 0; behind < 2 && (word = strsep(&rest, " \n")); i++) {
		if (i == ID)
			l.id = strtoul(word, &end, 10);
		else if (i == PLACE)
			l.place = word;
		else if (behind >= 0)
			*(behind++ ? &l.source : &l.type) = word;
		else if (i >= TAGS && !strcmp(word, "-"))
			behind = 0;
		else if (i >= TAGS && !strncmp(word, "shared:", strlen("shared:")))
			l.shared = true;
	}
	if (behind < 2 || end == text || *end)
		return -EBADMSG;
	unescape(l.place);
	*ret = l;
	return 0;
}

static void path_of(pid_t pid, const char *name, char *ret, size_t size)
{
	if (pid)
		snprintf(ret, size, "%d/%s", pid, name);
	else
		snprintf(ret, size, "self/%s", name);
}

int mounts_each(int proc, pid_t pid, int (*fn)(const struct mounts_line *, void *), void *data)
{
	_cleanup_(close_file) FILE *f = NULL;
	_cleanup_(free_ptr) char *text = NULL;
	struct mounts_line line;
	size_t size = 0;
	char path[48];
	int fd, err = 0;

	path_of(pid, "mountinfo", path, sizeof(path));
	fd = openat(proc, path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	f = fdopen(fd, "r");
	if (!f) {
		close(fd);
		return -ENOMEM;
	}
	while (!err && getline(&text, &size, f) > 0)
		if (!mounts_parse(text, &line))
			err = fn(&line, data);
	return err;
}

int mounts_id(int fd, unsigned long *ret)
{
	struct statx st;

	if (statx(fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_MNT_ID, &st))
		return -errno;
	if (!(st.stx_mask & STATX_MNT_ID))
		return -EOPNOTSUPP;
	*ret = st.stx_mnt_id;
	return 0;
}

int mounts_place(int fd, struct mounts_place *ret)
{
	struct mounts_place place;
	struct stat st;
	int err = mounts_id(fd, &place.mount);

	if (!err && fstat(fd, &st))
		err = -errno;
	if (err)
		return err;
	place.device = st.st_dev;
	place.inode = st.st_ino;
	*ret = place;
	return 0;
}

int mounts_namespace(int proc, pid_t pid, ino_t *ret)
{
	struct stat st;
	char path[48];

	path_of(pid, "ns/mnt", path, sizeof(path));
	if (fstatat(proc, path, &st, 0))
		return -errno;
	*ret = st.st_ino;
	return 0;
}

/* ---- making ---- */

int mounts_label_new(struct mounts_label *ret)
{
	uint64_t random;

	if (getrandom(&random, sizeof(random), 0) != sizeof(random))
		return -EIO;
	snprintf(ret->text, sizeof(ret->text), "desched:%016" PRIx64, random);
	return 0;
}

static int configure(int context, int fuse, const struct mounts_label *label)
{
	char fd[16];
	const char *const options[][2] = {
		{"source", label->text}, {"subtype", "desched"}, {"fd", fd},
		{"rootmode", "40555"},	 {"user_id", "0"},	 {"group_id", "0"}};

	snprintf(fd, sizeof(fd), "%d", fuse);
	for (size_t i = 0; i < ARRAY_SIZE(options); i++)
		if (fsconfig(context, FSCONFIG_SET_STRING, options[i][0], options[i][1], 0))
			return -errno;
	if (fsconfig(context, FSCONFIG_SET_FLAG, "allow_other", NULL, 0) ||
	    fsconfig(context, FSCONFIG_SET_FLAG, "ro", NULL, 0) ||
	    fsconfig(context, FSCONFIG_CMD_CREATE, NULL, NULL, 0))
		return -errno;
	return 0;
}

int mounts_new(int fuse, const struct mounts_label *label, int *ret)
{
	_cleanup_(close_fd) int context = fsopen("fuse", FSOPEN_CLOEXEC);
	int err = context < 0 ? -errno : configure(context, fuse, label), fd;

	if (err)
		return err;
	fd = fsmount(context, FSMOUNT_CLOEXEC,
		     MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC);
	if (fd < 0)
		return -errno;
	*ret = fd;
	return 0;
}

int mounts_attach(int mount, int directory, const char *name)
{
	unsigned flags = MOVE_MOUNT_F_EMPTY_PATH | (*name ? 0 : MOVE_MOUNT_T_EMPTY_PATH);

	return move_mount(mount, "", directory, name, flags) ? -errno : 0;
}

int mounts_copy(int directory, const char *name, int *ret)
{
	unsigned flags = OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE;
	int fd = open_tree(directory, name, flags | (*name ? 0 : AT_EMPTY_PATH));

	if (fd < 0)
		return -errno;
	*ret = fd;
	return 0;
}

/* Through /proc/self/fd, since entering a directory of a view would ask its server. */
int mounts_detach(int proc, int mount)
{
	_cleanup_(close_fd) int back = open(".", O_PATH | O_CLOEXEC);
	char path[32];
	int err;

	if (back < 0 || fchdir(proc))
		return -errno;
	snprintf(path, sizeof(path), "self/fd/%d", mount);
	err = umount2(path, MNT_DETACH) ? -errno : 0;
	if (fchdir(back) && !err)
		err = -errno;
	return err;
}
