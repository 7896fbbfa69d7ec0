/* SPDX-License-Identifier: MIT */
/*
 * bench_enforce DESCHEDD CASE MODE [SECONDS]: how near processes like VMs come to what they are
 * entitled to, as a line of JSON. MODE is what shares the CPUs: `thread` (all in one session),
 * `session` (one each), `vm` (a cgroup each, of equal weight), `vcpus` (weights by vCPUs), or an
 * enforcer of deschedd. A VM has so many vCPUs, of which some are busy, and threads for I/O. Its CPU
 * time is that of its process's clock; what it should be is host/entitlement.h's of the CPU that all
 * VMs got together. Of the first VM it says how long all of its busy threads stood still at once, what
 * it got in the worst whole second against what it should, how late its threads came back from a
 * sleep, and how many rounds it made where its vCPUs meet at a barrier; of the enforcer, what part
 * of a CPU its processes used.
 *
 * Needs root and cgroups of version 1; VMs of others are out of sight (system/own_pids.h).
 */
#include "base/clock.h"
#include "base/proc.h"
#include "base/units.h"
#include "host/entitlement.h"
#include "system/own_pids.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysinfo.h>
#include <time.h>

#define CPU	 "/sys/fs/cgroup/cpu"
#define VMS_MAX	 17
#define BUCKETS	 4000 /* of 0.1 ms */
#define BUCKET	 (NS_PER_MS / 10)
#define WARM_UP	 4 /* s */
#define DUTY_ON	 (20 * NS_PER_MS)
#define DUTY_OFF (20 * NS_PER_MS)
#define WORK	 (100 * NS_PER_US) /* between barriers */

struct spec {
	unsigned count, vcpus, busy, io;
	bool wakes;			   /* its vCPUs work for 20 ms and sleep for 20 */
	double shares, reservation, limit; /* 0: the usual */
	bool barrier;			   /* its vCPUs meet every 100 us of work, and spin there */
	const char *cosched;		   /* NULL: none */
};

#define BUSY(n, of, are) .count = n, .vcpus = of, .busy = are

static const struct bench_case {
	const char *name;
	struct spec specs[4];
} cases[] = {
	{"busy_8x1", {{BUSY(8, 1, 1)}}},
	{"mix_2x", {{BUSY(2, 1, 1)}, {BUSY(1, 2, 2)}}},
	{"mix_4x", {{BUSY(4, 1, 1)}, {BUSY(2, 2, 2)}}},
	{"one_of_two_busy", {{BUSY(1, 2, 1)}, {BUSY(2, 2, 2)}}},
	{"io_threads", {{BUSY(1, 1, 1), .io = 2}, {BUSY(3, 1, 1)}}},
	{"shares_124",
	 {{BUSY(1, 2, 2), .shares = 1000},
	  {BUSY(1, 2, 2), .shares = 2000},
	  {BUSY(1, 2, 2), .shares = 4000}}},
	{"reservation", {{BUSY(1, 1, 1), .reservation = 0.5}, {BUSY(16, 1, 1)}}},
	{"reservation_wakes",
	 {{BUSY(1, 1, 1), .wakes = true, .reservation = 0.5}, {BUSY(16, 1, 1)}}},
	{"limit", {{BUSY(1, 1, 1), .limit = 0.3}, {BUSY(3, 1, 1)}}},
	{"limit_alone", {{BUSY(1, 1, 1), .limit = 0.3}}},
	{"limit_2way", {{BUSY(1, 2, 2), .limit = 0.6}, {BUSY(2, 1, 1)}}},
	{"limit_helper", {{BUSY(1, 1, 1), .io = 1, .limit = 1}}},
	{"barrier", {{BUSY(1, 2, 2), .barrier = true}, {BUSY(6, 1, 1)}}},
	{"barrier_strict",
	 {{BUSY(1, 2, 2), .barrier = true, .cosched = "strict"}, {BUSY(6, 1, 1)}}},
	{"barrier_relaxed",
	 {{BUSY(1, 2, 2), .barrier = true, .cosched = "relaxed"}, {BUSY(6, 1, 1)}}},
	{"barrier_balance",
	 {{BUSY(1, 2, 2), .barrier = true, .cosched = "balance"}, {BUSY(6, 1, 1)}}},
	{"barrier_alone", {{BUSY(1, 2, 2), .barrier = true}}},
};

