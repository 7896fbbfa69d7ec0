/* SPDX-License-Identifier: MIT */
/* The record of dispatched threads (dispatch_place.h), and undoing by it. */
#include "enforce/dispatch_place.h"

#include "base/cleanup.h"
#include "enforce/record_file.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define MAGIC "DSCHDSP1"

int dispatch_record(const char *file, const struct dispatch_entry *entries, size_t n)
{
	return record_file_write(file, MAGIC, entries, sizeof(*entries), n);
}

static bool is_good(const struct dispatch_entry *e, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (strnlen(e[i].top, DISPATCH_TOP) == DISPATCH_TOP || strchr(e[i].top, '/') ||
		    !e[i].top[0] || e[i].top[0] == '.' || !record_is_path(e[i].cpu) ||
		    !record_is_path(e[i].hold) || e[i].pid <= 1 || e[i].tid <= 0)
			return false;
	return !n || e[0].leader;
}

pid_t dispatch_owner(const char *file)
{
	_cleanup_(free_ptr) void *entries = NULL;
	pid_t owner = 0;
	size_t n;

	return record_file_read(file, MAGIC, sizeof(struct dispatch_entry), &entries, &n, &owner)
		       ? 0
		       : owner;
}

size_t dispatch_undo_record(const struct dispatch_host *h, const char *file,
			    void (*say)(const char *line, void *data), void *data)
{
	_cleanup_(free_ptr) void *entries = NULL;
	char line[160], top[DISPATCH_TOP] = "";
	size_t n = 0, vms;
	pid_t owner = 0;
	int err = record_file_read(file, MAGIC, sizeof(struct dispatch_entry), &entries, &n,
				   &owner);

	if (err == -ENOENT || owner)
		return 0;
	if (err || !is_good(entries, n)) {
		snprintf(line, sizeof(line), "%s can't be used, and stays there: %s", file,
			 strerror(err ? -err : EBADMSG));
		say(line, data);
		return 0;
	}
	vms = dispatch_undo(h, entries, n, say, data);
	if (n)
		snprintf(top, sizeof(top), "%s", ((struct dispatch_entry *)entries)->top);
	if (n)
		dispatch_remove_top(h, top);
	unlink(file);
	return vms;
}
