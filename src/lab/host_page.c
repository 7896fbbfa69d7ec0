/* SPDX-License-Identifier: MIT */
#include "lab/host_page.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/units.h"
#include "lab/session.h"

#include <desched/page.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define AWAIT_NS (15 * NS_PER_SEC) /* deschedd finds a machine within a second */
#define POLL_NS	 (100 * NS_PER_MS)

int host_page_begin(struct session *s, struct failure *f)
{
	snprintf(s->dir, sizeof(s->dir), "/tmp/desched-lab.XXXXXX");
	if (!mkdtemp(s->dir)) {
		int err = -errno;

		s->dir[0] = '\0';
		return failure_errno(f, err, "a directory in /tmp");
	}
	/* Others may use what they are told the name of. */
	if (chmod(s->dir, 0711))
		return failure_errno(f, -errno, "%s", s->dir);
	return 0;
}

void host_page_remove(const struct session *s, const struct machine *m)
{
	static const char *const files[] = {MACHINE_PAGE, MACHINE_TRACE};
	char path[MACHINE_SHARED_PATH];

	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		machine_shared_path(m, s->dir, files[i], path);
		unlink(path);
	}
}

static void remove_directory(const char *path)
{
	DIR *dir = opendir(path);
	const struct dirent *e;

	while (dir && (e = readdir(dir)))
		unlinkat(dirfd(dir), e->d_name, 0); /* not . and .. */
	if (dir)
		closedir(dir);
	rmdir(path);
}

void host_page_end(struct session *s)
{
	if (!s->dir[0])
		return;
	for (int i = 0; i < s->n; i++)
		host_page_remove(s, &s->machines[i]);
	remove_directory(s->dir);
}

static bool is_written(const char *path)
{
	_cleanup_(close_fd) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	uint64_t magic = 0;

	return fd >= 0 && pread(fd, &magic, sizeof(magic), 0) == sizeof(magic) &&
	       magic == PAGE_MAGIC;
}

int host_page_await(struct session *s, const struct machine *m, struct failure *f)
{
	uint64_t end = clock_mono() + AWAIT_NS;
	char path[MACHINE_SHARED_PATH];

	machine_shared_path(m, s->dir, MACHINE_PAGE, path);
	session_say(s, "waiting for the page of %s", m->name);
	while (!is_written(path)) {
		if (clock_mono() > end)
			return failure_set(f, -ETIMEDOUT,
					   "%s: no daemon wrote its page, %s, within %d s; is "
					   "deschedd running here (systemctl status deschedd)? It "
					   "says in its log what it doesn't write, and why",
					   m->name, path, (int)(AWAIT_NS / NS_PER_SEC));
		if (session_pump(s, POLL_NS))
			return -EINTR;
		if (m->failure[0])
			return failure_set(f, -EREMOTEIO, "%s: %s", m->name, m->failure);
	}
	return 0;
}