static const char *const modes[] = {"thread", "session", "vm", "vcpus", "cgroup", "dispatch"};
enum mode { MODE_THREAD, MODE_SESSION, MODE_VM, MODE_VCPUS, MODE_CGROUP, MODE_DISPATCH, MODES };

/* ---- VMs ---- */

struct shared {
	_Atomic uint64_t off[BUCKETS]; /* times that nobody was there for so long */
	_Atomic uint64_t last;	       /* when a vCPU was there last */
	_Atomic bool counting;
	_Atomic uint64_t late[BUCKETS]; /* times that a sleep ended so late */
	_Atomic uint64_t arrived;	/* at the barrier, altogether */
};

struct vm {
	const struct spec *spec;
	pid_t pid;
	char name[16];
	struct shared *shared;
	uint64_t before, after; /* ns of CPU time */
};

static struct vm vms[VMS_MAX];
static size_t n_vms;

/* All of a VM's busy threads look at one stamp: what lies between two looks is time in which none of
 * them was there. */
static void work(struct shared *s, uint64_t until)
{
	for (;;) {
		uint64_t now = clock_mono(), last = atomic_exchange(&s->last, now);

		if (now > last + BUCKET && last && atomic_load(&s->counting))
			atomic_fetch_add(&s->off[u64_min((now - last) / BUCKET, BUCKETS - 1)], 1);
		if (now >= until)
			return;
	}
}

struct thread {
	const struct vm *vm;
	unsigned number;
	bool io;
};

static void meet(struct shared *s, unsigned n)
{
	for (;;) {
		uint64_t until = clock_mono() + WORK, mine;

		while (clock_mono() < until)
			;
		mine = atomic_fetch_add(&s->arrived, 1) / n;
		while (atomic_load(&s->arrived) < (mine + 1) * n)
			__builtin_ia32_pause();
	}
}

static void rest(struct shared *s)
{
	uint64_t due = clock_mono() + DUTY_OFF, late;

	nanosleep(&(struct timespec){0, DUTY_OFF}, NULL);
	late = clock_mono() - due;
	if (atomic_load(&s->counting))
		atomic_fetch_add(&s->late[u64_min(late / BUCKET, BUCKETS - 1)], 1);
}

static void *run_thread(void *data)
{
	const struct thread *t = data;
	char name[16];

	snprintf(name, sizeof(name), t->io ? "IO %u" : "CPU %u/TCG", t->number % 100);
	prctl(PR_SET_NAME, name);
	while (!t->io && t->number >= t->vm->spec->busy)
		pause();
	if (t->vm->spec->barrier)
		meet(t->vm->shared, t->vm->spec->vcpus);
	for (;;) {
		work(t->vm->shared, t->vm->spec->wakes ? clock_mono() + DUTY_ON : UINT64_MAX);
		atomic_store(&t->vm->shared->last, 0);
		rest(t->vm->shared);
	}
	return NULL;
}

/* Its command line is what deschedd takes its name from. */
static int become_vm(char **argv)
{
	static struct thread threads[16];
	static struct spec spec;
	static struct vm vm = {.spec = &spec};
	int fd = open(argv[3], O_RDWR | O_CLOEXEC);
	pthread_t thread;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	spec = cases[atoi(argv[4])].specs[atoi(argv[5])];
	vm.shared = mmap(NULL, sizeof(*vm.shared), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (vm.shared == MAP_FAILED)
		return 1;
	for (unsigned i = 0; i < spec.vcpus + spec.io; i++) {
		threads[i] = (struct thread){&vm, i, i >= spec.vcpus};
		pthread_create(&thread, NULL, run_thread, &threads[i]);
	}
	for (;;)
		pause();
}

static void put(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd < 0 || write(fd, text, strlen(text)) < 0)
		fprintf(stderr, "%s: %s\n", path, strerror(errno));
	close(fd);
}

