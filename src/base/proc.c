/* SPDX-License-Identifier: MIT */
#include "base/proc.h"

#include "base/cleanup.h"
#include "base/units.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define STAT_LINE_SIZE 1024

ssize_t file_read_fd(int fd, char *buf, size_t size)
{
	size_t used = 0;

	while (used < size - 1) {
		ssize_t n = read(fd, buf + used, size - 1 - used);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			break;
		used += (size_t)n;
	}
	buf[used] = '\0';
	return (ssize_t)used;
}

ssize_t file_read(const char *path, char *buf, size_t size)
{
	_cleanup_(close_fd) int fd = open(path, O_RDONLY | O_CLOEXEC);

	return fd < 0 ? -errno : file_read_fd(fd, buf, size);
}

/* Counters that have wrapped, or that something else has written, stay huge: never a small figure
 * by overflow. */
static uint64_t add_saturated(uint64_t a, uint64_t b)
{
	return a + b < a ? UINT64_MAX : a + b;
}

static uint64_t clock_ticks_to_ns(uint64_t n)
{
	uint64_t tick = NS_PER_SEC / (uint64_t)sysconf(_SC_CLK_TCK);

	return n > UINT64_MAX / tick ? UINT64_MAX : n * tick;
}

int proc_parse_stat(const char *text, struct proc_stat *ret)
{
	const char *open = strchr(text, '(');
	const char *close = strrchr(text,
				    ')'); /* the name may hold ')' itself: the last one ends it */
	struct proc_stat s = {0};
	uint64_t utime, stime, cutime, cstime, start;
	int64_t pages;
	size_t len;
	int ppid;

	if (!open || !close || close < open)
		return -EBADMSG;
	len = u64_min((uint64_t)(close - open - 1), PROC_COMM_SIZE - 1);
	memcpy(s.comm, open + 1, len);
	if (sscanf(close + 1,
		   " %c %d %*d %*d %*d %*d %*u %*u %*u %*u %*u %" SCNu64 " %" SCNu64 " %" SCNu64
		   " %" SCNu64 " %*d %*d %*d %*d %" SCNu64 " %*u %" SCNd64
		   " %*u %*u %*u %*u %*u %*u %*u %*u %*u %*u %*u %*u %*u %*d %d",
		   &s.state, &ppid, &utime, &stime, &cutime, &cstime, &start, &pages, &s.cpu) != 9)
		return -EBADMSG;
	s.ppid = ppid;
	s.utime_ns = clock_ticks_to_ns(utime);
	s.stime_ns = clock_ticks_to_ns(stime);
	s.cutime_ns = clock_ticks_to_ns(cutime);
	s.cstime_ns = clock_ticks_to_ns(cstime);
	s.rss = pages > 0 ? (uint64_t)pages * (uint64_t)sysconf(_SC_PAGESIZE) : 0;
	s.start_ns = clock_ticks_to_ns(start);
	*ret = s;
	return 0;
}

/* "/proc/PID/NAME" or "/proc/PID/task/TID/NAME", below `root`. */
static ssize_t read_task_file_at(const char *root, pid_t pid, pid_t tid, const char *name,
				 char *buf, size_t size)
{
	char path[PATH_MAX];

	if (tid)
		snprintf(path, sizeof(path), "%s/proc/%d/task/%d/%s", root, pid, tid, name);
	else
		snprintf(path, sizeof(path), "%s/proc/%d/%s", root, pid, name);
	return file_read(path, buf, size);
}

static ssize_t read_task_file(pid_t pid, pid_t tid, const char *name, char *buf, size_t size)
{
	return read_task_file_at("", pid, tid, name, buf, size);
}

int proc_read_stat(pid_t pid, pid_t tid, struct proc_stat *ret)
{
	char buf[STAT_LINE_SIZE];
	ssize_t n = read_task_file(pid, tid, "stat", buf, sizeof(buf));

	return n < 0 ? (int)n : proc_parse_stat(buf, ret);
}

int proc_parse_schedstat(const char *text, uint64_t *ret_run, uint64_t *ret_delay)
{
	uint64_t run, delay;

	if (sscanf(text, "%" SCNu64 " %" SCNu64, &run, &delay) != 2)
		return -EBADMSG;
	*ret_run = run;
	*ret_delay = delay;
	return 0;
}

