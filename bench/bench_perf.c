/* SPDX-License-Identifier: MIT */
/*
 * Ledgers of vCPUs against `perf sched record` of the same time: five VMs of QEMU's (TCG) whose guest
 * works and halts, a thousand times a second, on fewer CPUs.
 *
 *     bench_perf [SECONDS]
 *
 * perf records all switches and wake-ups from before the first reading of the ledgers until after
 * the second, by the same clock. Of each vCPU its events make run (between a switch in and a switch
 * out) and ready (from a wake-up, or a switch out while runnable, to the next switch in), and what of
 * both lies between the instants of the two readings is compared: edges are cut at the nanosecond, and
 * nothing is left out. A window of which perf lost something is taken again.
 *
 * Prints a table, and JSON to the file that $BENCH_JSON names. Needs root, BPF, perf and QEMU; says so
 * and ends with 0 where one is missing.
 */
#include "host/find.h"
#include "host/host_ledger.h"
#include "result.h"

#include <fcntl.h>
#include <inttypes.h>
#include <sched.h>
#include <sys/stat.h>

#define VMS	5
#define GOAL	0.05 /* % */
#define ROWS	4
#define PLACE_N 64
#define WINDOWS 3 /* until there is one of which perf has all */

static char dir[] = "/tmp/desched-bench-perf.XXXXXX";

/* ---- VMs ---- */

/* A boot sector: 1,000 timer interrupts a second; `work` turns of a loop, then halt, for ever. */
static void write_guest(const char *path, uint32_t work)
{
	unsigned char sector[512] = {0xb0, 0x34, 0xe6,
				     0x43, /* the timer's mode; it counts to 1193 */
				     0xb0, 0xa9, 0xe6,
				     0x40, 0xb0, 0x04,
				     0xe6, 0x40, 0xfb, /* sti */
				     0x66, 0xb9, 0,
				     0,	   0,	 0, /* mov ecx, work */
				     0x66, 0x49, 0x75,
				     0xfc, 0xf4, /* dec, jnz, hlt */
				     0xeb, 0xf3, [510] = 0x55,
				     0xaa};
	FILE *f = fopen(path, "w");

	memcpy(&sector[15], &work, sizeof(work));
	if (!f || fwrite(sector, sizeof(sector), 1, f) != 1 || fclose(f))
		die(path);
}

static pid_t start_vm(int n)
{
	char image[PLACE_N], drive[PLACE_N + 32], name[32];
	char *argv[] = {"qemu-system-x86_64",
			"-name",
			name,
			"-accel",
			"tcg",
			"-m",
			"16",
			"-display",
			"none",
			"-serial",
			"none",
			"-monitor",
			"none",
			"-nodefaults",
			"-drive",
			drive,
			NULL};

	snprintf(image, sizeof(image), "%s/guest%d", dir, n);
	write_guest(image, 200000u << n);
	snprintf(drive, sizeof(drive), "file=%s,format=raw,if=ide", image);
	snprintf(name, sizeof(name), "perf%d,debug-threads=on", n);
	return spawn(argv, -1);
}

/* ---- intervals of READY, as either has them ---- */

struct interval {
	uint64_t start, end; /* ns */
};

struct intervals {
	struct interval *list;
	size_t n, room;
};

static void keep(struct intervals *l, uint64_t start, uint64_t end)
{
	if (l->n == l->room) {
		l->room = l->room ? 2 * l->room : 4096;
		l->list = reallocarray(l->list, l->room, sizeof(*l->list));
		if (!l->list)
			die("intervals");
	}
	l->list[l->n++] = (struct interval){start, end};
}

#define SAME_NS (20 * NS_PER_US) /* the two look at a switch at different instants */
#define TOLD	4		 /* differences of a vCPU that are printed */

static bool is_same(const struct interval *a, const struct interval *b)
{
	return llabs((long long)(a->start - b->start)) < (long long)SAME_NS &&
	       llabs((long long)(a->end - b->end)) < (long long)SAME_NS;
}