/* All are below one cgroup that outweighs whatever else runs on this machine. */
static char top[64];

static void make_top(void)
{
	char path[128];

	snprintf(top, sizeof(top), CPU "/bench-%llx", (unsigned long long)clock_real());
	mkdir(top, 0755);
	snprintf(path, sizeof(path), "%s/cpu.shares", top);
	put(path, "262144");
	if (fork())
		return;
	/* somebody who isn't a VM: it would be a single one's own cgroup otherwise */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	snprintf(path, sizeof(path), "%s/cgroup.procs", top);
	put(path, "0");
	for (;;)
		pause();
}

/* The calling process goes into a cgroup of its own, of weight 1024, or so much for each vCPU; or
 * (mode `thread`, `cgroup`) to the others. A session is one only outside of cgroups. */
static void go_to_group(const struct vm *vm, enum mode mode)
{
	char path[160], text[32];

	/* dispatch moves vCPUs into a group of its own; other threads stay in their session's */
	if (mode == MODE_SESSION || mode == MODE_DISPATCH) {
		setsid();
		if (mode == MODE_SESSION)
			put("/proc/self/autogroup", "-20");
		return;
	}
	snprintf(path, sizeof(path), "%s/cgroup.procs", top);
	if (mode == MODE_VM || mode == MODE_VCPUS) {
		snprintf(path, sizeof(path), "%s/%s", top, vm->name);
		mkdir(path, 0755);
		snprintf(path, sizeof(path), "%s/%s/cpu.shares", top, vm->name);
		snprintf(text, sizeof(text), "%u",
			 mode == MODE_VCPUS ? 1024 * vm->spec->vcpus : 1024);
		put(path, text);
		snprintf(path, sizeof(path), "%s/%s/cgroup.procs", top, vm->name);
	}
	put(path, "0");
}

static void start_vm(size_t c, size_t s, enum mode mode, struct vm *vm)
{
	char file[64], which[2][16];
	int fd;

	vm->spec = &cases[c].specs[s];
	snprintf(vm->name, sizeof(vm->name), "vm%zu", (size_t)(vm - vms));
	snprintf(file, sizeof(file), "/run/%s", vm->name);
	fd = open(file, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (ftruncate(fd, sizeof(*vm->shared)))
		exit(1);
	vm->shared = mmap(NULL, sizeof(*vm->shared), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	snprintf(which[0], sizeof(which[0]), "%zu", c);
	snprintf(which[1], sizeof(which[1]), "%zu", s);
	vm->pid = fork();
	if (vm->pid)
		return;
	go_to_group(vm, mode);
	execl("/proc/self/exe", "qemu", "-name", vm->name, file, which[0], which[1], NULL);
	_exit(127);
}

static uint64_t cpu_time(const struct vm *vm)
{
	struct timespec t = {0};
	clockid_t clock;

	if (!clock_getcpuclockid(vm->pid, &clock))
		clock_gettime(clock, &t);
	return (uint64_t)t.tv_sec * NS_PER_SEC + (uint64_t)t.tv_nsec;
}

/* ---- the enforcer ---- */

static pid_t start_deschedd(const char *program, enum mode mode)
{
	FILE *f = fopen("/run/conf", "w");
	pid_t pid;

	fprintf(f, "[deschedd]\nsocket = /run/socket\nstream =\n[enforce]\nenforcer = %s\n",
		modes[mode]);
	if (getenv("BENCH_LIMIT_PERIOD"))
		fprintf(f, "limit_period = %s\n", getenv("BENCH_LIMIT_PERIOD"));
	for (size_t i = 0; i < n_vms; i++) {
		const struct spec *s = vms[i].spec;

		fprintf(f, "[vm %s]\n", vms[i].name);
		if (s->shares > 0)
			fprintf(f, "shares = %g\n", s->shares);
		fprintf(f, "reservation = %g\n", s->reservation);
		if (s->limit > 0)
			fprintf(f, "limit = %g\n", s->limit);
		if (s->cosched)
			fprintf(f, "cosched = %s\n", s->cosched);
	}
	fclose(f);
	pid = fork();
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGTERM);
		dup2(STDERR_FILENO, STDOUT_FILENO);
		execl(program, program, "-c", "/run/conf", NULL);
		_exit(127);
	}
	return pid;
}

