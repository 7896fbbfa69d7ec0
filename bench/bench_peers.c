/* SPDX-License-Identifier: MIT */
/*
 * vmdesched beside two tools that watch every switch, too: cpudist and runqlat of bcc (package
 * libbpf-tools). One after the other, and none, in turns, so that what else the machine does hits
 * all alike. Under hackbench the kernel says how long the BPF programs ran, which costs time
 * itself; so all CPU time, that of the load and of the tool, is taken without it, and under a load
 * that does nothing but switch: in any other the tools are less than what runs differ by.
 *
 *     bench_peers VMDESCHED [ROUNDS]
 */
#include "base/clock.h"
#include "load.h"

#include <bpf/bpf.h>
#include <fcntl.h>
#include <math.h>
#include <stdbool.h>

#define ROUNDS_MAX 64
#define PEERS	   4

struct peer {
	const char *name;
	char *argv[4]; /* none: the load alone */
	bool there;
	double bpf[ROUNDS_MAX], runs;		     /* of its programs */
	double elapsed[ROUNDS_MAX], cpu[ROUNDS_MAX]; /* with it */
};

/* Of all programs in the kernel that were loaded after number `from`. */
struct programs {
	uint32_t last;
	int n;
	uint64_t ns, runs;
};

static struct programs programs_since(uint32_t from)
{
	struct programs p = {.last = from};

	while (!bpf_prog_get_next_id(p.last, &p.last)) {
		struct bpf_prog_info info = {.type = 0};
		uint32_t size = sizeof(info);
		int fd = bpf_prog_get_fd_by_id(p.last);

		if (fd >= 0 && !bpf_obj_get_info_by_fd(fd, &info, &size)) {
			p.n++;
			p.ns += info.run_time_ns;
			p.runs += info.run_cnt;
		}
		if (fd >= 0)
			close(fd);
	}
	return p;
}

/* Until it has loaded its programs, and then a second more. False when it ends instead. */
static bool await_programs(pid_t pid, uint32_t from)
{
	for (int i = 0; i < 200 && !programs_since(from).n; i++) {
		if (waitpid(pid, NULL, WNOHANG) == pid)
			return false;
		pause_for(50 * NS_PER_MS);
	}
	pause_for(NS_PER_SEC);
	return programs_since(from).n > 0;
}

static void time_programs(struct peer *p, int round, uint32_t from)
{
	int stats = bpf_enable_stats(BPF_STATS_RUN_TIME);
	struct programs before, after;

	if (stats < 0)
		die("BPF statistics");
	before = programs_since(from);
	hackbench();
	after = programs_since(from);
	close(stats);
	p->bpf[round] = ns_to_s(after.ns - before.ns);
	p->runs += (double)(after.runs - before.runs);
}

static void time_all(struct peer *p, int round, pid_t pid)
{
	uint64_t cpu = pid ? cpu_time(pid) : 0;
	struct timing t = ping_pong();

	p->elapsed[round] = t.elapsed;
	p->cpu[round] = t.cpu + (pid ? ns_to_s(cpu_time(pid) - cpu) : 0);
}

static void measure(struct peer *p, int round)
{
	int null = open("/dev/null", O_WRONLY | O_CLOEXEC);
	uint32_t from = programs_since(0).last;
	pid_t pid = p->argv[0] ? spawn(p->argv, null) : 0;

	close(null);
	if (pid && !await_programs(pid, from)) {
		p->there = false;
		return;
	}
	if (pid)
		time_programs(p, round, from);
	time_all(p, round, pid);
	if (pid) {
		kill(pid, SIGINT);
		waitpid(pid, NULL, 0);
	}
}

/* What it takes a switch more than the load alone. */
static double switch_ns(const struct peer *p, const struct peer *alone, int rounds)
{
	double more[ROUNDS_MAX];

	for (int r = 0; r < rounds; r++)
		more[r] = p->cpu[r] - alone->cpu[r];
	return 1e9 * median(more, rounds) / (2 * PING_PONGS);
}

static double median_of(const double *v, int rounds)
{
	double copy[ROUNDS_MAX];

	memcpy(copy, v, (size_t)rounds * sizeof(*v));
	return median(copy, rounds);
}

static double median_ratio(const double *a, const double *b, int rounds)
{
	double ratio[ROUNDS_MAX];

	for (int r = 0; r < rounds; r++)
		ratio[r] = a[r] / b[r];
	return median(ratio, rounds);
}

static void compare_with(const struct peer *ours, const struct peer *p, int rounds)
{
	double bpf = median_ratio(ours->bpf, p->bpf, rounds);
	double cpu = median_ratio(ours->cpu, p->cpu, rounds);

	printf("  vmdesched: %.2f of its BPF time, %.3f of all CPU, %.3f of the time%s", bpf, cpu,
	       median_ratio(ours->elapsed, p->elapsed, rounds),
	       bpf < 1 && cpu < 1 ? "" : " NOT MET");
}

static void print(struct peer *peers, int rounds)
{
	printf("%-10s %10s %10s %10s %10s %10s\n", "", "BPF, s", "ns a run", "CPU, s", "elapsed, s",
	       "ns a switch");
	for (int i = 0; i < PEERS; i++) {
		struct peer *p = &peers[i];
		double bpf = 0;

		if (!p->there) {
			printf("%-10s skipped: it is not here, or does not start; "
			       "DESCHED_PURPOSES=peer "
			       "scripts/setup installs it\n",
			       p->name);
			continue;
		}
		for (int r = 0; r < rounds; r++)
			bpf += p->bpf[r];
		printf("%-10s %10.4f %10.0f", p->name, bpf / rounds,
		       p->runs > 0 ? 1e9 * bpf / p->runs : 0);
		printf(" %10.3f %10.3f %10.0f", median_of(p->cpu, rounds),
		       median_of(p->elapsed, rounds), switch_ns(p, &peers[0], rounds));
		if (i > 1)
			compare_with(&peers[1], p, rounds);
		putchar('\n');
	}
}

int main(int argc, char **argv)
{
	char socket[64];
	struct peer peers[PEERS] = {
		{.name = "alone"},
		{.name = "vmdesched", .argv = {argc > 1 ? argv[1] : NULL, "--socket", socket}},
		{.name = "cpudist", .argv = {"cpudist", "86400"}},
		{.name = "runqlat", .argv = {"runqlat", "86400"}},
	};
	int rounds = argc > 2 ? atoi(argv[2]) : 10;

	if (argc < 2) {
		fprintf(stderr, "Usage: bench_peers VMDESCHED [ROUNDS]\n");
		return 2;
	}
	snprintf(socket, sizeof(socket), "/tmp/desched-peers.%d", getpid());
	rounds = rounds < 1 ? 1 : rounds > ROUNDS_MAX ? ROUNDS_MAX : rounds;
	for (int i = 0; i < PEERS; i++)
		peers[i].there = true;
	for (int r = 0; r < rounds; r++)
		for (int i = 0; i < PEERS; i++) {
			struct peer *p = &peers[(i + r) % PEERS];

			if (p->there)
				measure(p, r);
		}
	print(peers, rounds);
	return 0;
}
