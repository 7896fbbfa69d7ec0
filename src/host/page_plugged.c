/* SPDX-License-Identifier: MIT */
#include "host/page_plugged.h"

#include "base/cleanup.h"
#include "base/proc.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct list {
	pid_t pid;
	struct page_device *devices;
	int n;
};

static bool is_called_ours(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash && slash != path && strstr(slash, "desched");
}

static bool is_there(const struct list *l, const char *path)
{
	for (int i = 0; i < l->n; i++) {
		if (!strcmp(l->devices[i].file, path))
			return true;
	}
	return false;
}

/* Most processes have none: then nothing dearer than this is done. */
static int look_at(pid_t fd, void *data)
{
	char path[64], link[PATH_MAX];
	struct list *l = data;
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/%d/fd/%d", l->pid, fd);
	n = readlink(path, link, sizeof(link) - 1);
	if (n <= 0 || link[0] != '/')
		return 0;
	link[n] = '\0';
	if (!is_called_ours(link) || is_there(l, link) || l->n == PAGE_PLUGGED_MAX)
		return 0;
	l->devices[l->n] = (struct page_device){.name = "plugged in"};
	strcpy(l->devices[l->n++].file, link);
	return 0;
}

/* "FROM-TO rw-s OFFSET DEV INODE      PATH" */
static bool is_mapping_of(const char *line, const char *path)
{
	char how[8] = "";
	int at = 0;

	if (sscanf(line, "%*s %7s %*s %*s %*s %n", how, &at) < 1 || !at)
		return false;
	return how[3] == 's' && !strncmp(line + at, path, strlen(path)) &&
	       !strcmp(line + at + strlen(path), "\n");
}

/* Those that aren't mapped as shared memory are files like others: a log, a disk. */
static void keep_mapped(struct list *l)
{
	_cleanup_(free_ptr) char *line = NULL;
	_cleanup_(close_file) FILE *f = NULL;
	bool mapped[PAGE_PLUGGED_MAX] = {false};
	char path[64];
	size_t size = 0;
	int n = 0;

	snprintf(path, sizeof(path), "/proc/%d/maps", l->pid);
	f = fopen(path, "re");
	while (f && getline(&line, &size, f) > 0) {
		for (int i = 0; i < l->n; i++)
			mapped[i] |= is_mapping_of(line, l->devices[i].file);
	}
	for (int i = 0; i < l->n; i++) {
		if (mapped[i])
			l->devices[n++] = l->devices[i];
	}
	l->n = n;
}

int page_plugged(pid_t pid, struct page_device ret[PAGE_PLUGGED_MAX])
{
	struct list l = {.pid = pid, .devices = ret};
	char path[64];
	int err;

	snprintf(path, sizeof(path), "/proc/%d/fd", pid);
	err = proc_each_id(path, look_at, &l);
	if (err)
		return err;
	if (l.n)
		keep_mapped(&l);
	return l.n;
}
