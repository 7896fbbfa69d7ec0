/* SPDX-License-Identifier: MIT */
#include "view/view.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/units.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define TEXT_MAX (64 * MIB)

/* A figure that is old by d when a counter is read puts the counter off by what happened in d. Who
 * reads one file after the other again and again, as top does, gets figures at the beginning of
 * each round, when a file is read that was read with the present ones: then d is the same in every
 * round for every file, and cancels out. Fetching them takes a sixth of the time at most. */
#define OLD_NS	 (100 * NS_PER_MS)
#define FRESH_NS (20 * NS_PER_MS)
#define SHARE	 5
#define RETRY_NS NS_PER_SEC

static void fetch(struct view *v)
{
	uint64_t begin = clock_mono(), end;
	json_t *snapshot = NULL;
	pid_t holder;
	int err = teller_snapshot(v->teller, &snapshot, &holder);

	end = clock_mono();
	if (!err)
		err = figures_update(v->figures, snapshot, holder, end);
	json_decref(snapshot);
	if (err)
		figures_stale(v->figures);
	v->fetched++;
	v->old_at = end + OLD_NS;
	v->fresh_until = end + u64_max(err ? RETRY_NS : FRESH_NS, SHARE * (end - begin));
}

/* schedstat and sched of a process are those of its first thread. */
static pid_t thread_of(const struct node *node)
{
	bool whole = !node->tid && !strcmp(shape_file(node)->name, "stat");

	return node->tid || whole ? node->tid : node->pid;
}

/* With which figures the file was read last. NULL where that cannot be kept. */
static uint64_t *read_with(struct view *v, const struct node *node)
{
	struct task_figures figures;
	struct task_shown *shown;

	if (shape_file(node)->system)
		return &v->system_read;
	if (figures_task(v->figures, node->pid, thread_of(node), clock_mono(), &figures, &shown))
		return NULL;
	return &shown->read;
}

static void refresh(struct view *v, const struct node *node)
{
	uint64_t now = clock_mono(), *read = read_with(v, node);
	bool again = read && *read == v->fetched;

	if (now >= v->fresh_until && (again || now >= v->old_at)) {
		fetch(v);
		read = read_with(v, node);
	}
	if (read)
		*read = v->fetched;
}

static int grow(struct view *v, size_t used)
{
	size_t size = 2 * v->buffer_size + 64 * KIB;
	char *buffer;

	if (v->buffer_size - used > 1)
		return 0;
	buffer = size <= TEXT_MAX ? realloc(v->buffer, size) : NULL;
	if (!buffer)
		return -ENOMEM;
	v->buffer = buffer;
	v->buffer_size = size;
	return 0;
}

static int read_all(struct view *v, int fd)
{
	size_t used = 0;
	ssize_t n;
	int err;

	do {
		err = grow(v, used);
		if (err)
			return err;
		n = read(fd, v->buffer + used, v->buffer_size - used - 1);
		if (n < 0)
			return -errno;
		used += (size_t)n;
	} while (n);
	v->buffer[used] = '\0';
	return 0;
}

/* Into the buffer. What the kernel shows is decided at the time of reading, not of opening. */
static int read_real(struct view *v, const struct node *node, const struct caller *caller)
{
	char path[SHAPE_PATH];
	int fd, err = shape_path(v->shape, node, path, sizeof(path));
	bool assumed;

	if (err)
		return err;
	assumed = caller_assume(caller);
	fd = openat(shape_proc(v->shape), path, O_RDONLY | O_CLOEXEC);
	err = fd < 0 ? -errno : read_all(v, fd);
	if (fd >= 0)
		close(fd);
	caller_restore(assumed);
	return err;
}

/* ns for which the machine was suspended: they count in the time since boot. */
static uint64_t asleep(void)
{
	struct timespec t;

	clock_gettime(CLOCK_BOOTTIME, &t);
	return u64_sub_floor((uint64_t)t.tv_sec * NS_PER_SEC + (uint64_t)t.tv_nsec, clock_mono());
}

