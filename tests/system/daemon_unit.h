/* SPDX-License-Identifier: MIT */
/*
 * A daemon of ours as systemd runs it, for tests: with the capabilities that its unit (UNIT) leaves
 * it and a socket to notify, a configuration in a directory of its own, its log in a file. It
 * becomes nobody; the group of its socket is daemon's.
 */
#ifndef DAEMON_UNIT_H
#define DAEMON_UNIT_H

#include "base/proc.h"
#include "scratch.h"

#include <cap-ng.h>
#include <jansson.h>
#include <pwd.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

static const char *daemon_program; /* its path */
static const char *daemon_name;	   /* of its section */

struct service {
	char dir[80], config[96], socket[96], textfile[96], notify_path[96], log[96];
	int notify;
	pid_t pid;
};

static inline void sleep_ms(uint64_t ms)
{
	nanosleep(&(struct timespec){(time_t)(ms / 1000), (long)(ms % 1000) * 1000000}, NULL);
}

static inline void write_config(const struct service *s, const char *more)
{
	FILE *f = fopen(s->config, "w");

	fprintf(f, "[%s]\nuser = nobody\ngroup = daemon\nsocket = %s\n%s", daemon_name, s->socket,
		more);
	assert_int_equal(fclose(f), 0);
	assert_int_equal(chmod(s->config, 0644), 0);
}

/* No more than the unit leaves it to start with. */
static inline void bound_capabilities(void)
{
	char text[8192], *name;

	assert_true(file_read(UNIT, text, sizeof(text)) > 0);
	name = strstr(text, "\nCapabilityBoundingSet=");
	assert_non_null(name);
	name[1 + strcspn(name + 1, "\n")] = '\0';
	capng_clear(CAPNG_SELECT_BOTH);
	for (name = strtok(strchr(name, '=') + 1, " "); name; name = strtok(NULL, " "))
		capng_update(CAPNG_ADD, CAPNG_EFFECTIVE | CAPNG_PERMITTED | CAPNG_BOUNDING_SET,
			     (unsigned)capng_name_to_capability(name + strlen("CAP_")));
	assert_int_equal(capng_apply(CAPNG_SELECT_BOTH), 0);
}

static inline void spawn(struct service *s)
{
	s->pid = fork();
	if (s->pid)
		return;
	scratch_join();
	setenv("NOTIFY_SOCKET", s->notify_path, 1);
	bound_capabilities();
	dup2(open(s->log, O_WRONLY | O_CREAT | O_TRUNC, 0600), STDERR_FILENO);
	execl(daemon_program, daemon_program, "--config", s->config, NULL);
	_exit(127);
}

/* What the daemon told systemd last, within half a minute. */
static inline void expect_told(const struct service *s, const char *what)
{
	const struct timeval patience = {.tv_sec = 30};
	char text[512];
	ssize_t n;

	setsockopt(s->notify, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	do {
		n = recv(s->notify, text, sizeof(text) - 1, 0);
		assert_true(n > 0);
		text[n] = '\0';
	} while (!strncmp(text, "STATUS=", 7)); /* a line of figures, every ten seconds */
	if (strncmp(text, what, strlen(what)) != 0)
		fail_msg("told '%s', expected '%s'", text, what);
}

static inline int setup(void **state)
{
	struct service *s = calloc(1, sizeof(*s));
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	const struct passwd *nobody = getpwnam("nobody");

	snprintf(s->dir, sizeof(s->dir), "%s/XXXXXX", scratch_dir("test-daemon"));
	assert_non_null(mkdtemp(s->dir));
	chmod(s->dir, 0755);
	snprintf(s->config, sizeof(s->config), "%s/conf", s->dir);
	snprintf(s->socket, sizeof(s->socket), "%s/socket", s->dir);
	snprintf(s->textfile, sizeof(s->textfile), "%s/nobodys", s->dir);
	assert_int_equal(mkdir(s->textfile, 0755), 0);
	assert_int_equal(chown(s->textfile, nobody->pw_uid, (gid_t)-1), 0);
	snprintf(s->textfile, sizeof(s->textfile), "%s/nobodys/a.prom", s->dir);
	snprintf(s->notify_path, sizeof(s->notify_path), "%s/notify", s->dir);
	snprintf(s->log, sizeof(s->log), "%s/log", s->dir);
	s->notify = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	snprintf(address.sun_path, sizeof(address.sun_path), "%s", s->notify_path);
	assert_int_equal(bind(s->notify, (struct sockaddr *)&address, sizeof(address)), 0);
	chmod(s->notify_path, 0666);
	*state = s;
	return 0;
}

static inline int start(void **state)
{
	struct service *s;

	setup(state);
	s = *state;
	write_config(s, "");
	spawn(s);
	expect_told(s, "READY=1\nSTATUS=source ");
	return 0;
}

static inline void stop(struct service *s)
{
	int status;

	kill(s->pid, SIGTERM);
	assert_int_equal(waitpid(s->pid, &status, 0), s->pid);
	assert_int_equal(status, 0);
	s->pid = 0;
}

static inline int teardown(void **state)
{
	struct service *s = *state;
	char command[128];

	if (s->pid) {
		kill(s->pid, SIGKILL);
		waitpid(s->pid, NULL, 0);
	}
	close(s->notify);
	snprintf(command, sizeof(command), "rm -rf %s", s->dir);
	assert_int_equal(system(command), 0);
	free(s);
	return 0;
}

/* The answer to a line. */
static inline json_t *ask_with(const struct service *s, const char *line)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	FILE *f;
	json_t *o;

	snprintf(address.sun_path, sizeof(address.sun_path), "%s", s->socket);
	assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	f = fdopen(fd, "r+");
	fprintf(f, "%s\n", line);
	fflush(f);
	o = json_loadf(f, JSON_DISABLE_EOF_CHECK, NULL);
	fclose(f);
	assert_non_null(o);
	return o;
}

static inline json_t *ask(const struct service *s, const char *what)
{
	char line[128];

	snprintf(line, sizeof(line), "{\"get\":\"%s\"}", what);
	return ask_with(s, line);
}

static inline long status_field(pid_t pid, const char *name, int base)
{
	char path[32], text[4096], *line;

	snprintf(path, sizeof(path), "/proc/%d/status", pid);
	assert_true(file_read(path, text, sizeof(text)) > 0);
	line = strstr(text, name);
	assert_non_null(line);
	return strtol(line + strlen(name), NULL, base);
}

#endif