/* Says where the ledger's and perf's intervals differ. */
static void tell_differences(const struct intervals *ours, const struct intervals *theirs,
			     uint64_t from, uint64_t to)
{
	size_t i = 0, k = 0, told = 0;

	while (told < TOLD && (i < ours->n || k < theirs->n)) {
		const struct interval *a = i < ours->n ? &ours->list[i] : NULL;
		const struct interval *b = k < theirs->n ? &theirs->list[k] : NULL;
		bool ours_first = a && (!b || a->end <= b->end);
		const struct interval *one = ours_first ? a : b;

		if (a && b && is_same(a, b)) {
			i++;
			k++;
			continue;
		}
		if (one->end > from && one->start < to && one->end - one->start > SAME_NS && ++told)
			printf("    only %s: ready from %.6f to %.6f s of the window, %.6f s\n",
			       ours_first ? "the ledger" : "perf",
			       (double)(int64_t)(one->start - from) / 1e9,
			       (double)(int64_t)(one->end - from) / 1e9,
			       ns_to_s(one->end - one->start));
		i += ours_first;
		k += !ours_first;
	}
}

/* ---- perf ---- */

/* A vCPU as perf's events have it. */
struct thread {
	pid_t tid;
	uint64_t from, to; /* ns: the readings */
	uint64_t first;	   /* ns: the first event; 0: none yet */
	uint64_t since;	   /* ns: the last one */
	enum { BLOCKED, READY, RUN } state;
	uint64_t ns[3];	 /* by state, between `from` and `to` */
	unsigned broken; /* events that can't follow each other: perf has missed one */
	struct intervals ready;
};

static void go(struct thread *t, uint64_t at, int state)
{
	uint64_t start = u64_max(t->since, t->from), end = u64_min(at, t->to);

	t->first = t->first ? t->first : at;
	if (t->since && t->state == READY && at != UINT64_MAX)
		keep(&t->ready, t->since, at);
	if (t->since && end > start)
		t->ns[t->state] += end - start;
	t->since = at;
	t->state = state;
}

/* The number behind the name. -1: it isn't there. */
static long number_of(const char *line, const char *name)
{
	const char *at = strstr(line, name);

	return at ? strtol(at + strlen(name), NULL, 10) : -1;
}

/* The state in which an event has to find the thread. */
static void expect(struct thread *t, unsigned state, uint64_t at)
{
	static const char *const names[] = {
		[BLOCKED] = "blocked", [READY] = "ready", [RUN] = "run"};

	if (!t->since || t->state == state)
		return;
	if (t->broken++ < TOLD)
		printf("    perf: thread %d is switched %s at %.6f s of the window, though it was "
		       "%s for "
		       "%.6f s\n",
		       (int)t->tid, state == RUN ? "out" : "in",
		       (double)(int64_t)(at - t->from) / 1e9, names[t->state],
		       ns_to_s(at - t->since));
}

static void see(struct thread *t, const char *line, uint64_t at)
{
	const char *state = strstr(line, " prev_state=");

	if (state && number_of(line, " prev_pid=") == t->tid) {
		expect(t, RUN, at);
		go(t, at, state[12] == 'R' ? READY : BLOCKED);
	} else if (state && number_of(line, " next_pid=") == t->tid) {
		expect(t, READY, at);
		go(t, at, RUN);
	} else if (!state && strstr(line, "sched:sched_wakeup") &&
		   number_of(line, " pid=") == t->tid && t->state == BLOCKED && t->since) {
		go(t, at, READY);
	}
}

/* "  123.456789012: " */
static uint64_t time_of(const char *line)
{
	char *end;
	uint64_t s = strtoull(line, &end, 10);

	return *end == '.' ? s * NS_PER_SEC + strtoull(end + 1, NULL, 10) : 0;
}

