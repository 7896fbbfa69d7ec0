/* SPDX-License-Identifier: MIT */
#include "screen/annotate.h"

#include "base/hash.h"
#include "base/proc.h"

#include <pwd.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define CGROUP_SIZE    4096
#define COMMAND_SIZE   256 /* of a command line, that much is shown */
#define ROUNDS_TO_KEEP 8   /* snapshots after which a process's entry is read again */

struct known_process {
	int pid;
	uint64_t id;
	unsigned read;		       /* round in which it was read */
	unsigned seen;		       /* round in which it was last there */
	char *user, *cgroup, *command; /* as they were then; NULL: not known */
	pid_t parent;
	UT_hash_handle hh;
};

struct known_user {
	uid_t uid;
	char name[64];
	UT_hash_handle hh;
};

struct annotator {
	struct known_process *processes;
	struct known_user *users;
	unsigned round;
};

struct annotator *annotator_new(void)
{
	return calloc(1, sizeof(struct annotator));
}

static void forget_read(struct known_process *k)
{
	free(k->user);
	free(k->cgroup);
	free(k->command);
	k->user = k->cgroup = k->command = NULL;
	k->parent = 0;
}

static void forget(struct annotator *a, struct known_process *k)
{
	HASH_DEL(a->processes, k);
	forget_read(k);
	free(k);
}

struct annotator *annotator_free(struct annotator *a)
{
	struct known_process *k, *next;
	struct known_user *u, *next_user;

	if (!a)
		return NULL;
	HASH_ITER (hh, a->processes, k, next)
		forget(a, k);
	HASH_ITER (hh, a->users, u, next_user) {
		HASH_DEL(a->users, u);
		free(u);
	}
	free(a);
	return NULL;
}

/* NULL without memory. */
static char *user_name(struct annotator *a, uid_t uid)
{
	const struct passwd *entry;
	struct known_user *u;
	char *name;

	HASH_FIND(hh, a->users, &uid, sizeof(uid), u);
	if (u)
		return strdup(u->name);
	u = calloc(1, sizeof(*u));
	if (!u)
		return NULL;
	entry = getpwuid(uid);
	u->uid = uid;
	snprintf(u->name, sizeof(u->name), "%u", uid);
	if (entry)
		snprintf(u->name, sizeof(u->name), "%s", entry->pw_name);
	name = strdup(u->name);
	HASH_ADD(hh, a->users, uid, sizeof(u->uid), u);
	if (!u->hh.tbl)
		free(u);
	return name;
}

/* The words of its command line; what it calls itself where it has none, as kernel threads. */
static char *command_line(int pid)
{
	char path[32], text[COMMAND_SIZE];
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/%d/cmdline", pid);
	n = file_read(path, text, sizeof(text));
	while (n > 0 && !text[n - 1])
		n--;
	for (ssize_t i = 0; i < n; i++)
		text[i] = text[i] ? text[i] : ' ';
	return n > 0 ? strndup(text, (size_t)n) : NULL;
}

static void read_again(struct annotator *a, struct known_process *k)
{
	char path[32], cgroup[CGROUP_SIZE];
	struct proc_stat stat;
	struct stat st;

	k->read = a->round;
	forget_read(k);
	snprintf(path, sizeof(path), "/proc/%d", k->pid);
	if (lstat(path, &st))
		return;
	k->user = user_name(a, st.st_uid);
	if (!proc_read_cgroup(k->pid, cgroup, sizeof(cgroup)))
		k->cgroup = strdup(cgroup);
	if (!proc_read_stat(k->pid, 0, &stat))
		k->parent = stat.ppid;
	k->command = command_line(k->pid);
}

static struct known_process *look_up(struct annotator *a, int pid, uint64_t id)
{
	struct known_process *k;

	HASH_FIND_INT(a->processes, &pid, k);
	if (k && k->id != id) {
		forget(a, k);
		k = NULL;
	}
	if (!k) {
		k = calloc(1, sizeof(*k));
		if (!k)
			return NULL;
		k->pid = pid;
		k->id = id;
		HASH_ADD_INT(a->processes, pid, k);
		if (!k->hh.tbl) {
			free(k);
			return NULL;
		}
		k->read = a->round - ROUNDS_TO_KEEP - (unsigned)pid % ROUNDS_TO_KEEP;
	}
	if (a->round - k->read >= ROUNDS_TO_KEEP)
		read_again(a, k);
	k->seen = a->round;
	return k;
}

static void put(struct snapshot *s, const char **at, const char *text)
{
	if (!*at && text)
		*at = snapshot_text(s, text);
}

static void annotate_process(struct annotator *a, struct snapshot *s, struct snapshot_process *p)
{
	const struct known_process *k = p->pid > 0 ? look_up(a, p->pid, p->id) : NULL;
	struct proc_stat stat;

	if (!k)
		return;
	put(s, &p->user, k->user);
	put(s, &p->cgroup, k->cgroup);
	put(s, &p->command, k->command);
	if (!p->parent)
		p->parent = k->parent;
	if (!proc_read_stat(p->pid, 0, &stat)) {
		p->state = stat.state;
		p->rss = stat.rss;
	}
}

void annotate(struct annotator *a, struct snapshot *s)
{
	struct known_process *k, *next;

	a->round++;
	for (size_t i = 0; i < s->n_processes; i++)
		annotate_process(a, s, &s->processes[i]);
	HASH_ITER (hh, a->processes, k, next)
		if (k->seen != a->round)
			forget(a, k);
}
