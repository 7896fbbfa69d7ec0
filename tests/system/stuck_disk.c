/* SPDX-License-Identifier: MIT */
/*
 * A file system on FUSE with one file, `disk`, of 4 MiB of zeros, whose second MiB never comes: for
 * programs that must not wait for ever. Mount it in a mount namespace of its own.
 *
 *     stuck_disk -f DIRECTORY
 */
#define FUSE_USE_VERSION 35
#include <errno.h>
#include <fuse.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MIB (1 << 20)

static int get_attributes(const char *path, struct stat *st, struct fuse_file_info *fi)
{
	int is_root = !strcmp(path, "/");

	(void)fi;
	if (!is_root && strcmp(path, "/disk") != 0)
		return -ENOENT;
	*st = (struct stat){.st_mode = is_root ? S_IFDIR | 0755 : S_IFREG | 0666,
			    .st_nlink = 1,
			    .st_size = is_root ? 0 : 4 * MIB};
	return 0;
}

static int read_some(const char *path, char *to, size_t size, off_t at, struct fuse_file_info *fi)
{
	(void)path, (void)fi;
	while (at + (off_t)size > MIB && at < 2 * MIB)
		pause();
	memset(to, 0, size);
	return (int)size;
}

int main(int argc, char **argv)
{
	static const struct fuse_operations operations = {.getattr = get_attributes,
							  .read = read_some};

	return fuse_main(argc, argv, &operations, NULL);
}
