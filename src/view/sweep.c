/* SPDX-License-Identifier: MIT */
/* mounts_sweep(): a view's mounts wherever they are. */
#include "view/mounts.h"

#include "base/cleanup.h"
#include "base/units.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/stat.h>
#include <unistd.h>

#define PATIENCE_S 10
#define SPACES_MAX 4096
#define MOUNTS_MAX 64 /* of one view in one namespace */

struct sweep {
	int proc;
	const struct mounts_label *label;
	const struct mounts_home *home;
	size_t n_done;
	ino_t done[SPACES_MAX];
};

static bool is_ours(const struct mounts_line *line, const struct mounts_label *label)
{
	return !strcmp(line->type, MOUNTS_TYPE) && !strcmp(line->source, label->text);
}

/* ---- one namespace, by a process that is in it ---- */

struct found {
	const struct mounts_label *label;
	size_t n;
	struct {
		unsigned long id;
		char *place;
	} mount[MOUNTS_MAX];
};

static int find(const struct mounts_line *line, void *data)
{
	struct found *f = data;

	if (!is_ours(line, f->label) || f->n == MOUNTS_MAX)
		return 0;
	f->mount[f->n].id = line->id;
	f->mount[f->n].place = strdup(line->place);
	return f->mount[f->n++].place ? 0 : -ENOMEM;
}

/* A mount on top of ours has another id: then it stays, and ours below it. */
static int take_away(int proc, const char *place, unsigned long id)
{
	_cleanup_(close_fd) int fd = open(place, O_PATH | O_DIRECTORY | O_CLOEXEC);
	unsigned long found;
	int err = fd < 0 ? -errno : mounts_id(fd, &found);

	if (err)
		return err;
	return found == id ? mounts_detach(proc, fd) : -EBUSY;
}

/* On the directory itself, with nothing mounted on it. */
static void mount_real(int proc, const struct mounts_home *home)
{
	_cleanup_(close_fd) int fd = open(home->path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	struct mounts_place place;
	int copy;

	if (fd < 0 || mounts_place(fd, &place) || place.mount != home->place.mount ||
	    place.device != home->place.device || place.inode != home->place.inode ||
	    mounts_copy(proc, "", &copy))
		return;
	mounts_attach(copy, fd, "");
	close(copy);
}

static void clean(const struct sweep *s, ino_t space)
{
	struct found found = {.label = s->label};
	bool home = s->home && s->home->path && s->home->space == space;
	bool uncovered = false;

	mounts_each(s->proc, 0, find, &found);
	while (found.n--) { /* the latest first: it may be on another */
		const char *place = found.mount[found.n].place;

		if (place && !take_away(s->proc, place, found.mount[found.n].id))
			uncovered = uncovered || (home && !strcmp(place, s->home->path));
	}
	if (uncovered)
		mount_real(s->proc, s->home);
}

/* The process's number may be another's by now, whose namespace is another. */
static bool enter(const struct sweep *s, pid_t pid, ino_t space)
{
	_cleanup_(close_fd) int process = -1;
	ino_t own;

	if (!mounts_namespace(s->proc, 0, &own) && own == space)
		return true;
	process = pidfd_open(pid, 0);
	return process >= 0 && !setns(process, CLONE_NEWNS) &&
	       !mounts_namespace(s->proc, 0, &own) && own == space;
}

static void start_cleaning(const struct sweep *s, pid_t pid, ino_t space)
{
	if (fork())
		return;
	alarm(PATIENCE_S); /* paths in others' namespaces may lead anywhere */
	if (enter(s, pid, space))
		clean(s, space);
	_exit(0);
}

/* ---- all of them ---- */

static bool is_done(const struct sweep *s, ino_t space)
{
	for (size_t i = 0; i < s->n_done; i++)
		if (s->done[i] == space)
			return true;
	return false;
}

static int has_one(const struct mounts_line *line, void *data)
{
	return is_ours(line, data);
}

/* A process in a chroot does not see all of its namespace: the next one there may. */
static void look_at(struct sweep *s, pid_t pid)
{
	ino_t space;

	if (s->n_done == SPACES_MAX || mounts_namespace(s->proc, pid, &space) ||
	    is_done(s, space) ||
	    mounts_each(s->proc, pid, has_one, (void *)(uintptr_t)s->label) != 1)
		return;
	s->done[s->n_done++] = space;
	start_cleaning(s, pid, space);
}

int mounts_sweep(int proc, const struct mounts_label *label, const struct mounts_home *home)
{
	struct sweep *s = calloc(1, sizeof(*s));
	int fd = openat(proc, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), n;
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *e;

	if (s)
		*s = (struct sweep){.proc = proc, .label = label, .home = home};
	while (s && d && (e = readdir(d)))
		if (atoi(e->d_name) > 0)
			look_at(s, atoi(e->d_name));
	if (d)
		closedir(d);
	else if (fd >= 0)
		close(fd);
	n = s ? (int)s->n_done : 0;
	free(s);
	return n;
}
