/* SPDX-License-Identifier: MIT */
#include "base/tracefs.h"

#include "base/cleanup.h"
#include "base/proc.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <unistd.h>

int tracefs_open(void)
{
	_cleanup_(close_fd) int fs = (int)syscall(SYS_fsopen, "tracefs", FSOPEN_CLOEXEC);
	long fd;

	if (fs < 0 || syscall(SYS_fsconfig, fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0))
		return -errno;
	fd = syscall(SYS_fsmount, fs, FSMOUNT_CLOEXEC, 0);
	return fd < 0 ? -errno : (int)fd;
}

int tracefs_format(int dir, const char *event, char *ret, size_t size)
{
	_cleanup_(close_fd) int fd = -1;
	char path[128];

	snprintf(path, sizeof(path), "events/%s/format", event);
	fd = openat(dir, path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	return file_read_fd(fd, ret, size) < 0 ? -EIO : 0;
}

bool tracefs_id(const char *format, uint32_t *ret)
{
	return sscanf(format, "name: %*s ID: %u", ret) == 1;
}

bool tracefs_field(const char *format, const char *field, uint32_t *ret_offset)
{
	char wanted[96];
	const char *at;

	snprintf(wanted, sizeof(wanted), "field:%s;", field);
	at = strstr(format, wanted);
	return at && sscanf(at + strlen(wanted), " offset:%u;", ret_offset) == 1;
}