int proc_read_schedstat(pid_t pid, pid_t tid, uint64_t *ret_run, uint64_t *ret_delay)
{
	char buf[128];
	ssize_t n = read_task_file(pid, tid, "schedstat", buf, sizeof(buf));

	return n < 0 ? (int)n : proc_parse_schedstat(buf, ret_run, ret_delay);
}

int proc_parse_switches(const char *text, uint64_t *ret_slept, uint64_t *ret_preempted)
{
	const char *slept = strstr(text, "\nvoluntary_ctxt_switches:");
	const char *preempted = strstr(text, "\nnonvoluntary_ctxt_switches:");
	uint64_t a, b;

	if (!slept || sscanf(strchr(slept, ':'), ": %" SCNu64, &a) != 1 || !preempted ||
	    sscanf(strchr(preempted, ':'), ": %" SCNu64, &b) != 1)
		return -EBADMSG;
	*ret_slept = a;
	*ret_preempted = b;
	return 0;
}

int proc_read_switches(pid_t pid, pid_t tid, uint64_t *ret_slept, uint64_t *ret_preempted)
{
	char buf[4096];
	ssize_t n = read_task_file(pid, tid, "status", buf, sizeof(buf));

	return n < 0 ? (int)n : proc_parse_switches(buf, ret_slept, ret_preempted);
}

int proc_read_uids(pid_t pid, uid_t ret[4])
{
	char buf[4096];
	ssize_t n = read_task_file(pid, 0, "status", buf, sizeof(buf));
	const char *line = n < 0 ? NULL : strstr(buf, "\nUid:");
	uid_t uid[4];

	if (n < 0)
		return (int)n;
	if (!line || sscanf(line, "\nUid: %u %u %u %u", &uid[0], &uid[1], &uid[2], &uid[3]) != 4)
		return -EBADMSG;
	memcpy(ret, uid, sizeof(uid));
	return 0;
}

static void close_directory(DIR **d)
{
	if (*d)
		closedir(*d);
}

int proc_each_id(const char *dir, int (*fn)(pid_t id, void *data), void *data)
{
	_cleanup_(close_directory) DIR *d = opendir(dir);
	struct dirent *e;

	if (!d)
		return -errno;
	while ((e = readdir(d))) {
		char *end;
		long id;
		int err;

		if (!isdigit((unsigned char)e->d_name[0]))
			continue;
		id = strtol(e->d_name, &end, 10);
		if (*end || id <= 0 || id > INT_MAX)
			continue;
		err = fn((pid_t)id, data);
		if (err)
			return err;
	}
	return 0;
}

/* True where the line "ID:CONTROLLERS:PATH" is of the hierarchy that has this controller. */
static bool has_controller(const char *line, const char *path, const char *wanted)
{
	const char *at = strchr(line, ':') + 1;
	size_t size = strlen(wanted);

	while (at < path) {
		size_t n = strcspn(at, ",:\n");

		if (n == size && !strncmp(at, wanted, n))
			return true;
		at += n + 1;
	}
	return false;
}

/* The path of the line, up to its end; NULL for what is no line of this file. */
static const char *cgroup_path(const char *line)
{
	size_t id = strcspn(line, ":\n"), controllers;

	if (line[id] != ':')
		return NULL;
	controllers = strcspn(line + id + 1, ":\n");
	line += id + 1 + controllers;
	return line[0] == ':' && line[1] == '/' ? line + 1 : NULL;
}

static const char *find_cgroup(const char *text, const char *controller)
{
	for (const char *line = text; line; line = strchr(line, '\n')) {
		const char *path;

		line += *line == '\n';
		path = cgroup_path(line);
		if (path && has_controller(line, path, controller))
			return path;
	}
	return NULL;
}

