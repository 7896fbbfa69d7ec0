/* SPDX-License-Identifier: MIT */
/* A test in a PID namespace of its own, with its own /proc: what it starts sees no other processes,
 * so that VMs of others are neither measured nor touched. */
#ifndef OWN_PIDS_H
#define OWN_PIDS_H

#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

/* Returns in a process that is alone; the caller ends with its status. Needs root. */
static inline void own_pids(void)
{
	pid_t pid;
	int status;

	if (unshare(CLONE_NEWPID | CLONE_NEWNS) ||
	    mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL))
		exit(1);
	pid = fork(); /* the namespace's init: all in it ends with it */
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (mount("proc", "/proc", "proc", 0, NULL))
			_exit(1);
		return;
	}
	/* Nor has this process an entry in that /proc, in which AddressSanitizer would look. */
	waitpid(pid, &status, 0);
	_exit(WIFEXITED(status) ? WEXITSTATUS(status) : 1);
}

/* The end of that process. AddressSanitizer can't look for leaks there: it would have to trace a
 * namespace's first process. */
static inline _Noreturn void own_pids_end(int status)
{
	fflush(NULL);
	_exit(status ? 1 : 0);
}

#endif