/* False when perf lost events, or has none from before or after the readings. */
static bool read_perf(const char *data, struct thread *threads)
{
	char command[256], line[4096];
	bool whole = true;
	FILE *f;

	snprintf(command, sizeof(command),
		 "perf script -i %s --ns --show-lost-events -F time,event,trace 2>/dev/null", data);
	f = popen(command, "r");
	while (f && fgets(line, sizeof(line), f)) {
		uint64_t at = time_of(line);

		whole &= !strstr(line, "PERF_RECORD_LOST");
		for (int i = 0; at && i < VMS; i++)
			see(&threads[i], line, at);
	}
	if (!f || pclose(f))
		die("perf script");
	for (int i = 0; i < VMS; i++) {
		if (threads[i].broken)
			printf("perf has missed events of vCPU %d: %u that can't follow each "
			       "other\n",
			       i, threads[i].broken);
		whole &= !threads[i].broken && threads[i].first &&
			 threads[i].first < threads[i].from && threads[i].since > threads[i].to;
		go(&threads[i], UINT64_MAX, BLOCKED);
	}
	return whole;
}

static pid_t start_perf(char *data)
{
	/* perf's choice is sched_waking, which may come before the switch out that it cancels. */
	char *argv[] = {"nice",	 "-n",
			"-15",	 "perf",
			"sched", "record",
			"-m",	 "8192",
			"-k",	 "CLOCK_MONOTONIC",
			"-o",	 data,
			"-e",	 "sched:sched_wakeup",
			"-e",	 "sched:sched_wakeup_new",
			NULL};
	pid_t pid = spawn(argv, open("/dev/null", O_WRONLY | O_CLOEXEC));
	struct stat st;

	for (int i = 0; i < 600 && (stat(data, &st) || st.st_size < 4096); i++) {
		if (waitpid(pid, NULL, WNOHANG) == pid)
			return -1;
		pause_for(100 * NS_PER_MS);
	}
	return pid;
}

/* ---- both ---- */

struct ours {
	struct host_ledger *ledger;
	int id[VMS];
	struct ledger first[VMS], last[VMS];
	struct intervals ready[VMS];
};

static void add(struct ours *o, int i, pid_t pid, struct thread *t)
{
	struct failure f = {""};
	struct host_vm vm;

	for (int tries = 0; host_find_pid(pid, &f, &vm); tries++) {
		if (tries == 600)
			die(f.text);
		pause_for(100 * NS_PER_MS);
	}
	if (host_ledger_add(o->ledger, &vm, &f, &o->id[i]))
		die(f.text);
	t->tid = vm.vcpus[0].tid;
	host_vm_done(&vm);
}

static void on_gap(int id, const struct gap *gap, void *data)
{
	struct ours *o = data;

	for (int i = 0; i < VMS && gap->state == LEDGER_READY; i++)
		if (o->id[i] == id)
			keep(&o->ready[i], gap->start, gap->end);
}

static void read_ledgers(const struct ours *o, struct ledger *ret)
{
	for (int i = 0; i < VMS; i++)
		if (host_ledger_read(o->ledger, o->id[i], 0, &ret[i]))
			die("a ledger");
}

/* What is off, in percent: of run and ready themselves, then of the time in which they were measured. */
static void compare_vcpu(const struct ours *o, const struct thread *t, int i, double worst[ROWS])
{
	static const uint32_t states[] = {LEDGER_RUN, LEDGER_READY};
	static const int theirs[] = {RUN, READY};
	bool off = false;

	printf("vCPU %d:", i);
	for (int s = 0; s < 2; s++) {
		uint64_t ns = o->last[i].ns[states[s]] - o->first[i].ns[states[s]];
		double by = (double)ns - (double)t->ns[theirs[s]];
		double percent = 100 * by / (double)t->ns[theirs[s]];

		printf("  %s %.6f s, perf %.6f s, %+.4f %%", s ? "ready" : "run", ns_to_s(ns),
		       ns_to_s(t->ns[theirs[s]]), percent);
		worst[s] = fmax(worst[s], fabs(percent));
		worst[2 + s] = fmax(worst[2 + s], fabs(100 * by / (double)(t->to - t->from)));
		off |= fabs(percent) > GOAL;
	}
	printf("\n");
	if (off)
		tell_differences(&o->ready[i], &t->ready, t->from, t->to);
}

