/* SPDX-License-Identifier: MIT */
#include "enforce/record.h"

#include "base/cleanup.h"
#include "base/newfile.h"
#include "base/proc.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAGIC	    "DSCHENF1"
#define ENTRIES_MAX 65536

struct head {
	char magic[8];
	uint32_t size, n; /* of an entry; of them */
	int64_t pid;	  /* who wrote it, and when that process began */
	uint64_t start_ns;
};

int record_write(const char *file, const struct record_entry *entries, size_t n)
{
	struct head head = {.size = sizeof(*entries), .n = (uint32_t)n, .pid = getpid()};
	struct proc_stat self;
	struct newfile new;
	int err;

	if (!n)
		return unlink(file) && errno != ENOENT ? -errno : 0;
	memcpy(head.magic, MAGIC, sizeof(head.magic));
	err = proc_read_stat(getpid(), 0, &self);
	if (err)
		return err;
	head.start_ns = self.start_ns;
	err = newfile_open(file, 0600, 0, &new);
	if (err)
		return err;
	fwrite(&head, sizeof(head), 1, new.to);
	fwrite(entries, sizeof(*entries), n, new.to);
	return newfile_commit(&new);
}

/* A path as the kernel gives them, with an end, that leads nowhere else. */
static bool is_path(const char *path)
{
	size_t len = strnlen(path, CGROUP_PATH);

	if (path[0] != '/' || len == CGROUP_PATH || strstr(path, "/../") || strchr(path, '\n'))
		return false;
	return len < 3 || strcmp(path + len - 3, "/..") != 0;
}

/* A zombie's work is over. */
static pid_t owner_of(const struct head *head)
{
	struct proc_stat stat;

	if (head->pid == getpid() || proc_read_stat((pid_t)head->pid, 0, &stat) ||
	    stat.start_ns != head->start_ns || stat.state == 'Z')
		return 0;
	return (pid_t)head->pid;
}

static int read_entries(FILE *from, struct record_entry **ret, size_t *ret_n, pid_t *ret_owner)
{
	struct record_entry *entries;
	struct head head;

	if (fread(&head, sizeof(head), 1, from) != 1 || memcmp(head.magic, MAGIC, 8) ||
	    head.size != sizeof(*entries) || head.n > ENTRIES_MAX)
		return -EBADMSG;
	entries = calloc((size_t)head.n + 1, sizeof(*entries));
	if (!entries)
		return -ENOMEM;
	if (fread(entries, sizeof(*entries), head.n, from) != head.n) {
		free(entries);
		return -EBADMSG;
	}
	for (uint32_t i = 0; i < head.n; i++)
		if (!is_path(entries[i].path) || (entries[i].made && !is_path(entries[i].from))) {
			free(entries);
			return -EBADMSG;
		}
	*ret = entries;
	*ret_n = head.n;
	*ret_owner = owner_of(&head);
	return 0;
}

/* Only root's own file is believed. */
int record_read(const char *file, struct record_entry **ret, size_t *ret_n, pid_t *ret_owner)
{
	int fd = open(file, O_RDONLY | O_CLOEXEC | O_NOFOLLOW), err;
	struct stat st;
	FILE *from;

	if (fd < 0)
		return -errno;
	from = fdopen(fd, "r");
	if (!from) {
		close(fd);
		return -ENOMEM;
	}
	err = fstat(fd, &st) || !S_ISREG(st.st_mode) || st.st_uid != geteuid() || (st.st_mode & 022)
		      ? -EBADMSG
		      : read_entries(from, ret, ret_n, ret_owner);
	fclose(from);
	return err;
}

pid_t record_owner(const char *file)
{
	_cleanup_(free_ptr) struct record_entry *entries = NULL;
	pid_t owner = 0;
	size_t n;

	return record_read(file, &entries, &n, &owner) ? 0 : owner;
}

/* ---- undoing ---- */

static bool is_one_of(int64_t value, const struct record_entry *e, size_t offset)
{
	const struct cgroup_values *all[] = {&e->old, &e->now, &e->before};

	for (size_t i = 0; i < 3; i++)
		if (*(const int64_t *)((const char *)all[i] + offset) == value)
			return true;
	return false;
}

#define KNOWN(v, e, field) is_one_of((v)->field, e, offsetof(struct cgroup_values, field))

/* As old as we know how: also what stands there between two writes. */
static struct cgroup_values undone(const struct record_entry *e, const struct cgroup_values *is,
				   struct failure *left)
{
	struct cgroup_values to = *is;

	if (KNOWN(is, e, weight))
		to.weight = e->old.weight;
	else
		failure_set(left, 0, "%s: its weight is %lld, which isn't ours: left as it is",
			    e->path, (long long)is->weight);
	if ((is->quota_us == -1 || KNOWN(is, e, quota_us)) && KNOWN(is, e, period_us) &&
	    (is->burst_us == 0 || KNOWN(is, e, burst_us))) {
		to.quota_us = e->old.quota_us;
		to.period_us = e->old.period_us;
		to.burst_us = e->old.burst_us;
	} else {
		failure_set(left, 0,
			    "%s: its quota is %lld of %lld us, which isn't ours: left as it is",
			    e->path, (long long)is->quota_us, (long long)is->period_us);
	}
	return to;
}

void record_undo(const struct cgroup_host *h, const struct record_entry *e, struct failure *left)
{
	struct cgroup_values is, to;
	struct failure why = {""};
	int err;

	left->text[0] = '\0';
	if (e->made) {
		err = cgroup_dissolve(h, e->path, e->from);
		if (err)
			failure_errno(left, err, "%s can't be removed", e->path);
		return;
	}
	err = cgroup_read(h, e->path, &is);
	if (err == -ENOENT || err == -ENODEV)
		return; /* with the VM */
	if (err) {
		failure_errno(left, err, "%s can't be read", e->path);
		return;
	}
	to = undone(e, &is, left);
	if (cgroup_write(h, e->path, &is, &to, &why))
		failure_set(left, 0, "%s: %s", e->path, why.text);
}

size_t record_undo_all(const struct cgroup_host *h, const char *file,
		       void (*say)(const char *line, void *data), void *data)
{
	_cleanup_(free_ptr) struct record_entry *entries = NULL;
	struct failure left;
	char line[160];
	size_t n = 0;
	pid_t owner = 0;
	int err = record_read(file, &entries, &n, &owner);

	if (err == -ENOENT || owner)
		return 0;
	if (err) {
		snprintf(line, sizeof(line), "%s can't be used, and stays there: %s", file,
			 strerror(-err));
		say(line, data);
		return 0;
	}
	for (size_t i = n; i-- > 0;) {
		record_undo(h, &entries[i], &left);
		if (left.text[0])
			say(left.text, data);
	}
	unlink(file);
	return n;
}
