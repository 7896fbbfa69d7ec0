/* SPDX-License-Identifier: MIT */
/*
 * What deschedd costs a host: of each shape of VMs (fake_vms.c), its own CPU time, that of its BPF
 * programs, which the kernel counts, and its resident memory. A run of the programs costs what the
 * kernel's count of it does, too, so the sum is somewhat more than without.
 *
 *     bench_host DESCHEDD FAKE_VMS [SECONDS [SHAPE...]]
 *
 * It runs in a PID namespace of its own, so that other VMs and processes of the machine cost deschedd
 * nothing; that of its programs is higher by the numbers that they have to translate.
 *
 * A SHAPE is VMS,VCPUS,WAKES. Prints a table, and JSON to the file that $BENCH_JSON names. Needs root.
 */
#include "result.h"

#include <bpf/bpf.h>
#include <sys/socket.h>
#include <sys/un.h>

#define SHAPES_MAX 8
#define ROWS	   5 /* of a shape */

struct shape {
	const char *vms, *vcpus, *wakes;
	double goal; /* % of a CPU; 0: none */
};

/* More of those that spin leave a daemon no CPU, on few. */
static struct shape shapes[SHAPES_MAX] = {
	{"25", "4", "10", 1},	{"100", "1", "10", 1},	 {"125", "8", "10", 3},
	{"1000", "1", "10", 3}, {"100", "1", "spin", 1}, {"40", "8", "spin", 3},
};

static char dir[] = "/tmp/desched-bench-host.XXXXXX", socket_path[64], config[64];

struct seen {
	size_t vcpus;
	uint64_t runs, ns; /* of its BPF programs */
};

/* What deschedd's frame says; zeros as long as it does not answer. */
static struct seen ask(void)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	json_t *o = NULL, *vm, *counters;
	struct seen seen = {0};
	size_t i;

	memcpy(address.sun_path, socket_path, sizeof(socket_path));
	if (!connect(fd, (struct sockaddr *)&address, sizeof(address))) {
		FILE *f = fdopen(fd, "r+");

		fputs("{\"get\":\"frame\"}\n", f);
		fflush(f);
		o = json_loadf(f, JSON_DISABLE_EOF_CHECK, NULL);
		fclose(f);
	} else {
		close(fd);
	}
	json_array_foreach(json_object_get(o, "vms"), i, vm)
		seen.vcpus += json_array_size(json_object_get(vm, "vcpus"));
	counters = json_object_get(o, "counters");
	seen.runs = (uint64_t)json_integer_value(json_object_get(counters, "bpf_runs"));
	seen.ns = (uint64_t)json_integer_value(json_object_get(counters, "bpf_ns"));
	json_decref(o);
	return seen;
}

static void await_vcpus(size_t n)
{
	for (int i = 0; i < 120; i++) {
		if (ask().vcpus >= n)
			return;
		pause_for(NS_PER_SEC);
	}
	errno = ETIMEDOUT;
	die("deschedd has not found every vCPU");
}

static void stop(pid_t pid)
{
	kill(pid, SIGTERM);
	waitpid(pid, NULL, 0);
}

static void write_config(void)
{
	FILE *f;

	if (!mkdtemp(dir))
		die(dir);
	snprintf(socket_path, sizeof(socket_path), "%s/socket", dir);
	snprintf(config, sizeof(config), "%s/conf", dir);
	f = fopen(config, "w");
	if (!f || fputs("[deschedd]\nuser =\ngroup =\nstream =\n", f) < 0 || fclose(f))
		die(config);
}

static void put(struct result *r, const struct shape *s, const char *what, const char *unit,
		double value)
{
	char name[96];

	snprintf(name, sizeof(name), "deschedd, %s x %s vCPUs, %s%s: %s", s->vms, s->vcpus,
		 s->wakes, strcmp(s->wakes, "spin") ? " wakes/s" : "", what);
	*r = (struct result){strdup(name), unit, "", value, NAN, NAN, true};
}

