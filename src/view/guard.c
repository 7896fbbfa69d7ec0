/* SPDX-License-Identifier: MIT */
#include "view/guard.h"

#include "base/cleanup.h"
#include "base/units.h"
#include "view/keepers.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

/* The inode of the first PID namespace, in all kernels since 3.8. */
#define FIRST_PID_NAMESPACE 0xeffffffc

struct guard {
	int fuse;
	int proc;  /* the real /proc */
	int mount; /* the view, in no namespace until it is attached */
	int alive; /* hangs up when the server ends */
	ino_t space;
	struct shape *shape;
	struct mounts_label label;
};

#define NOTHING                                                                                    \
	{                                                                                          \
		.fuse = -1, .proc = -1, .mount = -1, .alive = -1                                   \
	}

/* ---- what a view is made of ---- */

static bool is_procfs(int fd)
{
	struct statfs s;

	return !fstatfs(fd, &s) && s.f_type == PROC_SUPER_MAGIC;
}

/* A view shows processes by the numbers that /proc has, asks for their figures by the same, and
 * tells readers apart by them. */
static int check_numbers(int proc, struct failure *f)
{
	char text[16];
	ssize_t n = readlinkat(proc, "self", text, sizeof(text) - 1);
	struct stat st;

	text[n > 0 ? n : 0] = '\0';
	if (atoi(text) != getpid())
		return failure_set(f, -EXDEV,
				   "/proc numbers processes as another PID namespace does: mount "
				   "this one's (mount -t proc proc /proc), or run it in the other");
	if (fstatat(proc, "self/ns/pid", &st, 0))
		return failure_errno(f, -errno, "/proc/self/ns/pid");
	if (st.st_ino != FIRST_PID_NAMESPACE)
		return failure_set(f, -EXDEV,
				   "in a PID namespace, as in a container, processes have other "
				   "numbers than vmdesched knows them by: run it outside, where "
				   "'desched view -- top' shows those in containers, too");
	return 0;
}

/* Another view, for one, has figures that are corrected already. */
static int open_proc(struct guard *g, struct failure *f)
{
	g->proc = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (g->proc < 0)
		return failure_errno(f, -errno, "/proc");
	if (!is_procfs(g->proc))
		return failure_set(
			f, -EXDEV,
			"/proc is not the kernel's own: a view or another file system is "
			"mounted there; run it where /proc is of type proc");
	return check_numbers(g->proc, f);
}

static int open_all(struct guard *g, bool places, struct failure *f)
{
	int err = open_proc(g, f);

	if (err)
		return err;
	g->fuse = open("/dev/fuse", O_RDWR | O_CLOEXEC);
	if (g->fuse < 0)
		return failure_errno(f, -errno, "/dev/fuse: needs root, and 'modprobe fuse'");
	err = mounts_namespace(g->proc, 0, &g->space);
	if (!err)
		err = shape_new(g->proc, places, &g->shape);
	if (!err)
		err = mounts_label_new(&g->label);
	if (!err)
		err = mounts_new(g->fuse, &g->label, &g->mount);
	return err ? failure_errno(f, err, "a mount of /dev/fuse; needs root and Linux 5.8") : 0;
}

static void close_all(struct guard *g)
{
	const int fds[] = {g->fuse, g->proc, g->mount, g->alive};

	for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
		if (fds[i] >= 0)
			close(fds[i]);
	shape_free(g->shape);
}

/* From here on nothing in this process keeps a request waiting that nobody answers. */
static int start_keepers(struct guard *g, const struct mounts_home *home,
			 const struct asked *teller, struct failure *f)
{
	const struct keepers keepers = {.teller = teller,
					.label = &g->label,
					.home = home,
					.shape = g->shape,
					.fuse = g->fuse,
					.proc = g->proc};
	int err = keepers_start(&keepers, f, &g->alive);

	close(g->fuse);
	g->fuse = -1;
	return err;
}

static int check_alive(const struct guard *g, struct failure *f)
{
	if (keepers_alive(g->alive))
		return 0;
	return failure_set(f, -ECHILD,
			   "the view's server died; nothing is changed, 'desched view' may be "
			   "tried again");
}

/* The mount that a descriptor is on. */
struct mount_of {
	unsigned long id;
	bool shared, view;
};

static int match(const struct mounts_line *line, void *data)
{
	struct mount_of *of = data;

	if (line->id != of->id)
		return 0;
	of->shared = line->shared;
	of->view = !strcmp(line->type, MOUNTS_TYPE);
	return 1;
}

static int find_mount(const struct guard *g, int fd, struct mount_of *ret)
{
	int err = mounts_id(fd, &ret->id);

	if (err)
		return err;
	return mounts_each(g->proc, 0, match, ret) == 1 ? 0 : -ENOENT;
}

/* ---- over /proc ---- */

/* Neither the namespace from which this process comes nor that of the machine. */
static int check_namespace(const struct guard *g, struct failure *f)
{
	ino_t now, machine;
	int err = mounts_namespace(g->proc, 0, &now);

	if (err)
		return failure_errno(f, err, "/proc/self/ns/mnt");
	if (now == g->space || (!mounts_namespace(g->proc, 1, &machine) && now == machine))
		return failure_set(f, -EXDEV,
				   "this process got no mount namespace of its own; nothing is "
				   "mounted in another");
	return 0;
}

