/* SPDX-License-Identifier: MIT */
#include "view/view.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/units.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/openat2.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>

#define TEXT_MAX (64 * MIB)

/* A figure that is old by d when a counter is read puts the counter off by what happened in d. Who
 * reads one file after the other again and again, as top does, gets figures at the beginning of
 * each of his rounds and no others in it: then d is the same in every round for every file, and
 * cancels out. A round begins with a reader who is not known, with a file that was read in the
 * present round, after a pause, and when it takes very long. top looks twice at its beginning, a
 * pause of 150 ms between the two: figures of before it would make all of its first interval longer
 * by that. Fetching takes a sixth of the time at most, that of the last six seconds at once. */
#define PAUSE_NS  (100 * NS_PER_MS)
#define ROUND_NS  (10 * NS_PER_SEC)
#define FRESH_NS  (20 * NS_PER_MS)
#define RETRY_NS  NS_PER_SEC
#define SHARE	  6
#define CREDIT_NS ((int64_t)NS_PER_SEC)

static void fetch(struct view *v)
{
	uint64_t begin = clock_mono(), end;
	struct snapshot snapshot;
	pid_t holder;
	int err = teller_snapshot(v->teller, &snapshot, &holder);

	end = clock_mono();
	if (!err) {
		err = kept_update(v->kept, &snapshot, holder, end);
		snapshot_done(&snapshot);
	}
	if (err)
		kept_stale(v->kept);
	*(err ? &v->counters.failed : &v->counters.fetched) += 1;
	v->credit -= (int64_t)(end - begin);
	v->fresh_until = end + (err ? RETRY_NS : FRESH_NS);
}

static bool may_fetch(struct view *v, uint64_t now)
{
	uint64_t earned = u64_min((now - v->credited) / SHARE, CREDIT_NS);
	int64_t credit = v->credit + (int64_t)earned;

	v->credit = credit < CREDIT_NS ? credit : CREDIT_NS;
	v->credited = now;
	return v->credit > 0 && now >= v->fresh_until;
}

/* schedstat and sched of a process are those of its first thread. */
static pid_t thread_of(const struct node *node)
{
	bool whole = !node->tid && !strcmp(shape_file(node)->name, "stat");

	return node->tid || whole ? node->tid : node->pid;
}

/* In which round the file was read last. NULL where that cannot be kept. */
static uint64_t *read_in(struct view *v, const struct node *node)
{
	struct task_figures figures;
	struct task_shown *shown;

	if (shape_file(node)->system)
		return &v->system_read;
	if (kept_task(v->kept, node->pid, thread_of(node), clock_mono(), &figures, &shown))
		return NULL;
	return &shown->read;
}

/* A new one takes the place of who has not read for longest. */
static struct view_reader *reader_of(struct view *v, pid_t pid)
{
	struct view_reader *r = v->readers;

	for (int i = 0; i < VIEW_READERS; i++) {
		if (v->readers[i].pid == pid)
			return &v->readers[i];
		if (v->readers[i].last < r->last)
			r = &v->readers[i];
	}
	*r = (struct view_reader){.pid = pid};
	return r;
}

static void begin_round(struct view *v, struct view_reader *r, uint64_t now)
{
	v->round++;
	r->began = now;
	if (may_fetch(v, now))
		fetch(v);
}

