/* SPDX-License-Identifier: MIT */
/*
 * A tree of files: the machine's own, or a copy of parts of one below some directory.
 *
 * Every path is absolute and is looked up below the tree's root: symbolic links, absolute ones and
 * ".." too, stay inside. Only regular files are read, so that a pipe in their place cannot hang
 * us. Paths are printf formats. Functions return 0 or -errno.
 */
#ifndef DOCTOR_TREE_H
#define DOCTOR_TREE_H

#include "base/failure.h"

#include <dirent.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct tree {
	int root; /* descriptor of the directory */
	bool own; /* it is this machine's "/": what the CPU says counts, too */
};

int tree_open(const char *root, struct failure *f, struct tree *ret);
void tree_close(struct tree *t);

/* Opens a regular file for reading. Returns its descriptor. */
int tree_file(const struct tree *t, const char *path);

/* Reads a file, cut at size - 1, NUL-terminated, and shorter where a NUL is in it. Returns its
 * length. */
ssize_t tree_read(const struct tree *t, char *buf, size_t size, const char *format, ...)
	__attribute__((format(printf, 4, 5)));

/* As tree_read(), the first line only and without blanks around it. -ENODATA: it is empty. */
int tree_line(const struct tree *t, char *buf, size_t size, const char *format, ...)
	__attribute__((format(printf, 4, 5)));

/* The decimal number that is the file's first line. -EBADMSG: it is something else. */
int tree_uint(const struct tree *t, uint64_t *ret, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

bool tree_has(const struct tree *t, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Seconds since the epoch at which the file's content was last changed. */
int tree_changed(const struct tree *t, int64_t *ret, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* The names in a directory, sorted, without those that begin with a dot. */
struct tree_names {
	struct dirent **list;
	int n;
};
int tree_names(const struct tree *t, const char *dir, struct tree_names *ret);
void tree_names_free(struct tree_names *names);

#endif
