/* SPDX-License-Identifier: MIT */
/*
 * vmdesched beside two tools that watch every switch, too: cpudist and runqlat of bcc (package
 * libbpf-tools). One load after the other, without any and with each in turns, so that what else
 * the machine does hits all alike. The kernel says how long the BPF programs ran; CPU time is that
 * of the load and of the tool.
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
	double elapsed[ROUNDS_MAX], cpu[ROUNDS_MAX], bpf[ROUNDS_MAX], runs;
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

static void measure(struct peer *p, int round)
{
	int null = open("/dev/null", O_WRONLY | O_CLOEXEC);
	struct programs before = programs_since(0), began = {0}, after = {0};
	pid_t pid = p->argv[0] ? spawn(p->argv, null) : 0;
	uint64_t cpu = 0;
	struct timing t;

	close(null);
	if (pid && !await_programs(pid, before.last)) {
		p->there = false;
		return;
	}
	if (pid) {
		cpu = cpu_time(pid);
		began = programs_since(before.last);
	}
	t = hackbench();
	if (pid) {
		after = programs_since(before.last);
		cpu = cpu_time(pid) - cpu;
		kill(pid, SIGINT);
		waitpid(pid, NULL, 0);
	}
	p->elapsed[round] = t.elapsed;
	p->cpu[round] = t.cpu + ns_to_s(cpu);
	p->bpf[round] = ns_to_s(after.ns - began.ns);
	p->runs += (double)(after.runs - began.runs);
}

static void print(struct peer *peers, int rounds)
{
	double ours = median(peers[1].bpf, rounds), cpu = median(peers[1].cpu, rounds);

	printf("%-10s %12s %12s %12s %12s\n", "hackbench", "elapsed, s", "CPU, s", "BPF, s",
	       "ns a run");
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
		printf("%-10s %12.3f %12.3f %12.3f %12.0f", p->name, median(p->elapsed, rounds),
		       median(p->cpu, rounds), median(p->bpf, rounds),
		       p->runs > 0 ? 1e9 * bpf / p->runs : 0);
		if (i > 1)
			printf("   vmdesched: %.2f of its BPF time, %.2f of all CPU%s",
			       ours / median(p->bpf, rounds), cpu / median(p->cpu, rounds),
			       ours < median(p->bpf, rounds) ? "" : " NOT MET");
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
	int rounds = argc > 2 ? atoi(argv[2]) : 10, stats = bpf_enable_stats(BPF_STATS_RUN_TIME);

	if (argc < 2) {
		fprintf(stderr, "Usage: bench_peers VMDESCHED [ROUNDS]\n");
		return 2;
	}
	if (stats < 0)
		die("BPF statistics");
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
	close(stats);
	return 0;
}
