/* SPDX-License-Identifier: MIT */
/*
 * JSON on its way out: whole, or refused. jansson drops a member whose value could not be
 * allocated, and nobody checks each of a thousand calls; so its allocator is ours (in programs that
 * link this), which remembers that an allocation has failed, and what was built meanwhile is not
 * shown.
 */
#ifndef BASE_JSON_OUT_H
#define BASE_JSON_OUT_H

#include "base/failure.h"
#include "base/newfile.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

/* Prints `o`, which is released (NULL: its allocation failed), and a newline. `flags` are
 * json_dumps()'s. -ENOMEM, or -errno of writing, with a line in `f` that names `what`. */
int json_out_print(json_t *o, size_t flags, FILE *to, const char *what, struct failure *f);

/* As json_out_print() into a file that is open; it is in its place afterwards, or as it was. */
int json_out_commit(json_t *o, size_t flags, struct newfile *to, const char *path,
		    struct failure *f);

/* The same with opening it: a file, a device, a FIFO that somebody reads. */
int json_out_write(json_t *o, size_t flags, const char *path, struct failure *f);

/* A name that a process or a file chose: any bytes, those that aren't part of a character of UTF-8
 * as '?'. NULL without memory. */
json_t *json_out_name(const char *name);

/* Whether an allocation of jansson's has failed since this was asked last: it parses on behind a
 * text that it had no room for. */
bool json_out_short(void);

/* The text of `o`, which stays the caller's; malloc'ed. NULL without memory. */
char *json_out_text(const json_t *o, size_t flags);

#endif
