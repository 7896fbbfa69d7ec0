/* SPDX-License-Identifier: MIT */
#include "base/json_out.h"

#include "base/cleanup.h"
#include "base/command.h"
#include "base/text.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

static atomic_bool short_of_memory; /* since the last JSON that was asked for */

static void *allocate(size_t size)
{
	void *p = malloc(size);

	if (!p && size)
		short_of_memory = true;
	return p;
}

__attribute__((constructor)) static void watch_memory(void)
{
	json_set_alloc_funcs(allocate, free);
}

bool json_out_short(void)
{
	return atomic_exchange(&short_of_memory, false);
}

/* jansson goes on behind a part of an object that it had no room for. */
char *json_out_text(const json_t *o, size_t flags)
{
	bool complete = !json_out_short();
	char *text = complete && o ? json_dumps(o, flags) : NULL;

	if (!json_out_short())
		return text;
	free(text);
	return NULL;
}

json_t *json_out_name(const char *name)
{
	_cleanup_(free_ptr) char *copy = strdup(name);

	if (!copy)
		return NULL;
	text_utf8(copy);
	return json_string(copy);
}

int json_out_print(json_t *o, size_t flags, FILE *to, const char *what, struct failure *f)
{
	/* Names are from anywhere, and this may be a terminal. */
	char *text = json_out_text(o, flags | JSON_ENSURE_ASCII);
	int failed;

	json_decref(o);
	if (!text)
		return failure_errno(f, -ENOMEM, "%s", what);
	errno = 0;
	failed = fputs(text, to) == EOF || fputc('\n', to) == EOF || fflush(to);
	free(text);
	if (!failed)
		return 0;
	if (to == stdout)
		return command_lost(f, -errno);
	return failure_errno(f, errno ? -errno : -EIO, "%s", what);
}

int json_out_commit(json_t *o, size_t flags, struct newfile *to, const char *path,
		    struct failure *f)
{
	int err = json_out_print(o, flags, to->to, path, f);

	if (err) { /* which closing the file would not tell again */
		newfile_abandon(to);
		return err;
	}
	err = newfile_commit(to);
	return err ? failure_errno(f, err, "%s", path) : 0;
}

int json_out_write(json_t *o, size_t flags, const char *path, struct failure *f)
{
	struct newfile to;
	int err = newfile_open(path, 0, NEWFILE_STREAMS | NEWFILE_SYNC, &to);

	if (!err)
		return json_out_commit(o, flags, &to, path, f);
	json_decref(o);
	return failure_errno(f, err, "%s", path);
}
