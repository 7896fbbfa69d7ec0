/* SPDX-License-Identifier: MIT */
#include "enforce/record.h"

#include "base/cleanup.h"
#include "enforce/record_file.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MAGIC "DSCHENF1"

int record_write(const char *file, const struct record_entry *entries, size_t n)
{
	return record_file_write(file, MAGIC, entries, sizeof(*entries), n);
}

int record_read(const char *file, struct record_entry **ret, size_t *ret_n, pid_t *ret_owner)
{
	struct record_entry *entries;
	void *read;
	pid_t owner;
	size_t n;
	int err = record_file_read(file, MAGIC, sizeof(*entries), &read, &n, &owner);

	if (err)
		return err;
	entries = read;
	for (size_t i = 0; i < n; i++)
		if (!record_is_path(entries[i].path) ||
		    (entries[i].made && !record_is_path(entries[i].from))) {
			free(entries);
			return -EBADMSG;
		}
	*ret = entries;
	*ret_n = n;
	*ret_owner = owner;
	return 0;
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
