/* SPDX-License-Identifier: MIT */
/*
 * What desched costs the machine that it runs on. Machines are shared and noisy: throughput is
 * compared in pairs of runs, with and without, taken in turns, and given as the ratio of medians
 * with the spread of the pairs; CPU time is the kernel's figure for the daemon's own threads.
 *
 *     bench VMDESCHED [SECONDS [PAIRS]]
 *
 * `desched` is expected beside VMDESCHED.
 *
 * Prints a table, and JSON (schema desched-bench/1) to the file that $BENCH_JSON names.
 */
#include "base/clock.h"
#include "result.h"

#include <bpf/bpf.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <sched.h>
#include <sys/socket.h>
#include <sys/un.h>

#define PAIRS_MAX 64

static const char *vmdesched;
static char socket_path[64];
static uint64_t seconds = 10;
static int pairs = 12;

static int dial(void)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	strcpy(address.sun_path, socket_path);
	if (!connect(fd, (struct sockaddr *)&address, sizeof(address)))
		return fd;
	close(fd);
	return -1;
}

static json_t *snapshot(void)
{
	int fd = dial();
	FILE *f = fd < 0 ? NULL : fdopen(fd, "r+");
	json_t *o;

	if (!f)
		die("vmdesched does not answer");
	fputs("{\"get\":\"snapshot\"}\n", f);
	fflush(f);
	o = json_loadf(f, JSON_DISABLE_EOF_CHECK, NULL);
	fclose(f);
	if (!o)
		die("vmdesched's snapshot");
	return o;
}

static pid_t start_daemon(void)
{
	char *argv[] = {(char *)(uintptr_t)vmdesched, "--socket", socket_path, NULL};
	pid_t pid = spawn(argv, -1);

	for (int i = 0; i < 500; i++) {
		int fd = dial();

		if (fd >= 0) {
			close(fd);
			return pid;
		}
		if (waitpid(pid, NULL, WNOHANG) == pid) {
			errno = ECHILD;
			die("vmdesched did not start");
		}
		usleep(10000);
	}
	die("vmdesched does not listen");
	return -1;
}

static void stop_daemon(pid_t pid)
{
	kill(pid, SIGTERM);
	waitpid(pid, NULL, 0);
}

/* A process that sleeps 1/rate s at a time: two switches for each round. */
static pid_t start_waker(uint64_t rate)
{
	pid_t pid = fork();

	if (pid)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (uint64_t next = clock_mono();; next += NS_PER_SEC / rate) {
		struct timespec due = {(time_t)(next / NS_PER_SEC), (long)(next % NS_PER_SEC)};

		clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &due, NULL);
	}
}

static uint64_t switches_of(json_t *o)
{
	return (uint64_t)json_integer_value(
		json_object_get(json_object_get(o, "counters"), "switches"));
}

/* CPU share and memory of the daemon while a process makes about 1,000 switches a second. */
static int bench_steady(struct result *r)
{
	pid_t daemon = start_daemon(), waker = start_waker(500);
	uint64_t cpu, begin, n;
	json_t *before, *after;

	pause_for(NS_PER_SEC);
	before = snapshot();
	cpu = cpu_time(daemon);
	begin = clock_mono();
	pause_for(seconds * NS_PER_SEC);
	r[0].value = 100 * (double)(cpu_time(daemon) - cpu) / (double)(clock_mono() - begin);
	r[1].value = resident_mib(daemon);
	after = snapshot();
	n = switches_of(after) - switches_of(before);
	r[2].value = (double)n / (double)seconds;
	json_decref(before);
	json_decref(after);
	kill(waker, SIGKILL);
	waitpid(waker, NULL, 0);
	stop_daemon(daemon);
	r[0].met = r[0].value <= 0.5 && r[2].value >= 1000;
	r[1].met = r[1].value <= 8;
	r[2].met = r[2].value >= 1000;
	return 3;
}

/* 100,000 switches a second: every 5 ms, 250 bytes go to and fro between two processes of one
 * CPU. */
static void pass_in_bursts(int to, int from)
{
	struct timespec due;
	char byte = 0;

	clock_gettime(CLOCK_MONOTONIC, &due);
	for (;;) {
		for (int i = 0; i < 250; i++)
			if (write(to, &byte, 1) != 1 || read(from, &byte, 1) != 1)
				_exit(1);
		due.tv_nsec += 5000000;
		due.tv_sec += due.tv_nsec / 1000000000;
		due.tv_nsec %= 1000000000;
		clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &due, NULL);
	}
}

static void echo_bytes(int from, int to)
{
	char byte;

	while (read(from, &byte, 1) == 1 && write(to, &byte, 1) == 1)
		;
	_exit(0);
}