/* ---- the report ---- */

/* Busy threads want a CPU each; one that wakes and sleeps, half of one. */
static double wanted(const struct spec *s)
{
	return fmin(s->busy + s->io, get_nprocs()) * (s->wakes ? 0.5 : 1);
}

static void expect(double got[], double expected[], double span)
{
	struct entitlement e[VMS_MAX];
	struct entitlement_host host = {.cpus = 0};

	for (size_t i = 0; i < n_vms; i++) {
		const struct spec *s = vms[i].spec;

		got[i] = (double)(vms[i].after - vms[i].before) / span;
		host.cpus += got[i];
		e[i] = (struct entitlement){.n_vcpus = s->vcpus,
					    .shares = s->shares,
					    .reservation = s->reservation,
					    .limit = s->limit,
					    .wanted = wanted(s)};
	}
	entitlement_divide(e, n_vms, &host);
	for (size_t i = 0; i < n_vms; i++)
		expected[i] = e[i].entitled;
}

/* The time, ms, that at least this part of the counted times is no longer than. */
static double quantile(const _Atomic uint64_t counts[BUCKETS], double part)
{
	uint64_t all = 0, sum = 0;

	for (size_t i = 0; i < BUCKETS; i++)
		all += counts[i];
	for (size_t i = 0; i < BUCKETS; i++) {
		sum += counts[i];
		if (all && (double)sum >= part * (double)all)
			return (double)(i + 1) / 10;
	}
	return 0;
}

/* What was measured in a span of ns. */
struct result {
	double span, window; /* least CPUs of the first VM in a second */
	double rounds;	     /* a second */
	double enforcer;     /* CPUs */
};

static void report(const char *name, enum mode mode, const struct result *r)
{
	const struct shared *s = vms[0].shared;
	double got[VMS_MAX], expected[VMS_MAX], worst = 0, first;

	expect(got, expected, r->span);
	for (size_t i = 0; i < n_vms; i++)
		worst = fmax(worst, fabs(got[i] / expected[i] - 1));
	first = got[0] / expected[0] - 1;
	printf("{\"case\":\"%s\",\"mode\":\"%s\",\"seconds\":%.2f,\"first_error\":%.4f,"
	       "\"worst_error\":%.4f,\"off_p50_ms\":%.1f,\"off_p99_ms\":%.1f,\"off_max_ms\":%.1f,"
	       "\"worst_second\":%.4f,\"late_p50_ms\":%.1f,\"late_p99_ms\":%.1f,"
	       "\"late_max_ms\":%.1f,\"rounds\":%.0f,\"enforcer_cpus\":%.4f,\"vms\":[",
	       name, modes[mode], r->span / 1e9, first, worst, quantile(s->off, 0.5),
	       quantile(s->off, 0.99), quantile(s->off, 1), r->window, quantile(s->late, 0.5),
	       quantile(s->late, 0.99), quantile(s->late, 1), r->rounds, r->enforcer);
	for (size_t i = 0; i < n_vms; i++)
		printf("%s{\"cpus\":%.4f,\"expected\":%.4f}", i ? "," : "", got[i], expected[i]);
	printf("]}\n");
}

static int add_time(pid_t pid, void *sum)
{
	struct proc_stat stat;

	/* all of deschedd's processes, and its threads */
	if (!proc_read_stat(pid, 0, &stat) && !strncmp(stat.comm, "deschedd", 8))
		*(uint64_t *)sum += stat.utime_ns + stat.stime_ns;
	return 0;
}

static uint64_t enforcer_time(void)
{
	uint64_t sum = 0;

	proc_each_id("/proc", add_time, &sum);
	return sum;
}

/* The set of VMs outweighs others, too: the enforcer leaves alone what somebody else has set. */
static void outweigh(void)
{
	char path[320];
	DIR *dir = opendir(CPU);
	const struct dirent *d;

	while (dir && (d = readdir(dir)))
		if (!strncmp(d->d_name, "desched-", 8)) {
			snprintf(path, sizeof(path), CPU "/%s/cpu.shares", d->d_name);
			put(path, "262144");
		}
	if (dir)
		closedir(dir);
}