int proc_parse_cgroup(const char *text, char *ret, size_t size)
{
	static const char *const hierarchies[] = {"", "cpu", "name=systemd"};
	const char *found = NULL;

	for (size_t i = 0; i < ARRAY_SIZE(hierarchies); i++) {
		const char *path = find_cgroup(text, hierarchies[i]);

		found = path ? path : found;
		if (path && path[1] && path[1] != '\n')
			break;
	}
	if (!found)
		return -EBADMSG;
	snprintf(ret, size, "%.*s", (int)strcspn(found, "\n"), found);
	return 0;
}

int proc_read_cgroup(pid_t pid, char *ret, size_t size)
{
	char buf[16 * KIB];
	ssize_t n = read_task_file(pid, 0, "cgroup", buf, sizeof(buf));

	return n < 0 ? (int)n : proc_parse_cgroup(buf, ret, size);
}

int proc_read_cgroups(const char *root, pid_t pid, pid_t tid, char *ret, size_t size)
{
	ssize_t n = read_task_file_at(root, pid, tid, "cgroup", ret, size);

	return n < 0 ? (int)n : 0;
}

int proc_parse_controller(const char *text, const char *controller, char *ret, size_t size)
{
	const char *found = find_cgroup(text, controller);

	if (!found)
		return -ENOENT;
	snprintf(ret, size, "%.*s", (int)strcspn(found, "\n"), found);
	return 0;
}

int proc_parse_cpu(const char *text, int cpu, struct proc_cpu *ret)
{
	uint64_t user, nice, system, idle, iowait, irq, softirq, steal;
	char label[16] = "cpu";
	const char *line = text;

	if (cpu >= 0)
		snprintf(label, sizeof(label), "cpu%d", cpu);
	while (strncmp(line, label, strlen(label)) != 0 || line[strlen(label)] != ' ') {
		line = strchr(line, '\n');
		if (!line)
			return -ENOENT;
		line++;
	}
	if (sscanf(line + strlen(label),
		   "%" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64
		   " %" SCNu64 " %" SCNu64,
		   &user, &nice, &system, &idle, &iowait, &irq, &softirq, &steal) != 8)
		return -EBADMSG;
	user = add_saturated(add_saturated(user, nice), add_saturated(system, irq));
	ret->busy_ns = clock_ticks_to_ns(add_saturated(user, softirq));
	ret->idle_ns = clock_ticks_to_ns(add_saturated(idle, iowait));
	ret->steal_ns = clock_ticks_to_ns(steal);
	return 0;
}

/* The line of the next CPU from *at on, which is moved behind it: "cpuN ...". False for none. */
static bool next_cpu(const char **at, int *ret_cpu, struct proc_cpu *ret)
{
	for (const char *line = *at; line && *line; line = strchr(line, '\n')) {
		line += *line == '\n';
		if (sscanf(line, "cpu%5d", ret_cpu) != 1 || *ret_cpu < 0 ||
		    proc_parse_cpu(line, *ret_cpu, ret))
			continue;
		*at = strchr(line, '\n');
		return true;
	}
	return false;
}

int proc_read_cpus(struct proc_cpu **ret, size_t *ret_n)
{
	_cleanup_(free_ptr) char *text = malloc(MIB);
	ssize_t size = text ? file_read("/proc/stat", text, MIB) : -ENOMEM;
	struct proc_cpu *cpus = NULL, *more, one;
	const char *at = text;
	size_t n = 0;
	int cpu;

	while (size > 0 && next_cpu(&at, &cpu, &one)) {
		size_t most = n > (size_t)cpu + 1 ? n : (size_t)cpu + 1;

		more = reallocarray(cpus, most, sizeof(*cpus));
		if (!more) {
			free(cpus);
			return -ENOMEM;
		}
		memset(more + n, 0, (most - n) * sizeof(*cpus));
		cpus = more;
		n = most;
		cpus[cpu] = one;
	}
	if (!n)
		return size < 0 ? (int)size : -EBADMSG;
	*ret = cpus;
	*ret_n = n;
	return 0;
}

int proc_read_cpu(int cpu, struct proc_cpu *ret)
{
	/* The "intr" line behind the CPUs can be long; only the head of the file is wanted. */
	char buf[64 * KIB];
	ssize_t n = file_read("/proc/stat", buf, sizeof(buf));

	return n < 0 ? (int)n : proc_parse_cpu(buf, cpu, ret);
}
