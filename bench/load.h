/* SPDX-License-Identifier: MIT */
/* What benchmarks run, and how they take its time. */
#ifndef BENCH_LOAD_H
#define BENCH_LOAD_H

#include "base/clock.h"
#include "base/proc.h"
#include "base/units.h"

#include <errno.h>
#include <math.h>
#include <sched.h>
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

/* CPU time of all threads of a process, those that have ended too. */
static inline uint64_t process_cpu(pid_t pid)
{
	struct timespec t = {0};
	clockid_t clock;

	if (clock_getcpuclockid(pid, &clock) || clock_gettime(clock, &t))
		return 0;
	return (uint64_t)t.tv_sec * NS_PER_SEC + (uint64_t)t.tv_nsec;
}

static inline double resident_mib(pid_t pid)
{
	char path[64], text[4096], *line;

	snprintf(path, sizeof(path), "/proc/%d/status", pid);
	if (file_read(path, text, sizeof(text)) < 0 || !(line = strstr(text, "VmRSS:")))
		return NAN;
	return strtod(line + 6, NULL) / 1024;
}

static inline void pause_for(uint64_t ns)
{
	struct timespec t = {(time_t)(ns / NS_PER_SEC), (long)(ns % NS_PER_SEC)};

	nanosleep(&t, NULL);
}

#define PING_PONGS 200000

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

/* Two processes on one CPU that pass a byte to and fro: nothing but switches. */
static inline void pass_bytes(int from, int to, int n)
{
	char byte = 0;

	for (int i = 0; i < n; i++)
		if (read(from, &byte, 1) != 1 || write(to, &byte, 1) != 1)
			_exit(1);
	_exit(0);
}

static inline struct timing ping_pong(void)
{
	int there[2], back[2], status[2];
	uint64_t begin = clock_mono();
	struct timing t = {0};
	pid_t pids[2];

	if (pipe(there) || pipe(back) || write(there[1], "", 1) != 1)
		die("pipe");
	for (int i = 0; i < 2; i++) {
		cpu_set_t first;

		pids[i] = fork();
		if (pids[i])
			continue;
		CPU_ZERO(&first);
		CPU_SET(0, &first);
		sched_setaffinity(0, sizeof(first), &first);
		pass_bytes(i ? back[0] : there[0], i ? there[1] : back[1], PING_PONGS);
	}
	for (int i = 0; i < 2; i++) {
		struct rusage usage;

		wait4(pids[i], &status[i], 0, &usage);
		t.cpu += seconds_of(&usage.ru_utime) + seconds_of(&usage.ru_stime);
	}
	t.elapsed = ns_to_s(clock_mono() - begin);
	for (int i = 0; i < 2; i++) {
		close(there[i]);
		close(back[i]);
	}
	if (status[0] || status[1])
		die("ping-pong");
	return t;
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
