/* SPDX-License-Identifier: MIT */
/*
 * Stands in for libFuzzer where there is none: runs a fuzz target once over every file of the
 * directories that are named. Fails when there is no file: a test of nothing is none.
 */
#include "fuzz.h"

#include "base/cleanup.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

static int replay_file(int dir, const char *name)
{
	_cleanup_(close_fd) int fd = openat(dir, name, O_RDONLY | O_CLOEXEC);
	_cleanup_(free_ptr) uint8_t *data = NULL;
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return 0;
	data = malloc((size_t)st.st_size + 1);
	if (!data || read(fd, data, (size_t)st.st_size) != st.st_size)
		return -EIO;
	LLVMFuzzerTestOneInput(data, (size_t)st.st_size);
	return 1;
}

/* Returns how many files were replayed, or a negative error. */
static int replay_directory(const char *path)
{
	DIR *d = opendir(path);
	struct dirent *e;
	int total = 0;

	if (!d)
		return -errno;
	while ((e = readdir(d))) {
		int n = replay_file(dirfd(d), e->d_name);

		if (n < 0) {
			total = n;
			break;
		}
		total += n;
	}
	closedir(d);
	return total;
}

int main(int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		int n = replay_directory(argv[i]);

		if (n <= 0) {
			fprintf(stderr, "%s: %s: %s\n", argv[0], argv[i],
				n < 0 ? strerror(-n) : "no seeds there");
			return 1;
		}
	}
	return argc > 1 ? 0 : 1;
}