static void limit(struct result *r, const char *goal, double most)
{
	r->goal = goal;
	r->met = r->value <= most;
}

static void measure(const struct shape *s, uint64_t seconds, char *deschedd, char *fake_vms,
		    struct result *r)
{
	char *vms_argv[] = {fake_vms, (char *)(uintptr_t)s->vms, (char *)(uintptr_t)s->vcpus,
			    (char *)(uintptr_t)s->wakes, NULL};
	char *argv[] = {deschedd, "-c", config, "--socket", socket_path, NULL};
	pid_t vms = spawn(vms_argv, -1), daemon = spawn(argv, -1);
	struct seen before, after;
	uint64_t begin, cpu;
	double ns;

	await_vcpus((size_t)atoi(s->vms) * (size_t)atoi(s->vcpus));
	pause_for(5 * NS_PER_SEC); /* processes that are new are looked into more often */
	before = ask();
	cpu = process_cpu(daemon);
	begin = clock_mono();
	pause_for(seconds * NS_PER_SEC);
	ns = (double)(clock_mono() - begin);
	cpu = process_cpu(daemon) - cpu;
	after = ask();
	put(&r[0], s, "CPU", "% of a CPU", 100 * (double)(cpu + after.ns - before.ns) / ns);
	if (s->goal > 0)
		limit(&r[0], s->goal > 1 ? "<= 3" : "<= 1", s->goal);
	put(&r[1], s, "its own", "% of a CPU", 100 * (double)cpu / ns);
	put(&r[2], s, "BPF", "% of a CPU", 100 * (double)(after.ns - before.ns) / ns);
	put(&r[3], s, "BPF runs", "1/s", 1e9 * (double)(after.runs - before.runs) / ns);
	put(&r[4], s, "resident", "MiB", resident_mib(daemon));
	limit(&r[4], "<= 32", 32);
	stop(daemon);
	stop(vms);
}

/* Returns within the namespace. */
static void enter_namespace(char **argv)
{
	static const char *const unshare[] = {"unshare",       "--mount",      "--pid",
					      "--fork",	       "--kill-child", "--mount-proc",
					      "--propagation", "private"};
	const char *args[ARRAY_SIZE(unshare) + 4 + SHAPES_MAX + 1] = {NULL};
	size_t n = ARRAY_SIZE(unshare);

	if (getenv("BENCH_HOST_INSIDE"))
		return;
	setenv("BENCH_HOST_INSIDE", "yes", 1);
	memcpy(args, unshare, sizeof(unshare));
	for (size_t i = 0; argv[i]; i++)
		args[n++] = argv[i];
	execvp(args[0], (char **)(uintptr_t)args);
	die("unshare (package util-linux)");
}

int main(int argc, char **argv)
{
	uint64_t seconds = argc > 3 ? strtoull(argv[3], NULL, 10) : 10;
	struct result results[SHAPES_MAX * ROWS];
	size_t n = 0;
	int stats;

	if (argc < 3 || argc > 4 + SHAPES_MAX) {
		fputs("Usage: bench_host DESCHEDD FAKE_VMS [SECONDS [VMS,VCPUS,WAKES...]]\n",
		      stderr);
		return 2;
	}
	enter_namespace(argv);
	stats = bpf_enable_stats(BPF_STATS_RUN_TIME);
	if (stats < 0)
		die("BPF statistics");
	if (argc > 4)
		memset(shapes, 0, sizeof(shapes));
	for (int i = 4; i < argc; i++)
		shapes[i - 4] = (struct shape){strtok(argv[i], ","), strtok(NULL, ","),
					       strtok(NULL, ","), 0};
	write_config();
	for (const struct shape *s = shapes; s->wakes && s < shapes + SHAPES_MAX; s++, n += ROWS)
		measure(s, seconds, argv[1], argv[2], results + n);
	results_print(results, n);
	results_write(results, n, getenv("BENCH_JSON"));
	unlink(config);
	rmdir(dir);
	return 0;
}
