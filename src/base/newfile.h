/* SPDX-License-Identifier: MIT */
/*
 * A file that is there whole or not at all. It is written without a name (or, where the file system
 * can't do that, by an unguessable name) and takes the place of PATH when it is complete:
 * a reader sees the old text or the new one, and other names, links or FIFOs in the directory are
 * never opened, waited for or written to.
 *
 * A program that a user runs may also be given a character device, a FIFO with a reader, or
 * its own standard output (/dev/stdout, or -): these are written as they are.
 */
#ifndef BASE_NEWFILE_H
#define BASE_NEWFILE_H

#include <stdbool.h>
#include <stdio.h>
#include <sys/types.h>

enum newfile_flags {
	NEWFILE_STREAMS = 1, /* devices, FIFOs and standard output, too */
	NEWFILE_SYNC = 2,    /* on the disk before it takes the place: waits for the disk */
};

struct newfile {
	FILE *to; /* NULL: nothing is open */
	/* newfile's own */
	bool stream;
	bool sync, named;
	int dir;
	char *name;
	char temporary[32];
};

/* With NEWFILE_STREAMS a link that a user names stands for what it leads to, as far as the kernel
 * would follow it (protected_symlinks). `mode` is what the file gets; 0 stands for 0666 less the
 * umask, or what PATH has if it is there. -ENOENT, -EACCES, ... of the directory; -EISDIR; -EINVAL
 * for what can't be written as a file; -ENXIO for a FIFO without a reader. */
int newfile_open(const char *path, mode_t mode, unsigned flags, struct newfile *ret);

/* Whether all was written, and is at PATH now: 0, -errno of the first failure (-EIO where stdio
 * kept no better one). Closes it in any case, and leaves nothing behind but the old file in the
 * second. */
int newfile_commit(struct newfile *n);

/* As if it had never been opened. No harm if it isn't open. */
void newfile_abandon(struct newfile *n);

/* All three at once. */
int newfile_write(const char *path, const char *text, size_t size, mode_t mode, unsigned flags);

#endif
