/* SPDX-License-Identifier: MIT */
/*
 * What `desched vm` costs before its guest does anything: time from exec to the first KVM_RUN and
 * to the first byte on the serial line, over some starts; resident memory without the guest's; size
 * of the program without symbols.
 *
 *     bench_vm DESCHED [STARTS]
 */
#include "base/clock.h"
#include "base/units.h"

#include <jansson.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define STARTS_MAX   200
#define GUEST_MEMORY "64"
#define GUEST_KIB    (64 * 1024)
#define GOAL_START   10.0 /* ms */
#define GOAL_MEMORY  5.0  /* MiB */

static char figures[] = "/tmp/bench-vm.XXXXXX";

struct start {
	double entered, spoke; /* ms after exec */
	double memory;	       /* MiB */
};

/* Resident memory of all mappings but the one that is the guest's, by its size. */
static double memory_of(pid_t pid)
{
	unsigned long from, to, rss, all = 0, size = 0;
	char path[64], line[512];
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/smaps", pid);
	f = fopen(path, "re");
	while (f && fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%lx-%lx ", &from, &to) == 2)
			size = (to - from) / 1024;
		else if (sscanf(line, "Rss: %lu kB", &rss) == 1 && size != GUEST_KIB)
			all += rss;
	}
	if (f)
		fclose(f);
	return (double)all / 1024;
}

static double started(void)
{
	json_t *o = json_load_file(figures, 0, NULL);
	double s = json_number_value(json_object_get(o, "started_s"));

	json_decref(o);
	return s;
}

static struct start start_once(const char *desched)
{
	struct start s;
	uint64_t begin;
	int out[2];
	char byte;
	pid_t pid;

	if (pipe(out))
		exit(1);
	begin = clock_mono();
	pid = fork();
	if (pid == 0) {
		dup2(out[1], STDOUT_FILENO);
		execl(desched, "desched", "vm", "--memory", GUEST_MEMORY, "--json", figures, NULL);
		_exit(127);
	}
	close(out[1]);
	if (pid < 0 || read(out[0], &byte, 1) != 1) {
		fprintf(stderr, "bench_vm: %s vm does not run its guest\n", desched);
		exit(1);
	}
	s.spoke = (double)(clock_mono() - begin) / 1e6;
	s.memory = memory_of(pid);
	kill(pid, SIGTERM);
	waitpid(pid, NULL, 0);
	close(out[0]);
	s.entered = 1e3 * (started() - ns_to_s(begin));
	return s;
}

static int by_size(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static void print(const char *what, double *values, int n, const char *unit, double goal)
{
	qsort(values, (size_t)n, sizeof(*values), by_size);
	printf("%-38s %8.2f %s (%.2f to %.2f)", what, values[n / 2], unit, values[0],
	       values[n - 1]);
	if (goal > 0)
		printf(", goal %.0f: %s", goal, values[n / 2] <= goal ? "met" : "not met");
	putchar('\n');
}

static void print_size(const char *desched)
{
	char stripped[64], command[512];
	struct stat st;

	snprintf(stripped, sizeof(stripped), "%s.stripped", figures);
	snprintf(command, sizeof(command), "strip -o '%s' '%s'", stripped, desched);
	if (!system(command) && !stat(stripped, &st))
		printf("%-38s %8.2f MiB\n", "all of desched, stripped",
		       (double)st.st_size / 1048576);
	unlink(stripped);
}

int main(int argc, char **argv)
{
	static double entered[STARTS_MAX], spoke[STARTS_MAX], memory[STARTS_MAX];
	int n = argc > 2 ? atoi(argv[2]) : 20, fd = mkstemp(figures);

	if (argc < 2 || n < 1 || n > STARTS_MAX || fd < 0)
		return 2;
	close(fd);
	for (int i = 0; i < n; i++) {
		struct start s = start_once(argv[1]);

		entered[i] = s.entered;
		spoke[i] = s.spoke;
		memory[i] = s.memory;
	}
	printf("desched vm, %d starts: median (least to most)\n", n);
	print("exec to the first KVM_RUN", entered, n, "ms", GOAL_START);
	print("exec to the first serial byte", spoke, n, "ms", 0);
	print("resident memory without the guest's", memory, n, "MiB", GOAL_MEMORY);
	print_size(argv[1]);
	return unlink(figures);
}