/* One window. False when perf has not all of it. */
static bool record(struct ours *o, struct thread *threads, uint64_t seconds)
{
	char data[PLACE_N];
	pid_t perf;

	snprintf(data, sizeof(data), "%s/perf.data", dir);
	unlink(data);
	perf = start_perf(data);
	if (perf < 0)
		die("perf sched record");
	pause_for(2 * NS_PER_SEC);
	for (int i = 0; i < VMS; i++)
		o->ready[i].n = 0;
	read_ledgers(o, o->first);
	for (uint64_t i = 0; i < 20 * seconds; i++) {
		pause_for(50 * NS_PER_MS);
		host_ledger_poll(o->ledger, on_gap, o);
	}
	read_ledgers(o, o->last);
	pause_for(2 * NS_PER_SEC);
	host_ledger_poll(o->ledger, on_gap, o);
	kill(perf, SIGINT);
	waitpid(perf, NULL, 0);
	for (int i = 0; i < VMS; i++)
		threads[i] = (struct thread){
			.tid = threads[i].tid,
			.from = o->first[i].at,
			.to = o->last[i].at,
			.ready = {.list = threads[i].ready.list, .room = threads[i].ready.room}};
	return read_perf(data, threads);
}

/* Switches that the kernel reported to neither, gaps that were lost. */
static void tell_missed(const struct ours *o)
{
	struct host_ledger_counters c;

	host_ledger_counters(o->ledger, &c);
	printf("the ledger: %" PRIu64 " switches were missed, %" PRIu64 " gaps lost so far\n",
	       c.bpf_missed, c.gaps_lost);
}

static void measure(struct ours *o, pid_t *vms, uint64_t seconds, struct result *r)
{
	struct thread threads[VMS] = {0};
	static const char *const names[ROWS] = {
		"ledger against perf sched: run", "ledger against perf sched: ready",
		"the same, of the time measured: run", "the same, of the time measured: ready"};
	double worst[ROWS] = {0};
	int tries = 0;

	for (int i = 0; i < VMS; i++)
		add(o, i, vms[i], &threads[i]);
	while (!record(o, threads, seconds)) {
		tell_missed(o);
		if (++tries == WINDOWS) {
			errno = ENOBUFS;
			die("perf lost events in every window");
		}
	}
	for (int i = 0; i < VMS; i++)
		compare_vcpu(o, &threads[i], i, worst);
	tell_missed(o);
	for (int s = 0; s < ROWS; s++)
		r[s] = (struct result){names[s], "%", "<= 0.05",       worst[s],
				       NAN,	 NAN, worst[s] <= GOAL};
}

static bool has_programs(void)
{
	bool there = !system(
		"command -v perf >/dev/null && command -v qemu-system-x86_64 >/dev/null");

	if (!there || geteuid())
		printf("ledger against perf sched: skipped, it needs root, perf (linux-perf) and "
		       "qemu-system-x86_64\n");
	return there && !geteuid();
}

int main(int argc, char **argv)
{
	uint64_t seconds = argc > 1 ? strtoull(argv[1], NULL, 10) : 20;
	struct failure f = {""};
	struct result results[ROWS];
	struct ours o = {.ledger = NULL};
	char command[PLACE_N];
	pid_t vms[VMS];

	if (!has_programs())
		return 0;
	if (host_ledger_open("bpf", &f, &o.ledger)) {
		printf("ledger against perf sched: skipped, %s\n", f.text);
		return 0;
	}
	if (!mkdtemp(dir))
		die(dir);
	for (int i = 0; i < VMS; i++)
		vms[i] = start_vm(i);
	measure(&o, vms, seconds, results);
	results_print(results, ARRAY_SIZE(results));
	results_write(results, ARRAY_SIZE(results), getenv("BENCH_JSON"));
	host_ledger_close(o.ledger);
	for (int i = 0; i < VMS; i++) {
		kill(vms[i], SIGKILL);
		waitpid(vms[i], NULL, 0);
	}
	snprintf(command, sizeof(command), "rm -rf %s", dir);
	return system(command) != 0;
}
