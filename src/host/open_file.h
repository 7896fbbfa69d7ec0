/* SPDX-License-Identifier: MIT */
/*
 * A file that another process has open, taken from it as a descriptor. No path is ever looked up,
 * since every step of a look-up may lead into a file system that the other process serves itself,
 * and wait there for as long as it likes: what is compared are the names that the kernel gives open
 * files, and the file systems that they are on.
 */
#ifndef HOST_OPEN_FILE_H
#define HOST_OPEN_FILE_H

#include <stddef.h>
#include <sys/types.h>

/*
 * Takes the regular file that process `pid` has opened as `name`: its path, the same after it was
 * deleted, or /proc/self/fd/N; else the only one whose last part is the same. Afterwards it may be
 * read, written and mapped: where the process has it for reading only, it is opened for writing if
 * the file is its own user's.
 *
 * -ENOENT for no such file, -ENOTUNIQ for several, -ESRCH for no such process, -EMEDIUMTYPE for a
 * file system that is not known to be local memory or a local disk, -EINVAL for what is no regular
 * file, -EBADF for a file that the process may not write, -EACCES, -EPERM.
 */
int open_file_take(pid_t pid, const char *name, int *ret_fd);

#endif
