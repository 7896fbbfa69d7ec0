/* SPDX-License-Identifier: MIT */
/*
 * An agent whose figures a test decides: it answers as vmdesched does, schema desched-agent/1. A
 * process of its own, called vmdesched, since that is what a view shows.
 */
#ifndef TESTS_FAKE_AGENT_H
#define TESTS_FAKE_AGENT_H

#include "base/clock.h"
#include "base/proc.h"
#include "base/units.h"

#include <jansson.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

/* When the task's time was last asked for, and what that was. */
struct fake_asked {
	uint64_t at, run; /* ns */
};

/* Shared with the agent's process; the test writes, but for `client` and `asked`. */
struct fake {
	char path[64];
	pid_t pid;		 /* of the agent */
	_Atomic pid_t task;	 /* the process that it knows */
	_Atomic double less;	 /* s that it did not have */
	_Atomic double share;	 /* and, beside that, of all its time: 0 .. 1 */
	_Atomic double children; /* s that its children did not have */
	_Atomic double vmdesched;
	_Atomic pid_t client;	    /* who asked last */
	struct fake_asked asked[2]; /* the last time, the time before; read when nobody asks */
};

static inline struct fake *fake_new(const char *name)
{
	struct fake *f = mmap(NULL, sizeof(*f), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
			      -1, 0);

	if (f == MAP_FAILED)
		exit(1);
	snprintf(f->path, sizeof(f->path), "/tmp/%s.%d.sock", name, getpid());
	return f;
}

static inline json_t *fake_amounts(double reported, double less)
{
	return json_pack("{s:f, s:f}", "reported_s", reported, "true_s", reported - less);
}

static inline json_t *fake_process(struct fake *f)
{
	uint64_t run = 0, delay;
	double less;
	json_t *o;

	proc_read_schedstat(f->task, 0, &run, &delay);
	f->asked[1] = f->asked[0];
	f->asked[0] = (struct fake_asked){clock_mono(), run};
	less = f->less + f->share * ns_to_s(run);
	o = fake_amounts(ns_to_s(run), less);
	json_object_set_new(o, "pid", json_integer(f->task));
	json_object_set_new(o, "children", fake_amounts(f->children, f->children));
	return o;
}

static inline void fake_answer(struct fake *f, uint64_t begin, FILE *to)
{
	json_t *o = json_pack("{s:s, s:f, s:{s:f}, s:[{s:i}], s:[o]}", "schema", "desched-agent/1",
			      "elapsed_s", ns_to_s(clock_mono() - begin), "totals", "vmdesched_s",
			      f->vmdesched, "cpus", "cpu", 0, "processes", fake_process(f));

	json_dumpf(o, to, JSON_COMPACT);
	fputc('\n', to);
	fflush(to);
	json_decref(o);
}

static inline _Noreturn void fake_serve(struct fake *f, int listener)
{
	uint64_t begin = clock_mono();

	for (;;) {
		int fd = accept(listener, NULL, NULL);
		FILE *s = fd < 0 ? NULL : fdopen(fd, "r+");
		struct ucred peer;
		socklen_t size = sizeof(peer);
		char line[256];

		if (!s)
			_exit(1);
		if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size))
			peer.pid = 0;
		while (fgets(line, sizeof(line), s)) {
			f->client = peer.pid;
			fake_answer(f, begin, s);
		}
		fclose(s);
	}
}

/* Its figures count from now on. */
static inline void fake_start(struct fake *f)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	pid_t pid;

	strcpy(address.sun_path, f->path);
	unlink(f->path);
	if (bind(fd, (struct sockaddr *)&address, sizeof(address)))
		exit(1);
	pid = fork();
	if (pid == 0) {
		signal(SIGPIPE, SIG_IGN);
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		prctl(PR_SET_NAME, "vmdesched");
		if (listen(fd, 8)) /* here: the peer is who listens */
			_exit(1);
		fake_serve(f, fd);
	}
	f->pid = pid;
	close(fd);
	for (int i = 0; i < 6000; i++) {
		int probe = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
		int err = connect(probe, (struct sockaddr *)&address, sizeof(address));

		close(probe);
		if (!err)
			return;
		usleep(10000);
	}
	exit(1);
}

static inline void fake_stop(struct fake *f)
{
	kill(f->pid, SIGKILL);
	waitpid(f->pid, NULL, 0);
	unlink(f->path);
}

#endif