static void start_bursts(pid_t ret_pids[2])
{
	int there[2], back[2];
	cpu_set_t first;

	if (pipe(there) || pipe(back))
		die("pipe");
	CPU_ZERO(&first);
	CPU_SET(0, &first);
	for (int i = 0; i < 2; i++) {
		ret_pids[i] = fork();
		if (ret_pids[i])
			continue;
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		sched_setaffinity(0, sizeof(first), &first);
		if (i)
			echo_bytes(there[0], back[1]);
		pass_in_bursts(there[1], back[0]);
	}
	for (int i = 0; i < 2; i++) {
		close(there[i]);
		close(back[i]);
	}
}

/* The daemon's CPU share at that rate: what it used, scaled to exactly 100,000. */
static int bench_fast(struct result *r)
{
	pid_t daemon = start_daemon(), pids[2];
	json_t *before, *after;
	uint64_t cpu, begin;
	double rate, lost;

	start_bursts(pids);
	pause_for(NS_PER_SEC);
	before = snapshot();
	cpu = cpu_time(daemon);
	begin = clock_mono();
	pause_for(seconds * NS_PER_SEC);
	cpu = cpu_time(daemon) - cpu;
	after = snapshot();
	rate = (double)(switches_of(after) - switches_of(before)) / ns_to_s(clock_mono() - begin);
	lost = json_number_value(
		json_object_get(json_object_get(after, "counters"), "lost_switches"));
	r[0].value = 100 * (double)cpu / (double)(clock_mono() - begin) * 100000 / rate;
	r[0].met = r[0].value <= 3 && rate > 50000;
	r[1].value = rate;
	r[1].met = rate > 50000;
	r[2].value = lost;
	r[2].met = lost == 0;
	json_decref(before);
	json_decref(after);
	for (int i = 0; i < 2; i++) {
		kill(pids[i], SIGKILL);
		waitpid(pids[i], NULL, 0);
	}
	stop_daemon(daemon);
	return 3;
}

static void put_ratio(struct result *r, double *without, double *with, double *ratio)
{
	for (int i = 0; i < pairs; i++)
		ratio[i] = without[i] / with[i];
	r->value = median(without, pairs) / median(with, pairs);
	qsort(ratio, (size_t)pairs, sizeof(*ratio), compare);
	r->low = ratio[pairs / 4];
	r->high = ratio[pairs - 1 - pairs / 4];
	r->met = r->value >= 0.98;
}

/* With the daemon against without: the order within a pair alternates. The daemon's own CPU time
 * counts as part of the work with it. */
static int bench_pairs(struct result *r, struct timing (*work)(void))
{
	double elapsed[2][PAIRS_MAX], cpu[2][PAIRS_MAX], ratio[PAIRS_MAX];

	work();
	for (int i = 0; i < 2 * pairs; i++) {
		bool with = (i % 2) ^ (i / 2 % 2);
		pid_t daemon = with ? start_daemon() : -1;
		uint64_t before;
		struct timing t;

		pause_for(NS_PER_SEC / 2); /* its start is not what is measured */
		before = with ? cpu_time(daemon) : 0;
		t = work();
		elapsed[with][i / 2] = t.elapsed;
		cpu[with][i / 2] = t.cpu + (with ? ns_to_s(cpu_time(daemon) - before) : 0);
		if (with)
			stop_daemon(daemon);
	}
	put_ratio(&r[0], elapsed[0], elapsed[1], ratio);
	put_ratio(&r[1], cpu[0], cpu[1], ratio);
	return 2;
}

/* Mean cost of a run of the BPF programs, and of a record in the daemon, under hackbench. */
static int bench_programs(struct result *r)
{
	int stats = bpf_enable_stats(BPF_STATS_RUN_TIME);
	pid_t daemon;
	json_t *before, *after, *a, *b;
	uint64_t cpu;
	double runs;

	if (stats < 0)
		die("BPF statistics");
	daemon = start_daemon();
	before = snapshot();
	cpu = cpu_time(daemon);
	hackbench();
	hackbench();
	after = snapshot();
	cpu = cpu_time(daemon) - cpu;
	a = json_object_get(before, "counters");
	b = json_object_get(after, "counters");
	runs = (double)(json_integer_value(json_object_get(b, "bpf_runs")) -
			json_integer_value(json_object_get(a, "bpf_runs")));
	r[0].value = 1e9 *
		     (json_real_value(json_object_get(b, "bpf_s")) -
		      json_real_value(json_object_get(a, "bpf_s"))) /
		     runs;
	r[0].met = r[0].value <= 300;
	r[1].value = (double)cpu / runs;
	r[1].met = true;
	json_decref(before);
	json_decref(after);
	stop_daemon(daemon);
	close(stats);
	return 2;
}

