/* SPDX-License-Identifier: MIT */
/*
 * Files of sections and `key = value`: inih has the syntax, this has what a person wants to be told
 * (file and line of every complaint) and what hostile text must not do. Comments begin with '#' or
 * ';' at the start of a line, or with a blank and ';'. Indentation means nothing. Behind "[SECTION]"
 * stands nothing but a comment.
 */
#ifndef BASE_INIFILE_H
#define BASE_INIFILE_H

#include "base/failure.h"

#include <stddef.h>

#define INIFILE_NAME 48 /* of a section or key, the zero at the end included */

/* Each returns 0, or -errno and in `f` what is wrong without file and line, which ends it all. */
struct inifile_taker {
	int (*section)(const char *name, int line, void *data, struct failure *f); /* or NULL */
	int (*key)(const char *section, const char *key, const char *value, int line, void *data,
		   struct failure *f);
};

/* `name` is what failures call the text. -EINVAL and what `taker` returns. */
int inifile_parse(const char *name, const char *text, size_t size,
		  const struct inifile_taker *taker, void *data, struct failure *f);

/* Reads a file of at most `max` bytes, never waiting for the writer of a FIFO. *ret is malloc'ed.
 * -EINVAL for what isn't a file, -EFBIG, -errno. */
int inifile_load(const char *path, size_t max, struct failure *f, char **ret, size_t *ret_size);

#endif
