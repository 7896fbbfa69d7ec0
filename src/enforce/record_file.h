/* SPDX-License-Identifier: MIT */
/* A file of root's with records of one size, which says whose they are: what a guardian changes is
 * written there before it does. */
#ifndef ENFORCE_RECORD_FILE_H
#define ENFORCE_RECORD_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* Writes them all, as this process's: the file is the old one or the new one. Without entries there
 * is no file. `magic` has 8 characters. */
int record_file_write(const char *file, const char *magic, const void *entries, size_t size,
		      size_t n);

/* -ENOENT: there is none; -EBADMSG: it isn't ours, or of another version. *ret is malloc'ed.
 * *ret_owner: the process that wrote it, if it is still there, and isn't this one; else 0. */
int record_file_read(const char *file, const char *magic, size_t size, void **ret, size_t *ret_n,
		     pid_t *ret_owner);

/* A path as the kernel gives them, with an end within CGROUP_PATH, that leads nowhere else. */
bool record_is_path(const char *path);

#endif