/* Times off are those of a window that begins when all VMs have found their places. */
static void measure(const char *name, enum mode mode, unsigned seconds)
{
	uint64_t begin, rounds, enforcer, at, was, first;
	struct result r = {.window = INFINITY};

	sleep(WARM_UP);
	if (mode == MODE_DISPATCH && !getenv("BENCH_OWN_WEIGHT"))
		outweigh();
	for (size_t i = 0; i < n_vms; i++)
		vms[i].before = cpu_time(&vms[i]);
	begin = at = clock_mono();
	was = vms[0].before;
	rounds = atomic_load(&vms[0].shared->arrived);
	enforcer = enforcer_time();
	atomic_store(&vms[0].shared->counting, true);
	for (unsigned i = 0; i < seconds; i++) {
		uint64_t now;

		sleep(1);
		now = clock_mono();
		first = cpu_time(&vms[0]);
		r.window = fmin(r.window, (double)(first - was) / (double)(now - at));
		at = now;
		was = first;
	}
	for (size_t i = 0; i < n_vms; i++)
		vms[i].after = cpu_time(&vms[i]);
	r.span = (double)(clock_mono() - begin);
	atomic_store(&vms[0].shared->counting, false);
	rounds = atomic_load(&vms[0].shared->arrived) - rounds;
	r.rounds = (double)rounds / vms[0].spec->vcpus / r.span * NS_PER_SEC;
	r.enforcer = (double)(enforcer_time() - enforcer) / r.span;
	report(name, mode, &r);
}

static void remove_group(const char *path)
{
	for (int i = 0; rmdir(path) && errno == EBUSY && i < 500; i++)
		usleep(10000);
}

static void end_all(pid_t deschedd)
{
	char path[128];
	FILE *other;
	int pid;

	if (deschedd) {
		kill(deschedd, SIGTERM);
		waitpid(deschedd, NULL, 0);
	}
	for (size_t i = 0; i < n_vms; i++) {
		kill(vms[i].pid, SIGKILL);
		waitpid(vms[i].pid, NULL, 0);
		snprintf(path, sizeof(path), "%s/%s", top, vms[i].name);
		remove_group(path);
	}
	snprintf(path, sizeof(path), "%s/cgroup.procs", top);
	other = fopen(path, "re");
	while (other && fscanf(other, "%d", &pid) == 1)
		kill(pid, SIGKILL);
	if (other)
		fclose(other);
	remove_group(top);
}

static int find(const char *name, const char *what)
{
	for (size_t i = 0; !strcmp(what, "case") && i < ARRAY_SIZE(cases); i++)
		if (!strcmp(cases[i].name, name))
			return (int)i;
	for (int i = 0; !strcmp(what, "mode") && i < MODES; i++)
		if (!strcmp(modes[i], name))
			return i;
	fprintf(stderr, "there is no %s '%s'\n", what, name);
	exit(2);
}

int main(int argc, char **argv)
{
	pid_t deschedd = 0;
	enum mode mode;
	int c;

	if (argc == 6 && !strcmp(argv[1], "-name"))
		return become_vm(argv);
	if (argc < 4)
		return 2;
	c = find(argv[2], "case");
	mode = (enum mode)find(argv[3], "mode");
	own_pids();
	setsid();
	if (mount("run", "/run", "tmpfs", 0, "mode=755"))
		own_pids_end(1);
	make_top();
	for (size_t s = 0; s < ARRAY_SIZE(cases[c].specs); s++)
		for (unsigned i = 0; i < cases[c].specs[s].count; i++)
			start_vm((size_t)c, s, mode, &vms[n_vms++]);
	if (mode >= MODE_CGROUP)
		deschedd = start_deschedd(argv[1], mode);
	measure(cases[c].name, mode, argc > 4 ? (unsigned)atoi(argv[4]) : 10);
	end_all(deschedd);
	own_pids_end(0);
}
