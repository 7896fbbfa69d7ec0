/* SPDX-License-Identifier: MIT */
#include "view/shape.h"

#include "base/cleanup.h"
#include "base/units.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>

#define NAMES_MAX 4096

/* Names of what lies in /proc, /proc/PID and /proc/PID/task/TID: a few hundred. */
struct shape {
	int proc;
	unsigned n_names;
	char *names[NAMES_MAX];
	bool place[NAMES_MAX]; /* by name: a directory that was in the root at first */
};

const struct corrected_file *shape_file(const struct node *node)
{
	return node->kind == NODE_FILE && node->name < n_corrected_files
		       ? &corrected_files[node->name]
		       : NULL;
}

static int name_number(struct shape *t, const char *name, unsigned *ret)
{
	unsigned i;

	for (i = 0; i < t->n_names; i++)
		if (!strcmp(t->names[i], name))
			break;
	if (i == NAMES_MAX)
		return -ENOENT;
	if (i == t->n_names) {
		t->names[i] = strdup(name);
		if (!t->names[i])
			return -ENOMEM;
		t->n_names++;
	}
	*ret = i;
	return 0;
}

static bool is_number(const char *name)
{
	return name[0] && strspn(name, "0123456789") == strlen(name);
}

static void learn_names(struct shape *t, const char *path)
{
	int fd = openat(t->proc, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *e;
	unsigned unused;

	while (d && (e = readdir(d)))
		if (!is_number(e->d_name))
			name_number(t, e->d_name, &unused);
	if (d)
		closedir(d);
}

static void learn_places(struct shape *t)
{
	struct stat st;

	for (unsigned i = 0; i < t->n_names; i++)
		t->place[i] = t->names[i][0] != '.' &&
			      !fstatat(t->proc, t->names[i], &st, AT_SYMLINK_NOFOLLOW) &&
			      S_ISDIR(st.st_mode);
}

int shape_each_place(const struct shape *t, int (*fn)(const char *name, void *data), void *data)
{
	int err = 0;

	for (unsigned i = 0; !err && i < t->n_names; i++)
		if (t->place[i])
			err = fn(t->names[i], data);
	return err;
}

int shape_new(int proc, bool places, struct shape **ret)
{
	struct shape *t = calloc(1, sizeof(*t));

	if (!t)
		return -ENOMEM;
	t->proc = proc;
	learn_names(t, ".");
	if (places)
		learn_places(t);
	learn_names(t, "self");
	learn_names(t, "thread-self");
	*ret = t;
	return 0;
}

struct shape *shape_free(struct shape *t)
{
	for (unsigned i = 0; t && i < t->n_names; i++)
		free(t->names[i]);
	free(t);
	return NULL;
}

int shape_proc(const struct shape *t)
{
	return t->proc;
}

/* kind 4 bits, name 12, pid 24, tid 24: the kernel's largest pid is 2^22. */
uint64_t node_pack(const struct node *n)
{
	if (n->kind == NODE_ROOT)
		return SHAPE_ROOT;
	return (uint64_t)n->kind << 60 | (uint64_t)(n->name & 0xfff) << 48 |
	       (uint64_t)(n->pid & 0xffffff) << 24 | (uint64_t)(n->tid & 0xffffff);
}

int node_unpack(uint64_t number, struct node *ret)
{
	enum node_kind kind = number >> 60;

	if (number == SHAPE_ROOT) {
		*ret = (struct node){.kind = NODE_ROOT};
		return 0;
	}
	if (kind == NODE_ROOT || kind > NODE_OUTSIDE)
		return -ESTALE;
	*ret = (struct node){kind, number >> 48 & 0xfff, number >> 24 & 0xffffff,
			     number & 0xffffff};
	return 0;
}

static const char *name_of(const struct shape *t, unsigned number)
{
	return number < t->n_names ? t->names[number] : NULL;
}

static const char *last_name(const struct shape *t, const struct node *n)
{
	switch (n->kind) {
	case NODE_SELF:
		return "self";
	case NODE_THREAD_SELF:
		return "thread-self";
	case NODE_TASKS:
		return "task";
	case NODE_COUNTERS:
		return "stat"; /* whoever may read one may read the other */
	case NODE_FILE:
		return n->name < n_corrected_files ? corrected_files[n->name].name : NULL;
	case NODE_PLACE:
	case NODE_LINK:
	case NODE_REDIRECT:
		return name_of(t, n->name);
	default:
		return ""; /* a directory; NODE_REAL is as the root */
	}
}

/* PID, NAME or PLACE/NAME */
static int path_outside(const struct shape *t, const struct node *n, char *ret, size_t size)
{
	const char *place = n->tid ? name_of(t, (unsigned)n->tid - 1) : "";
	const char *name = n->pid ? "" : name_of(t, n->name);
	const char *slash = n->tid ? "/" : "";
	int len;

	if (!place || !name)
		return -ESTALE;
	if (n->pid)
		len = snprintf(ret, size, "%s%s%d", place, slash, n->pid);
	else
		len = snprintf(ret, size, "%s%s%s", place, slash, name);
	return len < (int)size ? 0 : -ENAMETOOLONG;
}

int shape_path(const struct shape *t, const struct node *n, char *ret, size_t size)
{
	const char *name;
	int len;

	if (n->kind == NODE_OUTSIDE)
		return path_outside(t, n, ret, size);
	name = last_name(t, n);
	if (!name)
		return -ESTALE;
	if (n->tid)
		len = snprintf(ret, size, "%d/task/%d/%s", n->pid, n->tid, name);
	else if (n->pid)
		len = snprintf(ret, size, "%d/%s", n->pid, name);
	else
		len = snprintf(ret, size, "%s", *name ? name : ".");
	return len < (int)size ? 0 : -ENAMETOOLONG;
}

int shape_redirect(const struct shape *t, const struct node *n, char *ret, size_t size)
{
	const char *up = n->tid ? "../../../" : n->pid ? "../" : "";
	char path[SHAPE_PATH];
	int err = shape_path(t, n, path, sizeof(path));

	if (err)
		return err;
	if (n->kind == NODE_OUTSIDE)
		err = snprintf(ret, size, "/proc/%s", path) < (int)size ? 0 : -ENAMETOOLONG;
	else if (snprintf(ret, size, "%s" SHAPE_REAL "/%s", up, path) >= (int)size)
		err = -ENAMETOOLONG;
	return err;
}

static pid_t id_of(const char *name)
{
	long id = is_number(name) && name[0] != '0' && strlen(name) < 9 ? strtol(name, NULL, 10)
									: 0;

	return id < 1 << 24 ? (pid_t)id : 0;
}

static bool find_file(const char *name, bool task, unsigned *ret)
{
	for (unsigned i = 0; i < n_corrected_files; i++) {
		if (strcmp(corrected_files[i].name, name) != 0 || !corrected_files[i].task == task)
			continue;
		*ret = i;
		return true;
	}
	return false;
}

/* What has a place of its own in the view. NODE_REDIRECT for the rest, whose like decides. */
static enum node_kind place_of(const struct node *parent, const char *name, unsigned *ret_file)
{
	bool root = parent->kind == NODE_ROOT;

	if (root && !strcmp(name, SHAPE_REAL))
		return NODE_REAL;
	if (root && !strcmp(name, SHAPE_COUNTERS))
		return NODE_COUNTERS;
	if (root && !strcmp(name, "self"))
		return NODE_SELF;
	if (root && !strcmp(name, "thread-self"))
		return NODE_THREAD_SELF;
	if (root && id_of(name))
		return NODE_PROCESS;
	if (parent->kind == NODE_PROCESS && !strcmp(name, "task"))
		return NODE_TASKS;
	if (parent->kind == NODE_TASKS)
		return NODE_THREAD;
	return find_file(name, !root, ret_file) ? NODE_FILE : NODE_REDIRECT;
}

static void adjust(const struct shape *t, const struct node *n, struct stat *st)
{
	char text[SHAPE_PATH] = "";

	st->st_ino = node_pack(n);
	if (n->kind != NODE_REDIRECT && n->kind != NODE_OUTSIDE)
		return;
	shape_redirect(t, n, text, sizeof(text));
	st->st_mode = S_IFLNK | 0777;
	st->st_size = (off_t)strlen(text);
	st->st_nlink = 1;
}

static int stat_at(const struct shape *t, const struct node *dir, const char *name,
		   struct stat *ret)
{
	char path[SHAPE_PATH];
	size_t len;
	int err = shape_path(t, dir, path, sizeof(path));

	if (err)
		return err;
	len = strlen(path);
	if (snprintf(path + len, sizeof(path) - len, "/%s", name) >= (int)(sizeof(path) - len))
		return -ENAMETOOLONG;
	return fstatat(t->proc, path, ret, AT_SYMLINK_NOFOLLOW) ? -errno : 0;
}

int shape_stat(const struct shape *t, const struct node *n, struct stat *ret)
{
	char path[SHAPE_PATH];
	struct stat st;
	int err = shape_path(t, n, path, sizeof(path));

	if (err)
		return err;
	if (fstatat(t->proc, path, &st, AT_SYMLINK_NOFOLLOW))
		return -errno;
	adjust(t, n, &st);
	*ret = st;
	return 0;
}

static bool is_directory(const struct node *n)
{
	return n->kind == NODE_ROOT || n->kind == NODE_PROCESS || n->kind == NODE_TASKS ||
	       n->kind == NODE_THREAD || n->kind == NODE_REAL || n->kind == NODE_PLACE;
}

/* Of an entry's like in the real /proc. */
static const char *name_of_like(enum node_kind kind, const char *name)
{
	return kind == NODE_REAL ? "." : kind == NODE_COUNTERS ? "stat" : name;
}

/* What is in .real, or in a place, when nothing is mounted on that. */
static int lookup_outside(struct shape *t, const struct node *parent, const char *name,
			  struct node *ret, struct stat *ret_st)
{
	struct node n = {.kind = NODE_OUTSIDE, .pid = id_of(name)};
	struct stat st;
	int err = stat_at(t, parent, name, &st);

	if (parent->kind == NODE_PLACE)
		n.tid = (pid_t)parent->name + 1;
	if (!err && !n.pid)
		err = name_number(t, name, &n.name);
	if (err)
		return err;
	adjust(t, &n, &st);
	*ret = n;
	*ret_st = st;
	return 0;
}

int shape_lookup(struct shape *t, const struct node *parent, const char *name, struct node *ret,
		 struct stat *ret_st)
{
	struct node n = {.pid = parent->pid, .tid = parent->tid};
	struct stat st;
	int err;

	if (!is_directory(parent))
		return -ENOTDIR;
	if (parent->kind == NODE_REAL || parent->kind == NODE_PLACE)
		return lookup_outside(t, parent, name, ret, ret_st);
	n.kind = place_of(parent, name, &n.name);
	if (n.kind == NODE_PROCESS)
		n.pid = id_of(name);
	if (n.kind == NODE_THREAD && !(n.tid = id_of(name)))
		return -ENOENT;
	err = stat_at(t, parent, name_of_like(n.kind, name), &st);
	/* Only what exists is given a number: the names that people ask for have no end. */
	if (!err && n.kind == NODE_REDIRECT)
		err = name_number(t, name, &n.name);
	if (err)
		return err;
	if (n.kind == NODE_REDIRECT && S_ISLNK(st.st_mode))
		n.kind = NODE_LINK;
	else if (n.kind == NODE_REDIRECT && parent->kind == NODE_ROOT && t->place[n.name])
		n.kind = NODE_PLACE;
	adjust(t, &n, &st);
	*ret = n;
	*ret_st = st;
	return 0;
}
