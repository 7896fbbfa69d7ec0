/* SPDX-License-Identifier: MIT */
/*
 * What a monitor costs before its guest does anything, `desched vm` beside QEMU's microvm with the
 * same kernel and as much guest memory: time from exec to the first byte on the serial line, and
 * resident memory without the guest's. They start by turns, so that what else the machine does
 * meets both; a ratio is of two starts in a row. Of `desched vm` alone also the time to the first
 * KVM_RUN, and the size of the program without symbols.
 *
 *     bench_vm DESCHED KERNEL [JSON [STARTS]]
 */
#include "base/clock.h"
#include "base/units.h"

#include <fcntl.h>
#include <jansson.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define STARTS_MAX   200
#define GUEST_MEMORY "64"
#define GUEST_KIB    (64 * 1024)
#define MICROVM	     "microvm,pit=on,pic=on,rtc=on,isa-serial=on,x-option-roms=off"

static char json[] = "--json=/tmp/bench-vm.XXXXXX";
static char *const figures = json + sizeof("--json=") - 1;
static const char *desched, *kernel;

enum monitor { DESCHED, MICRO, MONITORS };

static const char *const names[MONITORS] = {"desched vm", "qemu microvm"};

static const char *const *words(enum monitor m)
{
	static const char *list[MONITORS][24];
	const char *const both[MONITORS][24] = {
		{desched, "vm", "--memory", GUEST_MEMORY, "--kernel", kernel, json},
		{"qemu-system-x86_64", "-accel", "kvm", "-M", MICROVM, "-m", GUEST_MEMORY,
		 "-nodefaults", "-no-user-config", "-display", "none", "-serial", "stdio",
		 "-no-reboot", "-kernel", kernel},
	};

	memcpy(list, both, sizeof(list));
	return list[m];
}

struct figure {
	const char *what, *unit;
	double goal; /* at most; 0: none */
	int n;
	double values[STARTS_MAX];
};

static struct figure spoke[MONITORS], memory[MONITORS],
	entered = {"desched vm: exec to the first KVM_RUN", "ms", 10, 0, {0}},
	spoke_ratio = {"ratio, microvm to desched vm", "times", 0, 0, {0}},
	memory_ratio = {"ratio, microvm to desched vm", "times", 0, 0, {0}};

/* Resident memory of all mappings but the one that is the guest's, by its size; MiB. */
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

static void child(enum monitor m, int out)
{
	int null = open("/dev/null", O_RDWR);

	dup2(null, STDIN_FILENO);
	dup2(out, STDOUT_FILENO);
	if (m == MICRO)
		dup2(null, STDERR_FILENO); /* it warns of a processor with few features */
	execvp(words(m)[0], (char *const *)words(m));
	_exit(127);
}

static void put(struct figure *f, double value)
{
	f->values[f->n++] = value;
}

/* False if it never spoke. */
static bool start_once(enum monitor m)
{
	uint64_t begin;
	bool good;
	int out[2];
	char byte;
	pid_t pid;

	if (pipe2(out, O_CLOEXEC))
		exit(1);
	begin = clock_mono();
	pid = fork();
	if (pid == 0)
		child(m, out[1]);
	close(out[1]);
	good = pid > 0 && read(out[0], &byte, 1) == 1;
	if (good) {
		put(&spoke[m], (double)(clock_mono() - begin) / 1e6);
		put(&memory[m], memory_of(pid));
		kill(pid, SIGTERM);
	}
	waitpid(pid, NULL, 0);
	close(out[0]);
	if (good && m == DESCHED)
		put(&entered, 1e3 * (started() - ns_to_s(begin)));
	return good;
}

static int by_size(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static json_t *print(struct figure *f)
{
	double *v = f->values, median;
	json_t *o;

	qsort(v, (size_t)f->n, sizeof(*v), by_size);
	median = v[f->n / 2];
	printf("%-42s %8.2f %s (%.2f to %.2f)", f->what, median, f->unit, v[0], v[f->n - 1]);
	if (f->goal > 0)
		printf(", goal %.0f: %s", f->goal, median <= f->goal ? "met" : "not met");
	putchar('\n');
	o = json_pack("{ss sf sf sf ss}", "name", f->what, "value", median, "low", v[0], "high",
		      v[f->n - 1], "unit", f->unit);
	if (f->goal > 0)
		json_object_set_new(o, "met", json_boolean(median <= f->goal));
	return o;
}

static json_t *print_size(void)
{
	char stripped[64], command[512];
	struct figure f = {"desched-vm, stripped", "MiB", 0, 0, {0}};
	json_t *o = NULL;
	struct stat st;

	snprintf(stripped, sizeof(stripped), "%s.stripped", figures);
	snprintf(command, sizeof(command), "strip -o '%s' '%s-vm'", stripped, desched);
	if (!system(command) && !stat(stripped, &st)) {
		put(&f, (double)st.st_size / 1048576);
		o = print(&f);
	}
	unlink(stripped);
	return o;
}

/* By turns, and each first as often as the other. */
static bool run(int n)
{
	bool both = true;

	for (int i = 0; i < n; i++) {
		for (int k = 0; k < MONITORS; k++) {
			enum monitor m = (enum monitor)((i + k) % MONITORS);

			if (m == MICRO && !both)
				continue;
			if (start_once(m))
				continue;
			fprintf(stderr, "bench_vm: %s does not run its guest\n", names[m]);
			if (m == DESCHED)
				exit(1);
			both = false;
		}
	}
	for (int i = 0; i < n && both; i++) {
		put(&spoke_ratio, spoke[MICRO].values[i] / spoke[DESCHED].values[i]);
		put(&memory_ratio, memory[MICRO].values[i] / memory[DESCHED].values[i]);
	}
	return both;
}

static void name_figures(void)
{
	static char texts[2 * MONITORS][64];

	for (int m = 0; m < MONITORS; m++) {
		snprintf(texts[2 * m], sizeof(texts[0]), "%s: exec to the first serial byte",
			 names[m]);
		snprintf(texts[2 * m + 1], sizeof(texts[0]), "%s: memory without the guest's",
			 names[m]);
		spoke[m].what = texts[2 * m];
		spoke[m].unit = "ms";
		memory[m].what = texts[2 * m + 1];
		memory[m].unit = "MiB";
	}
	memory[DESCHED].goal = 5;
}

static json_t *report(bool both)
{
	struct figure *const rows[] = {&entered,     &spoke[DESCHED],  &spoke[MICRO],
				       &spoke_ratio, &memory[DESCHED], &memory[MICRO],
				       &memory_ratio};
	json_t *list = json_array();

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		if (rows[i]->n == entered.n) /* all of them are there */
			json_array_append_new(list, print(rows[i]));
	}
	json_array_append_new(list, print_size());
	return json_pack("{ss si sb so}", "schema", "desched-bench-vm/1", "starts", entered.n,
			 "compared", (int)both, "results", list);
}

int main(int argc, char **argv)
{
	int n = argc > 4 ? atoi(argv[4]) : 20, fd = mkstemp(figures), err = 0;
	json_t *o;

	if (argc < 3 || n < 1 || n > STARTS_MAX || fd < 0)
		return 2;
	close(fd);
	desched = argv[1];
	kernel = argv[2];
	name_figures();
	printf("%d starts each, by turns: median (least to most)\n", n);
	o = report(run(n));
	if (argc > 3)
		err = json_dump_file(o, argv[3], JSON_INDENT(2) | JSON_REAL_PRECISION(6));
	json_decref(o);
	unlink(figures);
	return err ? 1 : 0;
}
