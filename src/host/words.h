/* SPDX-License-Identifier: MIT */
/*
 * The words of a process's command line, as /proc/PID/cmdline has them: each ends with NUL. A
 * process may write anything there, so they say what to look for, never what to trust.
 */
#ifndef HOST_WORDS_H
#define HOST_WORDS_H

#include <stddef.h>
#include <sys/types.h>

struct words {
	char *text; /* owned, freed by words_done(); a NUL follows the last of `size` bytes */
	size_t size;
};

/* -ESRCH, -EACCES, -ENOMEM; -E2BIG for more than 1 MiB. A process without any has size 0. */
int words_read(pid_t pid, struct words *ret);
void words_done(struct words *w);

/*
 * The value of the first option called `name` that begins at or behind *at: the next word after
 * "-name" or "--name", or the rest of "--name=". Moves *at behind it; NULL where there is none.
 * Begin with *at = 0.
 */
const char *words_option(const struct words *w, const char *name, size_t *at);

/*
 * The value of `key` in a QEMU option such as "memory-backend-file,id=a,size=1M", where a comma in
 * a value is doubled and the first part may leave its key out (it is `implied`), or in the same as
 * a JSON object. The last one counts. -ENOENT without one, -ENAMETOOLONG when it does not fit.
 */
int words_value(const char *option, const char *implied, const char *key, char *ret, size_t size);

/* The same of an option that is never JSON. */
int words_part(const char *option, const char *implied, const char *key, char *ret, size_t size);

#endif
