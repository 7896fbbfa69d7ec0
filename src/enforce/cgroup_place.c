/* SPDX-License-Identifier: MIT */
/* Where a VM is among cgroups, and whether it is alone there. */
#include "enforce/cgroup.h"

#include "base/proc.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#define FILE_PATH (CGROUP_PATH + 256)
#define DEPTH	  8 /* of cgroups below a VM's that are looked at */

struct around {
	const struct cgroup_host *h;
	pid_t pid;
	char path[CGROUP_PATH]; /* of all threads so far */
	bool any;
};

/* What both paths have in common, in whole names; "/" at least. */
static void cut_to_common(char *path, const char *other)
{
	size_t whole = 0;

	for (size_t i = 0;; i++) {
		bool end = !path[i] || path[i] == '/', other_end = !other[i] || other[i] == '/';

		if (end && other_end)
			whole = i;
		if (path[i] != other[i] || !path[i])
			break;
	}
	path[whole ? whole : 1] = '\0';
}

static int look_at_thread(pid_t tid, void *data)
{
	struct around *a = data;
	char text[8192], path[4096];

	if (proc_read_cgroups(a->h->root, a->pid, tid, text, sizeof(text)) ||
	    proc_parse_controller(text, a->h->version == 1 ? "cpu" : "", path, sizeof(path)))
		return 0; /* it has ended */
	if (strlen(path) >= CGROUP_PATH)
		return -ENAMETOOLONG;
	if (a->any)
		cut_to_common(a->path, path);
	else
		strcpy(a->path, path);
	a->any = true;
	return 0;
}

/* Keeps the path up to the last name that is a unit's. */
static bool cut_to_unit(char *path)
{
	static const char *const units[] = {".scope", ".service"};
	size_t best = 0;

	for (size_t i = 1; path[i]; i++) {
		size_t end = i;

		if (path[i + 1] && path[i + 1] != '/')
			continue;
		end++;
		for (size_t u = 0; u < 2; u++) {
			size_t len = strlen(units[u]);

			if (end > len && !strncmp(path + end - len, units[u], len))
				best = end;
		}
	}
	if (best)
		path[best] = '\0';
	return best;
}

static bool is_machine_scope(const char *path)
{
	const char *name = strrchr(path, '/');
	size_t len = strlen(path);

	return name && !strncmp(name, "/machine-", 9) && !strcmp(path + len - 6, ".scope");
}

/* Of the VM, or its child. */
static bool belongs(const struct cgroup_host *h, pid_t pid, pid_t vm)
{
	struct proc_stat stat;

	if (pid == vm)
		return true;
	return h->root[0] ? false : proc_read_stat(pid, 0, &stat) || stat.ppid == vm;
}

static bool holds_others(const struct cgroup_host *h, const char *directory, pid_t vm, int depth);

static bool below_hold_others(const struct cgroup_host *h, const char *directory, pid_t vm,
			      int depth)
{
	char path[FILE_PATH];
	DIR *dir = opendir(directory);
	const struct dirent *d;
	bool others = false;

	while (dir && !others && (d = readdir(dir))) {
		if (d->d_type != DT_DIR || d->d_name[0] == '.' ||
		    (size_t)snprintf(path, sizeof(path), "%s/%s", directory, d->d_name) >=
			    sizeof(path))
			continue;
		others = depth >= DEPTH || holds_others(h, path, vm, depth + 1);
	}
	if (dir)
		closedir(dir);
	return others;
}

/* A threaded cgroup's processes can't be read; they are its domain's. */
static bool holds_others(const struct cgroup_host *h, const char *directory, pid_t vm, int depth)
{
	char path[FILE_PATH];
	bool others = false;
	FILE *procs;
	int pid;

	if ((size_t)snprintf(path, sizeof(path), "%s/cgroup.procs", directory) >= sizeof(path))
		return true;
	procs = fopen(path, "re");
	while (procs && !others && fscanf(procs, "%d", &pid) == 1)
		others = !belongs(h, pid, vm);
	if (procs)
		fclose(procs);
	return others || below_hold_others(h, directory, vm, depth);
}

static bool is_own(const struct cgroup_host *h, const char *path, pid_t pid)
{
	char directory[FILE_PATH];

	if (!strcmp(path, "/"))
		return false;
	snprintf(directory, sizeof(directory), "%s%s", h->mount, path);
	return is_machine_scope(path) || !holds_others(h, directory, pid, 0);
}

int cgroup_of(const struct cgroup_host *h, pid_t pid, char ret[CGROUP_PATH], bool *ret_own)
{
	struct around a = {.h = h, .pid = pid};
	char tasks[FILE_PATH], unit[CGROUP_PATH];
	int err;

	snprintf(tasks, sizeof(tasks), "%s/proc/%d/task", h->root, (int)pid);
	err = proc_each_id(tasks, look_at_thread, &a);
	if (err || !a.any)
		return err ? err : -ESRCH;
	strcpy(unit, a.path);
	if (cut_to_unit(unit) && is_own(h, unit, pid))
		strcpy(a.path, unit);
	*ret_own = is_own(h, a.path, pid);
	strcpy(ret, a.path);
	return 0;
}
