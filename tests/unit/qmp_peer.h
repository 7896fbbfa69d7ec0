/* SPDX-License-Identifier: MIT */
/* A scripted QMP peer on a socket pair, for tests: a script is a function in a thread of its
 * own. */
#ifndef UNIT_QMP_PEER_H
#define UNIT_QMP_PEER_H

#include "base/units.h"
#include "host/qmp.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#define PATIENCE (20 * NS_PER_SEC) /* for what must succeed, on a busy machine */
#define SHORT	 (100 * NS_PER_MS) /* for what must time out */

#define GREETING "{\"QMP\": {\"version\": {\"qemu\": {\"major\": 7}}, \"capabilities\": []}}\r\n"

typedef void (*script_fn)(int fd);

struct peer {
	pthread_t thread;
	int fd, theirs;
	pid_t tid; /* of the thread, once it runs */
	script_fn script;
};

static inline void *run_script(void *data)
{
	struct peer *p = data;

	__atomic_store_n(&p->tid, gettid(), __ATOMIC_SEQ_CST);
	p->script(p->theirs);
	shutdown(p->theirs, SHUT_WR);
	return NULL;
}

static inline void begin(struct peer *p, script_fn script)
{
	int fds[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	p->fd = fds[0];
	p->theirs = fds[1];
	p->script = script;
	p->tid = 0;
	assert_int_equal(pthread_create(&p->thread, NULL, run_script, p), 0);
}

static inline void end(struct peer *p)
{
	shutdown(p->fd, SHUT_RDWR); /* ends a script that is still writing or reading */
	pthread_join(p->thread, NULL);
	close(p->fd);
	close(p->theirs);
}

/* False when the other side is gone. */
static inline bool say(int fd, const char *text)
{
	size_t left = strlen(text);

	while (left) {
		ssize_t n = send(fd, text, left, MSG_NOSIGNAL);

		if (n <= 0)
			return false;
		text += n;
		left -= (size_t)n;
	}
	return true;
}

/* Reads a command and returns its id, -1 when the other side is gone. */
static inline long long hear(int fd, const char *command)
{
	char line[4096];
	size_t n = 0;
	json_t *j;
	long long id;

	/* A command ends where its JSON ends: QEMU needs no newline. */
	do {
		if (n == sizeof(line) || recv(fd, line + n, 1, 0) != 1)
			return -1;
		n++;
	} while (line[n - 1] != '}' || !(j = json_loadb(line, n, 0, NULL)));
	if (strcmp(json_string_value(json_object_get(j, "execute")), command) != 0)
		abort();
	id = json_integer_value(json_object_get(j, "id"));
	json_decref(j);
	return id;
}

static inline void answer(int fd, long long id, const char *value)
{
	char text[65536];

	snprintf(text, sizeof(text), "{\"return\": %s, \"id\": %lld}\r\n", value, id);
	say(fd, text);
}

static inline void greet(int fd)
{
	say(fd, GREETING);
	answer(fd, hear(fd, "qmp_capabilities"), "{}");
}

/* Says nothing until the other side goes. */
static inline void script_silent(int fd)
{
	char c;

	(void)!recv(fd, &c, 1, 0);
}

#endif
