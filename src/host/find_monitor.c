/* SPDX-License-Identifier: MIT */
#include "host/find_monitor.h"

#include "base/cleanup.h"
#include "base/units.h"
#include "host/find.h"
#include "host/vm_name.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>

#define STEP_NS	     (100 * NS_PER_MS)
#define MONITORS_MAX 4
#define CONNECTED    3 /* SS_CONNECTED in /proc/net/unix */

static const char start_with_names[] = "none of its threads is called like a vCPU; start it with "
				       "-name NAME,debug-threads=on";

/* ---- which socket ---- */

static bool is_server(const char *option)
{
	char value[8];

	return !words_value(option, "", "server", value, sizeof(value))
		       ? !strcmp(value, "on") || !strcmp(value, "yes")
		       : strstr(option, ",server,") ||
				 (strlen(option) > 7 &&
				  !strcmp(option + strlen(option) - 7, ",server"));
}

/* "-qmp unix:PATH,server=on,wait=off" */
static bool is_qmp_at(const char *option, char *ret, size_t size)
{
	return !strncmp(option, "unix:", 5) && is_server(option) &&
	       !words_part(option + 5, "path", "path", ret, size);
}

static const char *chardev_of(const struct words *w, const char *wanted)
{
	const char *option;
	char id[64];

	for (size_t at = 0; (option = words_option(w, "chardev", &at));) {
		if (!words_value(option, "backend", "id", id, sizeof(id)) && !strcmp(id, wanted))
			return option;
	}
	return NULL;
}

/* "-chardev socket,id=ID,path=PATH,server=on,wait=off -mon chardev=ID,mode=control" */
static bool is_mon_at(const struct words *w, const char *option, char *ret, size_t size)
{
	char mode[16] = "", id[64] = "", backend[16] = "";
	const char *chardev;

	words_value(option, "chardev", "mode", mode, sizeof(mode));
	words_value(option, "chardev", "chardev", id, sizeof(id));
	chardev = chardev_of(w, id);
	if (strcmp(mode, "control") != 0 || !strcmp(id, "charmonitor") || !chardev)
		return false;
	words_value(chardev, "backend", "backend", backend, sizeof(backend));
	return !strcmp(backend, "socket") && is_server(chardev) &&
	       !words_value(chardev, "backend", "path", ret, size);
}

int monitor_path(const struct words *w, unsigned i, char *ret, size_t size)
{
	static const char *const qmp[] = {"qmp", "qmp-pretty"};
	const char *option;

	for (size_t k = 0; k < ARRAY_SIZE(qmp); k++) {
		for (size_t at = 0; (option = words_option(w, qmp[k], &at));) {
			if (is_qmp_at(option, ret, size) && !i--)
				return 0;
		}
	}
	for (size_t at = 0; (option = words_option(w, "mon", &at));) {
		if (is_mon_at(w, option, ret, size) && !i--)
			return 0;
	}
	return -ENOENT;
}

/* ---- is it free ---- */

/* "NUM: REFCOUNT PROTOCOL FLAGS TYPE STATE INODE PATH"; an accepted socket has the path, too. */
static bool is_taken(pid_t pid, const char *path)
{
	_cleanup_(free_ptr) char *line = NULL;
	_cleanup_(close_file) FILE *f = NULL;
	char name[64];
	size_t size = 0;

	snprintf(name, sizeof(name), "/proc/%d/net/unix", pid);
	f = fopen(name, "re");
	while (f && getline(&line, &size, f) > 0) {
		unsigned state = 0;
		int at = 0;

		line[strcspn(line, "\n")] = '\0';
		if (sscanf(line, "%*x: %*x %*x %*x %*x %x %*u %n", &state, &at) == 1 && at &&
		    state == CONNECTED && !strcmp(line + at, path))
			return true;
	}
	return !f;
}

/* ---- connecting ---- */

/* The socket's place, as O_PATH. */
static int open_place(const char *path)
{
	static const char *const bases[] = {"/run/user/%u", "/run", "/dev/shm", "/tmp",	 "/var/lib",
					    "/var/tmp",	    "/var", "/home",	"/root", ""};
	const struct open_how how = {.flags = O_PATH | O_CLOEXEC,
				     .resolve = RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS |
						RESOLVE_NO_XDEV};
	unsigned user = 0;
	int fd = -ENOENT;

	if (!strncmp(path, "/var/run/", 9))
		path += 4;
	sscanf(path, "/run/user/%u/", &user);
	for (size_t i = 0; i < ARRAY_SIZE(bases) && fd < 0; i++) {
		_cleanup_(close_fd) int base = -1;
		char dir[64];
		size_t n;

		snprintf(dir, sizeof(dir), bases[i], user);
		n = strlen(dir);
		if (strncmp(path, dir, n) != 0 || path[n] != '/')
			continue;
		base = open(n ? dir : "/", O_PATH | O_DIRECTORY | O_CLOEXEC);
		fd = base < 0 ? -errno
			      : (int)syscall(SYS_openat2, base, path + n + 1, &how, sizeof(how));
		fd = fd < 0 ? -errno : fd;
	}
	return fd;
}

static int connect_to(pid_t pid, const char *path)
{
	_cleanup_(close_fd) int place = open_place(path);
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	struct ucred who = {.pid = 0};
	socklen_t size = sizeof(who);
	int fd;

	if (place < 0)
		return place;
	snprintf(a.sun_path, sizeof(a.sun_path), "/proc/self/fd/%d", place);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	if (!connect(fd, (struct sockaddr *)&a, sizeof(a)) &&
	    !getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &size) && who.pid == pid)
		return fd;
	close(fd);
	return -ENOENT;
}

static int ask(pid_t pid, const char *path, struct failure *f, struct host_vm *ret)
{
	_cleanup_(close_fd) int fd = -1;
	char shown[128];
	int err;

	host_printable(path, shown, sizeof(shown));
	if (is_taken(pid, path))
		return failure_set(f, -EBUSY, "%s, or leave its monitor %s to us for a moment",
				   start_with_names, shown);
	fd = connect_to(pid, path);
	if (fd < 0)
		return failure_set(f, -ENOENT, "%s; its monitor %s can't be reached from here",
				   start_with_names, shown);
	err = host_find_qmp(fd, pid, STEP_NS, NULL, ret);
	return err ? failure_set(f, -ENOENT, "%s; its monitor %s gives no list of its vCPUs",
				 start_with_names, shown)
		   : 0;
}

int host_find_monitor(pid_t pid, struct failure *f, struct host_vm *ret)
{
	_cleanup_(words_done) struct words words = {.text = NULL};
	char path[sizeof(((struct sockaddr_un *)NULL)->sun_path)];
	int err = words_read(pid, &words);
	bool any = false;

	if (err || !vm_name_is_qemu(&words))
		return failure_set(f, -ENOENT, "%s", start_with_names);
	for (unsigned i = 0; i < MONITORS_MAX; i++) {
		err = monitor_path(&words, i, path, sizeof(path));
		if (err)
			break;
		any = true;
		if (!ask(pid, path, f, ret))
			return 0;
	}
	return any ? -ENOENT : failure_set(f, -ENOENT, "%s", start_with_names);
}