static void refresh(struct view *v, const struct node *node, pid_t pid)
{
	struct view_reader *r = reader_of(v, pid);
	uint64_t now = clock_mono(), *read = read_in(v, node);
	bool again = read && *read == v->round;

	if (again || now - r->last > PAUSE_NS || now - r->began > ROUND_NS) {
		begin_round(v, r, now);
		read = read_in(v, node);
	}
	r->last = now;
	if (read)
		*read = v->round;
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

/* Writes nothing where it fails. *ret_told: the figures know of the task. */
static int correct(struct view *v, const struct node *node, FILE *out, bool *ret_told)
{
	const struct corrected_file *file = shape_file(node);
	struct task_figures figures;
	struct task_shown *shown;
	int err;

	*ret_told = kept_system(v->kept)->live;
	if (file->system)
		return file->system(v->buffer, kept_system(v->kept), kept_system_shown(v->kept),
				    out);
	err = kept_task(v->kept, node->pid, thread_of(node), clock_mono(), &figures, &shown);
	if (err)
		return err;
	*ret_told = figures.live;
	figures.since += asleep();
	return file->task(v->buffer, &figures, shown, out);
}

/* What cannot be corrected is shown as it is. */
static void show(struct view *v, const struct node *node, FILE *out)
{
	bool told;

	if (!v->teller || correct(v, node, out, &told)) {
		v->counters.uncorrected++;
		fputs(v->buffer, out);
	} else if (told) {
		v->counters.corrected++;
	} else {
		v->counters.untold++;
	}
}

static void show_counters(const struct view *v, FILE *out)
{
	const struct view_counters *c = &v->counters;

	fprintf(out,
		"corrected %" PRIu64 "\nuntold %" PRIu64 "\nuncorrected %" PRIu64
		"\nfetched %" PRIu64 "\nfailed %" PRIu64 "\n",
		c->corrected, c->untold, c->uncorrected, c->fetched, c->failed);
}

static int read_corrected(struct view *v, const struct node *node, const struct caller *caller)
{
	int err;

	if (!shape_file(node))
		return -EINVAL;
	if (v->teller)
		refresh(v, node, caller->pid);
	err = read_real(v, node, caller);
	return err == -ENOENT ? -ESRCH : err;
}

ssize_t view_text(struct view *v, const struct node *node, const struct caller *caller, char **ret)
{
	bool counters = node->kind == NODE_COUNTERS;
	int err = counters ? 0 : read_corrected(v, node, caller);
	char *text = NULL;
	size_t size = 0;
	FILE *out;

	if (err)
		return err;
	out = open_memstream(&text, &size);
	if (!out)
		return -ENOMEM;
	if (counters)
		show_counters(v, out);
	else
		show(v, node, out);
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

/* Looks at what is in the kernel's memory and asks no file system, which may be one that waits for
 * this very server, or for ever. */
static bool identify(int dir, const char *path, uint64_t resolve, struct statx *ret)
{
	const struct open_how how = {.flags = O_PATH | O_CLOEXEC, .resolve = resolve};
	_cleanup_(close_fd) int fd = (int)syscall(SYS_openat2, dir, path, &how, sizeof(how));

	return fd >= 0 && !statx(fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_INO, ret);
}

/* True where who follows the text may come to another file than who follows the real link: into
 * another root, for one. */
static bool misleads(int proc, const char *path, const char *text)
{
	struct statx real, by_text;

	if (text[0] != '/' || !identify(proc, path, 0, &real))
		return false;
	return !identify(AT_FDCWD, text, RESOLVE_CACHED, &by_text) ||
	       real.stx_ino != by_text.stx_ino || real.stx_dev_major != by_text.stx_dev_major ||
	       real.stx_dev_minor != by_text.stx_dev_minor;
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

/* In another PID namespace the reader's /proc has other processes by these numbers. */
static bool same_numbers(const struct view *v, pid_t pid)
{
	struct stat own, theirs;
	char path[32];

	snprintf(path, sizeof(path), "%d/ns/pid", pid);
	return pid > 0 && !fstatat(shape_proc(v->shape), path, &theirs, 0) &&
	       !fstatat(shape_proc(v->shape), "self/ns/pid", &own, 0) &&
	       own.st_ino == theirs.st_ino;
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
	case NODE_OUTSIDE:
		return same_numbers(v, caller->pid) ? shape_redirect(v->shape, node, ret, size)
						    : -ENOENT;
	default:
		return -EINVAL;
	}
}