static int correct(struct view *v, const struct node *node, FILE *out)
{
	const struct shape_file *file = shape_file(node);
	struct task_figures figures;
	struct task_shown *shown;
	int err;

	if (file->system)
		return file->system(v->buffer, figures_system(v->figures),
				    figures_system_shown(v->figures), out);
	err = figures_task(v->figures, node->pid, thread_of(node), clock_mono(), &figures, &shown);
	figures.since += asleep();
	return err ? err : file->task(v->buffer, &figures, shown, out);
}

ssize_t view_text(struct view *v, const struct node *node, const struct caller *caller, char **ret)
{
	char *text = NULL;
	size_t size = 0;
	FILE *out;
	int err;

	if (!shape_file(node))
		return -EINVAL;
	if (v->teller)
		refresh(v, node);
	err = read_real(v, node, caller);
	if (err)
		return err == -ENOENT ? -ESRCH : err;
	out = open_memstream(&text, &size);
	if (!out)
		return -ENOMEM;
	/* What cannot be corrected is shown as it is. */
	if (!v->teller || correct(v, node, out))
		fputs(v->buffer, out);
	if (fclose(out)) {
		free(text);
		return -ENOMEM;
	}
	*ret = text;
	return (ssize_t)size;
}

/* The process that a thread belongs to, as /proc/self has it. */
static pid_t process_of(const struct view *v, pid_t tid)
{
	char path[32], text[512], *line = NULL;
	int fd;
	ssize_t n;

	snprintf(path, sizeof(path), "%d/status", tid);
	fd = openat(shape_proc(v->shape), path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return 0;
	n = read(fd, text, sizeof(text) - 1);
	close(fd);
	text[n > 0 ? n : 0] = '\0';
	line = strstr(text, "\nTgid:"); /* the name before it is escaped */
	return line ? atoi(line + 6) : 0;
}

static int link_to_self(const struct view *v, bool thread, pid_t tid, char *ret, size_t size)
{
	pid_t pid = process_of(v, tid);

	if (!pid)
		return -ENOENT;
	if (thread)
		snprintf(ret, size, "%d/task/%d", pid, tid);
	else
		snprintf(ret, size, "%d", pid);
	return 0;
}

/* True where who follows the text comes to another file than who follows the real link: into
 * another root, for one. */
static bool misleads(int proc, const char *path, const char *text)
{
	struct stat real, by_text;

	if (text[0] != '/' || stat(text, &by_text) || fstatat(proc, path, &real, 0))
		return false;
	return real.st_dev != by_text.st_dev || real.st_ino != by_text.st_ino;
}

static int real_link(const struct view *v, const struct node *node, const struct caller *caller,
		     char *ret, size_t size)
{
	char path[SHAPE_PATH];
	int err = shape_path(v->shape, node, path, sizeof(path));
	bool assumed, redirect;
	ssize_t n;

	if (err)
		return err;
	assumed = caller_assume(caller);
	n = readlinkat(shape_proc(v->shape), path, ret, size - 1);
	err = n < 0 ? -errno : 0;
	ret[n < 0 ? 0 : n] = '\0';
	redirect = !err && misleads(shape_proc(v->shape), path, ret);
	caller_restore(assumed);
	return redirect ? shape_redirect(v->shape, node, ret, size) : err;
}

int view_link(struct view *v, const struct node *node, const struct caller *caller, char *ret,
	      size_t size)
{
	switch (node->kind) {
	case NODE_SELF:
	case NODE_THREAD_SELF:
		return link_to_self(v, node->kind == NODE_THREAD_SELF, caller->pid, ret, size);
	case NODE_LINK:
		return real_link(v, node, caller, ret, size);
	case NODE_REDIRECT:
		return shape_redirect(v->shape, node, ret, size);
	default:
		return -EINVAL;
	}
}
