/* SPDX-License-Identifier: MIT */
#include "screen/annotate.h"

#include "base/hash.h"
#include "base/json_out.h"
#include "base/proc.h"

#include <limits.h>
#include <pwd.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#define CGROUP_SIZE    4096
#define COMMAND_SIZE   256 /* of a command line, that much is shown */
#define ROUNDS_TO_KEEP 8   /* snapshots after which a process's entry is read again */

struct known_process {
	int pid;
	int64_t id;
	unsigned read;				  /* round in which it was read */
	unsigned seen;				  /* round in which it was last there */
	json_t *user, *cgroup, *parent, *command; /* as they were when they were read */
	UT_hash_handle hh;
};

struct known_user {
	uid_t uid;
	json_t *name;
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
	json_decref(k->user);
	json_decref(k->cgroup);
	json_decref(k->parent);
	json_decref(k->command);
	k->user = k->cgroup = k->parent = k->command = NULL;
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
		json_decref(u->name);
		free(u);
	}
	free(a);
	return NULL;
}

static json_t *user_name(struct annotator *a, uid_t uid)
{
	const struct passwd *entry;
	struct known_user *u;
	char name[64];

	HASH_FIND(hh, a->users, &uid, sizeof(uid), u);
	if (u)
		return json_incref(u->name);
	entry = getpwuid(uid);
	snprintf(name, sizeof(name), "%u", uid);
	if (entry)
		snprintf(name, sizeof(name), "%s", entry->pw_name);
	u = calloc(1, sizeof(*u));
	if (!u)
		return json_out_name(name);
	u->uid = uid;
	u->name = json_out_name(name);
	HASH_ADD(hh, a->users, uid, sizeof(u->uid), u);
	if (u->hh.tbl)
		return json_incref(u->name);
	json_decref(u->name);
	free(u);
	return json_out_name(name);
}

/* The words of its command line; what it calls itself where it has none, as kernel threads. */
static json_t *command_line(int pid)
{
	char path[32], text[COMMAND_SIZE];
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/%d/cmdline", pid);
	n = file_read(path, text, sizeof(text));
	while (n > 0 && !text[n - 1])
		n--;
	for (ssize_t i = 0; i < n; i++)
		text[i] = text[i] ? text[i] : ' ';
	return n > 0 ? json_out_name(text) : NULL;
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
		k->cgroup = json_out_name(cgroup);
	if (!proc_read_stat(k->pid, 0, &stat))
		k->parent = json_integer(stat.ppid);
	k->command = command_line(k->pid);
}

static struct known_process *look_up(struct annotator *a, int pid, int64_t id)
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

static void put(json_t *o, const char *key, json_t *value)
{
	if (value && !json_object_get(o, key))
		json_object_set(o, key, value);
}

static void annotate_process(struct annotator *a, json_t *o)
{
	json_int_t pid = json_integer_value(json_object_get(o, "pid"));
	const struct known_process *k;
	struct proc_stat stat;

	if (pid <= 0 || pid > INT_MAX)
		return;
	k = look_up(a, (int)pid, json_integer_value(json_object_get(o, "id")));
	if (!k)
		return;
	put(o, "user", k->user);
	put(o, "cgroup", k->cgroup);
	put(o, "ppid", k->parent);
	put(o, "command", k->command);
	if (!proc_read_stat((pid_t)pid, 0, &stat)) {
		json_object_set_new(o, "state", json_stringn(&stat.state, 1));
		json_object_set_new(o, "rss_bytes", json_integer((json_int_t)stat.rss));
	}
}

void annotate(struct annotator *a, json_t *snapshot)
{
	json_t *list = json_object_get(snapshot, "processes"), *process;
	struct known_process *k, *next;
	size_t i;

	a->round++;
	json_array_foreach(list, i, process) annotate_process(a, process);
	HASH_ITER (hh, a->processes, k, next)
		if (k->seen != a->round)
			forget(a, k);
}
