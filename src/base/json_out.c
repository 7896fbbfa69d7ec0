/* SPDX-License-Identifier: MIT */
#include "base/json_out.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>

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

int json_out_print(json_t *o, size_t flags, FILE *to, const char *what, struct failure *f)
{
	int failed;

	if (atomic_exchange(&short_of_memory, false) || !o) {
		json_decref(o);
		return failure_errno(f, -ENOMEM, "%s", what);
	}
	errno = 0;
	failed = json_dumpf(o, to, flags);
	failed |= fputc('\n', to) == EOF || fflush(to);
	json_decref(o);
	if (atomic_exchange(&short_of_memory, false))
		return failure_errno(f, -ENOMEM, "%s", what);
	return failed ? failure_errno(f, errno ? -errno : -EIO, "%s", what) : 0;
}

char *json_out_text(const json_t *o, size_t flags)
{
	bool complete = !atomic_exchange(&short_of_memory, false);

	return complete && o ? json_dumps(o, flags) : NULL;
}
