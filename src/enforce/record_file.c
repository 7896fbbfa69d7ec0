/* SPDX-License-Identifier: MIT */
#include "enforce/record_file.h"

#include "base/newfile.h"
#include "base/proc.h"
#include "enforce/cgroup.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAGIC_SIZE  8
#define ENTRIES_MAX 65536

struct head {
	char magic[MAGIC_SIZE];
	uint32_t size, n; /* of an entry; of them */
	int64_t pid;	  /* who wrote it, and when that process began */
	uint64_t start_ns;
};

int record_file_write(const char *file, const char *magic, const void *entries, size_t size,
		      size_t n)
{
	struct head head = {.size = (uint32_t)size, .n = (uint32_t)n, .pid = getpid()};
	struct proc_stat self;
	struct newfile new;
	int err;

	if (!n)
		return unlink(file) && errno != ENOENT ? -errno : 0;
	memcpy(head.magic, magic, MAGIC_SIZE);
	err = proc_read_stat(getpid(), 0, &self);
	if (err)
		return err;
	head.start_ns = self.start_ns;
	err = newfile_open(file, 0600, 0, &new);
	if (err)
		return err;
	fwrite(&head, sizeof(head), 1, new.to);
	fwrite(entries, size, n, new.to);
	return newfile_commit(&new);
}

bool record_is_path(const char *path)
{
	size_t len = strnlen(path, CGROUP_PATH);

	if (path[0] != '/' || len == CGROUP_PATH || strstr(path, "/../") || strchr(path, '\n'))
		return false;
	return len < 3 || strcmp(path + len - 3, "/..") != 0;
}

/* A zombie's work is over. */
static pid_t owner_of(const struct head *head)
{
	struct proc_stat stat;

	if (head->pid == getpid() || proc_read_stat((pid_t)head->pid, 0, &stat) ||
	    stat.start_ns != head->start_ns || stat.state == 'Z')
		return 0;
	return (pid_t)head->pid;
}

static int read_entries(FILE *from, const char *magic, size_t size, void **ret, size_t *ret_n,
			pid_t *ret_owner)
{
	struct head head;
	void *entries;

	if (fread(&head, sizeof(head), 1, from) != 1 || memcmp(head.magic, magic, MAGIC_SIZE) ||
	    head.size != size || head.n > ENTRIES_MAX)
		return -EBADMSG;
	entries = calloc((size_t)head.n + 1, size);
	if (!entries)
		return -ENOMEM;
	if (fread(entries, size, head.n, from) != head.n) {
		free(entries);
		return -EBADMSG;
	}
	*ret = entries;
	*ret_n = head.n;
	*ret_owner = owner_of(&head);
	return 0;
}

/* Only root's own file is believed. */
int record_file_read(const char *file, const char *magic, size_t size, void **ret, size_t *ret_n,
		     pid_t *ret_owner)
{
	int fd = open(file, O_RDONLY | O_CLOEXEC | O_NOFOLLOW), err;
	struct stat st;
	FILE *from;

	if (fd < 0)
		return -errno;
	from = fdopen(fd, "r");
	if (!from) {
		close(fd);
		return -ENOMEM;
	}
	err = fstat(fd, &st) || !S_ISREG(st.st_mode) || st.st_uid != geteuid() || (st.st_mode & 022)
		      ? -EBADMSG
		      : read_entries(from, magic, size, ret, ret_n, ret_owner);
	fclose(from);
	return err;
}
