/* SPDX-License-Identifier: MIT */
/*
 * Reading /proc. Everything there is stale or hostile: names hold blanks, brackets and newlines,
 * files vanish between open and read. Every function returns 0 or -errno (-ESRCH, -ENOENT for what
 * is gone, -EBADMSG for what does not parse) and leaves its ret_ parameters alone on failure.
 */
#ifndef BASE_PROC_H
#define BASE_PROC_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define PROC_COMM_SIZE 64 /* kernel threads' names can be longer than a task's 16 bytes */

/* Reads a whole small file into buf, NUL-terminated, cut at size - 1. Returns its length. */
ssize_t file_read(const char *path, char *buf, size_t size);
ssize_t file_read_fd(int fd, char *buf, size_t size); /* from where it stands */

/* From /proc/PID/stat or, with tid != 0, /proc/PID/task/TID/stat. */
struct proc_stat {
	char comm[PROC_COMM_SIZE];
	char state;
	pid_t ppid;
	uint64_t utime_ns; /* as the kernel reports it: a multiple of its clock tick */
	uint64_t stime_ns;
	uint64_t cutime_ns; /* of children that were waited for */
	uint64_t cstime_ns;
	uint64_t start_ns; /* since boot, a multiple of the clock tick */
	uint64_t rss;	   /* bytes in memory */
	int cpu;	   /* last run on */
};
int proc_read_stat(pid_t pid, pid_t tid, struct proc_stat *ret);

/* The parser alone, for tests and fuzzing. `text` is NUL-terminated. */
int proc_parse_stat(const char *text, struct proc_stat *ret);

/* /proc/PID/task/TID/schedstat (tid 0: /proc/PID/schedstat): ns on a CPU, ns waiting for one. */
int proc_read_schedstat(pid_t pid, pid_t tid, uint64_t *ret_run, uint64_t *ret_delay);
int proc_parse_schedstat(const char *text, uint64_t *ret_run, uint64_t *ret_delay);

/* From /proc/PID/task/TID/status: how often the thread went to sleep, and how often it was made to
 * give way. */
int proc_read_switches(pid_t pid, pid_t tid, uint64_t *ret_slept, uint64_t *ret_preempted);
int proc_parse_switches(const char *text, uint64_t *ret_slept, uint64_t *ret_preempted);

/* From /proc/PID/status: the real, effective, saved and file system's user of a process. Whom /proc/PID
 * itself belongs to says less: root, for one that doesn't want to be looked into. */
int proc_read_uids(pid_t pid, uid_t ret[4]);

/* Calls fn for every numeric entry of the directory; a non-zero result ends the walk and is
 * returned. */
int proc_each_id(const char *dir, int (*fn)(pid_t id, void *data), void *data);

/* Where a process stands, from /proc/PID/cgroup: its path in the unified hierarchy, in that of the
 * `cpu` controller, in systemd's, the first of them that is not the root; "/" where all are. The
 * path may hold any byte but NUL and newline, and is cut to fit. */
int proc_read_cgroup(pid_t pid, char *ret, size_t size);
int proc_parse_cgroup(const char *text, char *ret, size_t size);

/* /proc/PID/cgroup or, with tid != 0, a thread's; `root` is put before /proc. And of such a text the
 * path in the hierarchy that has this controller ("": the unified one); -ENOENT where none has. */
int proc_read_cgroups(const char *root, pid_t pid, pid_t tid, char *ret, size_t size);
int proc_parse_controller(const char *text, const char *controller, char *ret, size_t size);

/* The "cpu" (cpu < 0) or "cpuN" line of /proc/stat, in nanoseconds. Busy = user + nice + system +
 * irq + softirq: steal and guest time are not in it. What doesn't fit is UINT64_MAX. */
struct proc_cpu {
	uint64_t busy_ns;
	uint64_t idle_ns; /* idle + iowait */
	uint64_t steal_ns;
};
int proc_read_cpu(int cpu, struct proc_cpu *ret);

/* All of them by their numbers, an array of *ret_n that is the caller's; one that is off is 0. */
int proc_read_cpus(struct proc_cpu **ret, size_t *ret_n);
int proc_parse_cpu(const char *text, int cpu, struct proc_cpu *ret);

#endif