#define VIEW_PROCESSES 500

static uint64_t run_top(char *const argv[])
{
	int null = open("/dev/null", O_WRONLY | O_CLOEXEC), status;
	uint64_t begin = clock_mono();
	pid_t pid = spawn(argv, null);

	waitpid(pid, &status, 0);
	close(null);
	if (status) {
		errno = ENOENT;
		die("top (package procps)");
	}
	return clock_mono() - begin;
}

static int count_process(pid_t pid, void *data)
{
	(void)pid;
	++*(int *)data;
	return 0;
}

/* One run of top among 500 processes in a view, against one without. */
static int bench_view(struct result *r)
{
	char desched[4096];
	char *plain[] = {"top", "-b", "-n", "1", NULL};
	char *view[] = {desched, "view", "--socket", socket_path, "--",
			"top",	 "-b",	 "-n",	     "1",	  NULL};
	double with[PAIRS_MAX], without[PAIRS_MAX], ratio[PAIRS_MAX];
	const char *slash = strrchr(vmdesched, '/');
	pid_t daemon = start_daemon(), sleepers[VIEW_PROCESSES];
	int n = 0, there = 0;

	snprintf(desched, sizeof(desched), "%.*sdesched", slash ? (int)(slash + 1 - vmdesched) : 0,
		 vmdesched);
	for (proc_each_id("/proc", count_process, &there); there + n < VIEW_PROCESSES; n++) {
		sleepers[n] = fork();
		if (sleepers[n] == 0) {
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			for (;;)
				pause();
		}
	}
	for (int i = 0; i < pairs; i++) {
		without[i] = (double)run_top(plain);
		with[i] = (double)run_top(view);
		ratio[i] = with[i] / without[i];
	}
	while (n--) {
		kill(sleepers[n], SIGKILL);
		waitpid(sleepers[n], NULL, 0);
	}
	stop_daemon(daemon);
	r->value = median(with, pairs) / median(without, pairs);
	qsort(ratio, (size_t)pairs, sizeof(*ratio), compare);
	r->low = ratio[pairs / 4];
	r->high = ratio[pairs - 1 - pairs / 4];
	r->met = r->value <= 3;
	return 1;
}

static struct result results[] = {
	{"vmdesched CPU at 1000 switches/s", "% of a CPU", "<= 0.5", NAN, NAN, NAN, false},
	{"vmdesched resident memory", "MiB", "<= 8", NAN, NAN, NAN, false},
	{"switches in that run", "1/s", ">= 1000", NAN, NAN, NAN, false},
	{"vmdesched CPU at 100000 switches/s", "% of a CPU", "<= 3", NAN, NAN, NAN, false},
	{"switches in that run", "1/s", "> 50000", NAN, NAN, NAN, false},
	{"switches lost in that run", "", "0", NAN, NAN, NAN, false},
	{"hackbench without / with, elapsed", "ratio", ">= 0.98", NAN, NAN, NAN, false},
	{"hackbench without / with, CPU time", "ratio", ">= 0.98", NAN, NAN, NAN, false},
	{"ping-pong without / with, elapsed", "ratio", "", NAN, NAN, NAN, false},
	{"ping-pong without / with, CPU time", "ratio", "", NAN, NAN, NAN, false},
	{"BPF programs, mean", "ns", "<= 300", NAN, NAN, NAN, false},
	{"vmdesched CPU per record", "ns", "", NAN, NAN, NAN, false},
	{"top, 500 processes, view / plain", "ratio", "<= 3", NAN, NAN, NAN, false},
};

int main(int argc, char **argv)
{
	const char *json = getenv("BENCH_JSON");
	int n = 0;

	if (argc < 2) {
		fprintf(stderr, "Usage: bench VMDESCHED [SECONDS [PAIRS]]\n");
		return 2;
	}
	vmdesched = argv[1];
	if (argc > 2 && strtoull(argv[2], NULL, 10))
		seconds = strtoull(argv[2], NULL, 10);
	if (argc > 3)
		pairs = atoi(argv[3]);
	pairs = pairs < 2 ? 2 : pairs > PAIRS_MAX ? PAIRS_MAX : pairs;
	snprintf(socket_path, sizeof(socket_path), "/tmp/desched-bench.%d", getpid());
	n += bench_steady(results + n);
	n += bench_fast(results + n);
	n += bench_pairs(results + n, hackbench);
	n += bench_pairs(results + n, ping_pong);
	n += bench_programs(results + n);
	bench_view(results + n);
	results_print(results, ARRAY_SIZE(results));
	results_write(results, ARRAY_SIZE(results), json);
	return 0;
}
