/* SPDX-License-Identifier: MIT */
/* What benchmarks run, and how they take its time. */
#ifndef BENCH_LOAD_H
#define BENCH_LOAD_H

#include "base/proc.h"
#include "base/units.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static inline void die(const char *what)
{
	fprintf(stderr, "bench: %s: %s\n", what, strerror(errno));
	exit(1);
}

static inline pid_t spawn(char *const argv[], int out)
{
	pid_t pid = fork();

	if (pid < 0)
		die("fork");
	if (pid)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (out >= 0)
		dup2(out, STDOUT_FILENO);
	execvp(argv[0], argv);
	_exit(127);
}

static inline uint64_t cpu_time(pid_t pid)
{
	uint64_t run, delay;

	return proc_read_schedstat(pid, 0, &run, &delay) ? 0 : run;
}

static inline void pause_for(uint64_t ns)
{
	struct timespec t = {(time_t)(ns / NS_PER_SEC), (long)(ns % NS_PER_SEC)};

	nanosleep(&t, NULL);
}

/* One run: its own figure of the time that it took, and the CPU time of all its processes, which
 * other programs on the machine disturb less. */
struct timing {
	double elapsed, cpu;
};

static inline double seconds_of(const struct timeval *t)
{
	return (double)t->tv_sec + (double)t->tv_usec / 1e6;
}

static inline struct timing hackbench(void)
{
	char *argv[] = {"hackbench", "-P", "-g", "2", "-f", "5", "-l", "8000", NULL};
	char text[512] = "", *time;
	struct rusage usage;
	int out[2];
	ssize_t n;
	pid_t pid;

	if (pipe(out))
		die("pipe");
	pid = spawn(argv, out[1]);
	close(out[1]);
	for (size_t used = 0; (n = read(out[0], text + used, sizeof(text) - 1 - used)) > 0;)
		used += (size_t)n;
	close(out[0]);
	wait4(pid, NULL, 0, &usage);
	time = strstr(text, "Time:");
	if (!time) {
		errno = ENOENT;
		die("hackbench (package rt-tests)");
	}
	return (struct timing){strtod(time + 5, NULL),
			       seconds_of(&usage.ru_utime) + seconds_of(&usage.ru_stime)};
}

static inline int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

static inline double median(double *v, int n)
{
	qsort(v, (size_t)n, sizeof(*v), compare);
	return n % 2 ? v[n / 2] : (v[n / 2 - 1] + v[n / 2]) / 2;
}

#endif
