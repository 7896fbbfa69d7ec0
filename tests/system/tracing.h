/* SPDX-License-Identifier: MIT */
/*
 * Processes that compete for CPUs, and what ftrace records of it meanwhile, in an instance and with
 * a mount of its own. Its text has microseconds of CLOCK_MONOTONIC.
 */
#ifndef SYSTEM_TRACING_H
#define SYSTEM_TRACING_H

#include "base/units.h"

#include <inttypes.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define CPUS_MAX 64

static const char *like_vm; /* the program */
static char tracing[] = "/tmp/test-tracing-XXXXXX";
static char instance[64];

static pid_t children[16];
static int n_children;

static inline pid_t spawn(void)
{
	pid_t pid = fork();

	if (pid)
		children[n_children++] = pid;
	else
		prctl(PR_SET_PDEATHSIG, SIGKILL);
	return pid;
}

static inline void pin_to(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	sched_setaffinity(0, sizeof(set), &set);
}

static inline pid_t start_vm(const char *name)
{
	pid_t pid = spawn();

	if (!pid) {
		execl(like_vm, like_vm, "-name", name, NULL);
		_exit(1);
	}
	return pid;
}

/* cpu -1: any. */
static inline pid_t start_hog(const char *name, int nice, int cpu)
{
	pid_t pid = spawn();

	if (pid)
		return pid;
	prctl(PR_SET_NAME, name);
	setpriority(PRIO_PROCESS, 0, nice);
	if (cpu >= 0)
		pin_to(cpu);
	for (volatile uint64_t n = 0;; n++)
		;
}

static inline void end_all(void)
{
	while (n_children > 0) {
		kill(children[--n_children], SIGKILL);
		waitpid(children[n_children], NULL, 0);
	}
}

static inline bool write_text(const char *file, const char *text)
{
	char path[128];
	FILE *f;
	bool ok;

	snprintf(path, sizeof(path), "%s/%s", instance, file);
	f = fopen(path, "w");
	if (!f)
		return false;
	ok = fputs(text, f) >= 0;
	return fclose(f) == 0 && ok;
}

static inline bool open_tracing(void)
{
	if (!mkdtemp(tracing) || unshare(CLONE_NEWNS) ||
	    mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
	    mount("tracefs", tracing, "tracefs", 0, NULL))
		return false;
	snprintf(instance, sizeof(instance), "%s/instances/test-blame-%d", tracing, getpid());
	return !mkdir(instance, 0700) && write_text("trace_clock", "mono") &&
	       write_text("buffer_size_kb", "16384") &&
	       write_text("events/sched/sched_switch/enable", "1") &&
	       write_text("events/sched/sched_wakeup/enable", "1") &&
	       write_text("events/sched/sched_wakeup_new/enable", "1") &&
	       write_text("events/sched/sched_migrate_task/enable", "1");
}

static inline void close_tracing(void)
{
	rmdir(instance);
	umount2(tracing, MNT_DETACH);
	rmdir(tracing);
}

/* What stands behind "WORD=" in a line. */
static inline const char *behind(const char *line, const char *word)
{
	const char *at = strstr(line, word);

	assert_non_null(at);
	return at + strlen(word);
}

static inline pid_t number(const char *line, const char *word)
{
	return atoi(behind(line, word));
}

/* Finds time, CPU and event in a line: "  task-12   [001] d..2.  12.345678: sched_switch: ..." */
static inline void tracing_read_line(char *line, void (*fn)(const char *line, int cpu, uint64_t at))
{
	char *cpu_at = strstr(line, " ["), *event = cpu_at ? strstr(cpu_at, ": sched_") : NULL;
	char *time = event;
	uint64_t seconds, us;
	int cpu;

	if (!event || sscanf(cpu_at, " [%d]", &cpu) != 1 || cpu >= CPUS_MAX)
		return;
	for (*event = '\0'; time > line && time[-1] != ' '; time--)
		;
	if (sscanf(time, "%" SCNu64 ".%" SCNu64, &seconds, &us) == 2)
		fn(event + 2, cpu, seconds * NS_PER_SEC + us * NS_PER_US);
}

/* Hands out every line that has an event. */
static inline void tracing_read(void (*fn)(const char *line, int cpu, uint64_t at))
{
	char path[128], line[1024];
	FILE *f;

	snprintf(path, sizeof(path), "%s/trace", instance);
	f = fopen(path, "r");
	assert_non_null(f);
	while (fgets(line, sizeof(line), f))
		tracing_read_line(line, fn);
	fclose(f);
}

#endif
