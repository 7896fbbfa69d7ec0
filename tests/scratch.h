/* SPDX-License-Identifier: MIT */
/*
 * A directory of the test's own, and processes, that go when the test goes, however that ends: a
 * process that the test does not wait for holds one end of a pipe, the test the other.
 */
#ifndef TESTS_SCRATCH_H
#define TESTS_SCRATCH_H

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static struct {
	char dir[64];
	pid_t keeper; /* leads the group of the processes that are to go */
	int alive;    /* a pipe that the test alone holds open */
} scratch;

static inline _Noreturn void scratch_keep(int alive)
{
	char byte;
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	for (int fd = 0; fd <= 2; fd++)
		dup2(null, fd);
	for (int signal_number = 1; signal_number < NSIG; signal_number++)
		signal(signal_number, SIG_IGN);
	signal(SIGCHLD, SIG_DFL);
	(void)!read(alive, &byte, 1); /* its end */
	kill(0, SIGTERM);
	usleep(200000);
	if (fork() == 0) {
		execlp("rm", "rm", "-rf", scratch.dir, NULL);
		_exit(127);
	}
	wait(NULL);
	kill(0, SIGKILL);
	_exit(1);
}

/* The directory, which anybody may enter. */
static inline const char *scratch_dir(const char *name)
{
	int ends[2];

	if (scratch.keeper)
		return scratch.dir;
	snprintf(scratch.dir, sizeof(scratch.dir), "/tmp/%s.XXXXXX", name);
	if (!mkdtemp(scratch.dir) || chmod(scratch.dir, 0755) || pipe2(ends, O_CLOEXEC))
		exit(1);
	scratch.keeper = fork();
	if (scratch.keeper == 0) {
		setpgid(0, 0);
		close(ends[1]);
		scratch_keep(ends[0]);
	}
	setpgid(scratch.keeper, scratch.keeper);
	close(ends[0]);
	scratch.alive = ends[1];
	return scratch.dir;
}

/* For a child between fork and exec: it goes with the test. */
static inline void scratch_join(void)
{
	close(scratch.alive);
	setpgid(0, scratch.keeper);
}

#endif
