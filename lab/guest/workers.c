/* SPDX-License-Identifier: MIT */
#include "workers.h"

#include "base/clock.h"
#include "base/proc.h"
#include "base/units.h"
#include "kinds.h"
#include "taskstats.h"

#include <limits.h>
#include <linux/futex.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define WORK_PATH "/bin/work"
#define PARK_NS	  (10 * NS_PER_SEC)

struct worker {
	const struct work_kind *kind;
	struct work_slot *slot;
	pid_t pid; /* 0 when it has ended */
};

static struct worker workers[WORKERS_MAX];
static int n_workers;

static struct work_slot *new_slot(int *ret_fd)
{
	int fd = memfd_create("slot", 0); /* inherited by the worker on purpose */
	void *p;

	if (fd < 0)
		return NULL;
	if (ftruncate(fd, sizeof(struct work_slot))) {
		close(fd);
		return NULL;
	}
	p = mmap(NULL, sizeof(struct work_slot), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (p == MAP_FAILED) {
		close(fd);
		return NULL;
	}
	*ret_fd = fd;
	return p;
}

static void exec_worker(const struct work_kind *kind, uint64_t unit_ns, int slot, int cpu)
{
	char unit[24], number[16];
	cpu_set_t set;

	CPU_ZERO(&set);
	if (cpu >= 0)
		CPU_SET((size_t)cpu, &set);
	if (cpu >= 0 && sched_setaffinity(0, sizeof(set), &set))
		_exit(126);
	snprintf(unit, sizeof(unit), "%llu", (unsigned long long)unit_ns);
	snprintf(number, sizeof(number), "%d", slot);
	execl(WORK_PATH, "work", kind->name, unit, number, (char *)NULL);
	_exit(127);
}

static const char *start_worker(const struct work_kind *kind, uint64_t unit_ns, int cpu)
{
	struct worker *w = &workers[n_workers];
	int fd;

	w->slot = new_slot(&fd);
	if (!w->slot)
		return "no memory for a worker";
	w->kind = kind;
	w->pid = fork();
	if (w->pid == 0)
		exec_worker(kind, unit_ns, fd, cpu);
	close(fd);
	n_workers++;
	return w->pid < 0 ? "no process for a worker" : NULL;
}

/* Waits, without using much CPU, until all that live say `phase`. */
static const char *wait_all(uint32_t phase, const char *complaint)
{
	uint64_t end = clock_mono() + PARK_NS;
	struct timespec pause = {.tv_nsec = NS_PER_MS};

	for (int i = 0; i < n_workers; i++) {
		while (workers[i].pid > 0 && atomic_load(&workers[i].slot->parked) != phase) {
			if (waitpid(workers[i].pid, NULL, WNOHANG) == workers[i].pid)
				workers[i].pid = 0;
			else if (clock_mono() > end)
				return complaint;
			else
				nanosleep(&pause, NULL);
		}
		if (workers[i].pid <= 0)
			return "a worker has died";
	}
	return NULL;
}

const char *workers_prepare(const json_t *kinds, const json_t *cpus, uint64_t unit_ns)
{
	size_t n = json_array_size(kinds);

	workers_end();
	if (n < 1 || n > WORKERS_MAX)
		return "1 to 16 kinds are possible";
	for (size_t i = 0; i < n; i++) {
		const char *name = json_string_value(json_array_get(kinds, i));
		const struct work_kind *kind = name ? work_kind_find(name) : NULL;
		const json_t *cpu = json_array_get(cpus, i);
		const char *wrong = kind ? start_worker(kind, unit_ns,
							cpu ? (int)json_integer_value(cpu) : -1)
					 : "no such kind of work";

		if (wrong)
			return wrong;
	}
	return wait_all(WORK_READY, "a worker did not start in time");
}

static void give_order(uint32_t order)
{
	for (int i = 0; i < n_workers; i++) {
		atomic_store(&workers[i].slot->order, order);
		syscall(SYS_futex, &workers[i].slot->order, FUTEX_WAKE, INT_MAX, NULL, NULL, 0);
	}
}

void workers_start(void)
{
	give_order(WORK_GO);
}

const char *workers_stop(void)
{
	give_order(WORK_STOP);
	return wait_all(WORK_STOPPED, "a worker did not stop in time");
}

/* What /proc/PID/stat says, in clock ticks, and the same with the kernel's nanoseconds for what the
 * process did itself. */
static void read_times(pid_t pid, double *ret_reported_s, double *ret_cpu_s)
{
	struct proc_stat s = {0};
	uint64_t run = 0, delay;

	if (pid > 0 && !proc_read_stat(pid, 0, &s))
		proc_read_schedstat(pid, 0, &run, &delay);
	*ret_reported_s = ns_to_s(s.utime_ns + s.stime_ns + s.cutime_ns + s.cstime_ns);
	*ret_cpu_s = ns_to_s(run + s.cutime_ns + s.cstime_ns);
}

/* PID and TIME+ of a line of top's. */
static bool parse_top_line(const char *line, pid_t *ret_pid, double *ret_s)
{
	int pid, minutes, seconds, hundredths;

	if (sscanf(line, "%d %*s %*s %*s %*s %*s %*s %*s %*s %*s %d:%d.%d", &pid, &minutes,
		   &seconds, &hundredths) != 4)
		return false;
	*ret_pid = pid;
	*ret_s = minutes * 60 + seconds + hundredths / 100.0;
	return true;
}

/* What top itself prints for each worker, with the time of children that have ended (-S). */
static void read_top(double top_s[WORKERS_MAX])
{
	char line[512];
	FILE *f = popen("TERM=dumb /bin/top -b -S -n 1 -w 200", "r");

	if (!f)
		return;
	while (fgets(line, sizeof(line), f)) {
		double seconds;
		pid_t pid;

		if (!parse_top_line(line, &pid, &seconds))
			continue;
		for (int i = 0; i < n_workers; i++) {
			if (workers[i].pid == pid)
				top_s[i] = seconds;
		}
	}
	pclose(f);
}

static json_t *read_worker(const struct worker *w, double top_s)
{
	double reported_s, cpu_s;
	json_t *one;

	read_times(w->pid, &reported_s, &cpu_s);
	one = json_pack("{s:s, s:b, s:i, s:b, s:I, s:f, s:f, s:f}", "kind", w->kind->name, "steady",
			w->kind->steady, "pid", w->pid, "alive", w->pid > 0, "units",
			(json_int_t)atomic_load(&w->slot->units), "reported_s", reported_s, "cpu_s",
			cpu_s, "ticks_s", ns_to_s(taskstats_ticks_ns(w->pid)));
	if (one && top_s >= 0)
		json_object_set_new(one, "top_s", json_real(top_s));
	return one;
}

json_t *workers_read(bool with_top)
{
	double top_s[WORKERS_MAX];
	json_t *list = json_array();

	for (int i = 0; i < WORKERS_MAX; i++)
		top_s[i] = -1;
	if (with_top)
		read_top(top_s);
	for (int i = 0; i < n_workers; i++)
		json_array_append_new(list, read_worker(&workers[i], top_s[i]));
	return list;
}

struct others {
	pid_t except;
	uint64_t sum;
};

static bool is_worker(pid_t pid)
{
	for (int i = 0; i < n_workers; i++) {
		if (workers[i].pid == pid)
			return true;
	}
	return false;
}

static int add_other(pid_t pid, void *data)
{
	struct others *o = data;
	uint64_t run, delay;

	if (pid == 1 || pid == o->except || is_worker(pid))
		return 0;
	if (!proc_read_schedstat(pid, 0, &run, &delay))
		o->sum += run;
	return 0;
}

uint64_t workers_others_ns(pid_t except)
{
	struct others o = {.except = except};

	proc_each_id("/proc", add_other, &o);
	return o.sum;
}

void workers_end(void)
{
	for (int i = 0; i < n_workers; i++) {
		if (workers[i].pid > 0) {
			kill(workers[i].pid, SIGKILL);
			waitpid(workers[i].pid, NULL, 0);
		}
		munmap(workers[i].slot, sizeof(struct work_slot));
	}
	memset(workers, 0, sizeof(workers));
	n_workers = 0;
}

void workers_reaped(pid_t pid)
{
	for (int i = 0; i < n_workers; i++) {
		if (workers[i].pid == pid)
			workers[i].pid = 0;
	}
}
