/* SPDX-License-Identifier: MIT */
/*
 * bench_enforce DESCHEDD CASE MODE [SECONDS]: how near processes like VMs come to what they are
 * entitled to, as a line of JSON. MODE is what shares the CPUs: `thread` (all in one session),
 * `session` (one each), `vm` (a cgroup each, of equal weight), `vcpus` (weights by vCPUs), or
 * `cgroup`, that enforcer of deschedd. A VM has so many vCPUs, of which some are busy, and threads
 * for I/O. Its CPU time is that of its process's clock; what it should be is host/entitlement.h's of
 * the CPU that all VMs got together. Of the first VM it says how long all of its busy vCPUs stood
 * still at once.
 *
 * Needs root and cgroups of version 1; VMs of others are out of sight (system/own_pids.h).
 */
#include "base/clock.h"
#include "base/proc.h"
#include "base/units.h"
#include "host/entitlement.h"
#include "system/own_pids.h"

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

struct spec {
	unsigned count, vcpus, busy, io;
	bool wakes;			   /* its vCPUs work for 20 ms and sleep for 20 */
	double shares, reservation, limit; /* 0: the usual */
};

static const struct bench_case {
	const char *name;
	struct spec specs[4];
} cases[] = {
	{"busy_8x1", {{8, 1, 1, 0, false, 0, 0, 0}}},
	{"mix_2x", {{2, 1, 1, 0, false, 0, 0, 0}, {1, 2, 2, 0, false, 0, 0, 0}}},
	{"mix_4x", {{4, 1, 1, 0, false, 0, 0, 0}, {2, 2, 2, 0, false, 0, 0, 0}}},
	{"one_of_two_busy", {{1, 2, 1, 0, false, 0, 0, 0}, {2, 2, 2, 0, false, 0, 0, 0}}},
	{"io_threads", {{1, 1, 1, 2, false, 0, 0, 0}, {3, 1, 1, 0, false, 0, 0, 0}}},
	{"shares_124",
	 {{1, 2, 2, 0, false, 1000, 0, 0},
	  {1, 2, 2, 0, false, 2000, 0, 0},
	  {1, 2, 2, 0, false, 4000, 0, 0}}},
	{"reservation", {{1, 1, 1, 0, false, 0, 0.5, 0}, {16, 1, 1, 0, false, 0, 0, 0}}},
	{"reservation_wakes", {{1, 1, 1, 0, true, 0, 0.5, 0}, {16, 1, 1, 0, false, 0, 0, 0}}},
	{"limit", {{1, 1, 1, 0, false, 0, 0, 0.3}, {3, 1, 1, 0, false, 0, 0, 0}}},
	{"limit_alone", {{1, 1, 1, 0, false, 0, 0, 0.3}}},
};

static const char *const modes[] = {"thread", "session", "vm", "vcpus", "cgroup"};
enum mode { MODE_THREAD, MODE_SESSION, MODE_VM, MODE_VCPUS, MODE_CGROUP, MODES };

/* ---- VMs ---- */

struct shared {
	_Atomic uint64_t off[BUCKETS]; /* times that nobody was there for so long */
	_Atomic uint64_t last;	       /* when a vCPU was there last */
	_Atomic bool counting;
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

static void *run_thread(void *data)
{
	const struct thread *t = data;
	char name[16];

	snprintf(name, sizeof(name), t->io ? "IO %u" : "CPU %u/TCG", t->number % 100);
	prctl(PR_SET_NAME, name);
	while (!t->io && t->number >= t->vm->spec->busy)
		pause();
	for (;;) {
		work(t->vm->shared, t->vm->spec->wakes ? clock_mono() + DUTY_ON : UINT64_MAX);
		atomic_store(&t->vm->shared->last, 0);
		nanosleep(&(struct timespec){0, DUTY_OFF}, NULL);
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

	if (mode == MODE_SESSION) {
		setsid();
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

static pid_t start_deschedd(const char *program)
{
	FILE *f = fopen("/run/conf", "w");
	pid_t pid;

	fprintf(f, "[deschedd]\nsocket = /run/socket\nstream =\n[enforce]\nenforcer = cgroup\n");
	for (size_t i = 0; i < n_vms; i++) {
		const struct spec *s = vms[i].spec;

		fprintf(f, "[vm %s]\n", vms[i].name);
		if (s->shares > 0)
			fprintf(f, "shares = %g\n", s->shares);
		fprintf(f, "reservation = %g\n", s->reservation);
		if (s->limit > 0)
			fprintf(f, "limit = %g\n", s->limit);
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

/* The time, ms, that at least this part of the VM's times off is no longer than. */
static double quantile(const struct shared *s, double part)
{
	uint64_t all = 0, sum = 0;

	for (size_t i = 0; i < BUCKETS; i++)
		all += s->off[i];
	for (size_t i = 0; i < BUCKETS; i++) {
		sum += s->off[i];
		if (all && (double)sum >= part * (double)all)
			return (double)(i + 1) / 10;
	}
	return 0;
}

static void report(const char *name, enum mode mode, double span)
{
	double got[VMS_MAX], expected[VMS_MAX], worst = 0, first;

	expect(got, expected, span);
	for (size_t i = 0; i < n_vms; i++)
		worst = fmax(worst, fabs(got[i] / expected[i] - 1));
	first = got[0] / expected[0] - 1;
	printf("{\"case\":\"%s\",\"mode\":\"%s\",\"seconds\":%.2f,\"first_error\":%.4f,"
	       "\"worst_error\":%.4f,\"off_p50_ms\":%.1f,\"off_p99_ms\":%.1f,\"off_max_ms\":%.1f,"
	       "\"vms\":[",
	       name, modes[mode], span / 1e9, first, worst, quantile(vms[0].shared, 0.5),
	       quantile(vms[0].shared, 0.99), quantile(vms[0].shared, 1));
	for (size_t i = 0; i < n_vms; i++)
		printf("%s{\"cpus\":%.4f,\"expected\":%.4f}", i ? "," : "", got[i], expected[i]);
	printf("]}\n");
}

/* Times off are those of a window that begins when all VMs have found their places. */
static void measure(const char *name, enum mode mode, unsigned seconds)
{
	uint64_t begin;
	double span;

	sleep(WARM_UP);
	for (size_t i = 0; i < n_vms; i++)
		vms[i].before = cpu_time(&vms[i]);
	begin = clock_mono();
	atomic_store(&vms[0].shared->counting, true);
	sleep(seconds);
	for (size_t i = 0; i < n_vms; i++)
		vms[i].after = cpu_time(&vms[i]);
	span = (double)(clock_mono() - begin);
	atomic_store(&vms[0].shared->counting, false);
	report(name, mode, span);
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
	if (mode == MODE_CGROUP)
		deschedd = start_deschedd(argv[1]);
	measure(cases[c].name, mode, argc > 4 ? (unsigned)atoi(argv[4]) : 10);
	end_all(deschedd);
	own_pids_end(0);
}