/* In a chroot / need not be a mount; /proc is one, and all that we mount is on it. */
static int keep_mounts_here(const struct guard *g, int place, struct failure *f)
{
	struct mount_of of;
	int err = 0;

	if (mount("", "/", NULL, MS_REC | MS_SLAVE, NULL))
		err = errno != EINVAL || mount("", "/proc", NULL, MS_REC | MS_SLAVE, NULL) ? -errno
											   : 0;
	if (!err)
		err = find_mount(g, place, &of);
	if (err)
		return failure_errno(f, err, "keeping mounts on /proc from other namespaces");
	return of.shared ? failure_set(f, -EXDEV,
				       "what is mounted on /proc here would appear in other "
				       "namespaces, too; nothing is mounted")
			 : 0;
}

static int new_namespace(const struct guard *g, int *ret_place, struct failure *f)
{
	int err = unshare(CLONE_NEWNS) ? -errno : 0, place;

	if (err)
		return failure_errno(f, err, "a mount namespace of its own; needs root");
	err = check_namespace(g, f);
	if (err)
		return err;
	place = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (place < 0)
		return failure_errno(f, -errno, "/proc");
	err = keep_mounts_here(g, place, f);
	if (err)
		close(place);
	else
		*ret_place = place;
	return err;
}

struct parts {
	int view, real;
};

static int mount_place(const char *name, void *data)
{
	const struct parts *p = data;
	int copy, err = mounts_copy(p->real, name, &copy);

	if (err)
		return err;
	err = mounts_attach(copy, p->view, name);
	close(copy);
	return err;
}

/* The server answers here, since these names lead through the view. */
static int mount_over(const struct guard *g, int place)
{
	struct parts parts = {.view = g->mount};
	int err = mounts_copy(place, "", &parts.real);

	if (err)
		return err;
	err = mounts_attach(g->mount, place, "");
	if (!err)
		err = mounts_attach(parts.real, g->mount, SHAPE_REAL);
	if (!err)
		err = shape_each_place(g->shape, mount_place, &parts);
	close(parts.real);
	return err;
}

int guard_enter(const struct asked *teller, struct failure *f)
{
	static const struct mounts_home nowhere = {.path = NULL};
	_cleanup_(close_all) struct guard g = NOTHING;
	int err = open_all(&g, true, f), place = -1;

	if (!err)
		err = start_keepers(&g, &nowhere, teller, f);
	if (!err)
		err = new_namespace(&g, &place, f);
	if (err)
		return err;
	err = mount_over(&g, place);
	close(place);
	if (err && keepers_alive(g.alive))
		return failure_errno(f, err, "mounting the view over /proc");
	return check_alive(&g, f);
}

/* ---- on a directory ---- */

static int check_directory(const struct guard *g, const char *name, int fd, struct failure *f)
{
	struct mount_of of;
	int err = find_mount(g, fd, &of);

	if (err)
		return failure_errno(f, err, "directory %s", name);
	if (of.view)
		return failure_set(f, -EBUSY, "%s: a view is mounted there; 'umount %s' ends it",
				   name, name);
	if (is_procfs(fd))
		return failure_set(f, -EBUSY,
				   "%s is part of /proc, which programs need as it is; give "
				   "another directory, or run 'desched view -- COMMAND'",
				   name);
	return 0;
}

/* Its path, by which the mount table has it. */
static int path_of(const struct guard *g, int fd, char *ret, size_t size)
{
	char link[32];
	ssize_t n;

	snprintf(link, sizeof(link), "self/fd/%d", fd);
	n = readlinkat(g->proc, link, ret, size - 1);
	if (n < 0)
		return -errno;
	ret[n] = '\0';
	return n == (ssize_t)size - 1 ? -ENAMETOOLONG : 0;
}

/* No signal ends this process between mounting and looking whether the view works. */
static int attach(const struct guard *g, int directory, const char *path, struct failure *f)
{
	sigset_t all, before;
	int err;

	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, &before);
	err = mounts_attach(g->mount, directory, "");
	if (err)
		failure_errno(f, err, "mounting the view on %s", path);
	else if ((err = check_alive(g, f)))
		mounts_detach(g->proc, g->mount);
	sigprocmask(SIG_SETMASK, &before, NULL);
	return err;
}

int guard_mount(const char *directory, const struct asked *teller, struct failure *f)
{
	_cleanup_(close_all) struct guard g = NOTHING;
	_cleanup_(close_fd) int fd = open(directory, O_PATH | O_DIRECTORY | O_CLOEXEC);
	char path[PATH_MAX];
	struct mounts_home home = {.path = path};
	int err = fd < 0 ? failure_errno(f, -errno, "directory %s", directory) : 0;

	if (!err)
		err = open_all(&g, false, f);
	if (!err)
		err = check_directory(&g, directory, fd, f);
	if (!err && (err = path_of(&g, fd, path, sizeof(path))))
		failure_errno(f, err, "directory %s", directory);
	if (!err && (err = mounts_place(fd, &home.place)))
		failure_errno(f, err, "directory %s", directory);
	home.space = g.space;
	if (!err)
		err = start_keepers(&g, &home, teller, f);
	return err ? err : attach(&g, fd, path, f);
}
