/* SPDX-License-Identifier: MIT */
#include "enforce/cgroup.h"

#include "base/proc.h"
#include "base/units.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILE_PATH (CGROUP_PATH + 256)

/* The kernel's bounds, us. */
#define QUOTA_LEAST  1000
#define PERIOD_LEAST 1000
#define PERIOD_MOST  1000000

static const struct version {
	const char *weight;
	double usual;
	int64_t least, most;
} versions[] = {
	[1] = {"cpu.shares", 1024, 2, 262144},
	[2] = {"cpu.weight", 100, 1, 10000},
};

/* ---- the hierarchy ---- */

static bool is_there(const char *directory, const char *file)
{
	char path[FILE_PATH];

	snprintf(path, sizeof(path), "%s/%s", directory, file);
	return !access(path, F_OK);
}

/* Version 2's has `cpu` among its controllers. */
static bool has_cpu(const char *mount)
{
	char path[FILE_PATH], text[512], *word, *rest = text;

	snprintf(path, sizeof(path), "%s/cgroup.controllers", mount);
	if (file_read(path, text, sizeof(text)) <= 0)
		return false;
	while ((word = strsep(&rest, " \n")))
		if (!strcmp(word, "cpu"))
			return true;
	return false;
}

int cgroup_host(const char *root, struct failure *why, struct cgroup_host *ret)
{
	static const char *const first[] = {"/sys/fs/cgroup/cpu", "/sys/fs/cgroup/cpu,cpuacct"};
	struct cgroup_host h = {.version = 1};

	snprintf(h.root, sizeof(h.root), "%s", root);
	for (size_t i = 0; i < ARRAY_SIZE(first); i++) {
		snprintf(h.mount, sizeof(h.mount), "%s%s", h.root, first[i]);
		if (is_there(h.mount, "cgroup.procs")) {
			*ret = h;
			return 0;
		}
	}
	h.version = 2;
	snprintf(h.mount, sizeof(h.mount), "%s/sys/fs/cgroup", h.root);
	if (!has_cpu(h.mount))
		return failure_set(why, -EOPNOTSUPP,
				   "no cgroups with the cpu controller in /sys/fs/cgroup");
	*ret = h;
	return 0;
}

/* ---- amounts ---- */

int64_t cgroup_weight(const struct cgroup_host *h, double threads)
{
	const struct version *v = &versions[h->version];

	return (int64_t)fmin(fmax(rint(threads * v->usual), (double)v->least), (double)v->most);
}

double cgroup_weight_threads(const struct cgroup_host *h, int64_t weight)
{
	return (double)weight / versions[h->version].usual;
}

void cgroup_limit(double cpus, uint64_t period_ns, uint64_t credit_ns, struct cgroup_values *to)
{
	double period = fmax((double)period_ns / NS_PER_US, PERIOD_LEAST);

	period = fmin(ceil(fmax(period, QUOTA_LEAST / cpus)), PERIOD_MOST);
	to->period_us = (int64_t)period;
	to->quota_us = (int64_t)fmax(rint(cpus * period), QUOTA_LEAST);
	if (to->burst_us >= 0)
		to->burst_us = (int64_t)u64_min(credit_ns / NS_PER_US, (uint64_t)to->quota_us);
}

/* ---- values ---- */

static void file_of(const struct cgroup_host *h, const char *path, const char *file, char *ret)
{
	snprintf(ret, FILE_PATH, "%s%s/%s", h->mount, strcmp(path, "/") ? path : "", file);
}

int cgroup_get(const struct cgroup_host *h, const char *path, const char *file, char *ret,
	       size_t size)
{
	char name[FILE_PATH];
	ssize_t n;

	file_of(h, path, file, name);
	n = file_read(name, ret, size);
	return n < 0 ? (int)n : 0;
}

static int read_number(const struct cgroup_host *h, const char *path, const char *file,
		       int64_t *ret)
{
	char text[64], *end;
	int err = cgroup_get(h, path, file, text, sizeof(text));
	long long n;

	if (err)
		return err;
	errno = 0;
	n = strtoll(text, &end, 10);
	if (end == text || errno)
		return -EBADMSG;
	*ret = n;
	return 0;
}

int cgroup_put(const struct cgroup_host *h, const char *path, const char *file, const char *text,
	       struct failure *f)
{
	char name[FILE_PATH];
	int fd, err = 0;

	file_of(h, path, file, name);
	fd = open(name, O_WRONLY | O_TRUNC | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0 || write(fd, text, strlen(text)) < 0)
		err = -errno;
	if (fd >= 0)
		close(fd);
	return err ? failure_errno(f, err, "%s: '%s'", file, text) : 0;
}

static int write_number(const struct cgroup_host *h, const char *path, const char *file, int64_t n,
			struct failure *f)
{
	char text[32];

	snprintf(text, sizeof(text), "%lld", (long long)n);
	return cgroup_put(h, path, file, text, f);
}

/* "max 100000" */
static int read_max(const struct cgroup_host *h, const char *path, struct cgroup_values *v)
{
	char text[64];
	long long quota = -1, period;
	int err = cgroup_get(h, path, "cpu.max", text, sizeof(text));

	if (err)
		return err;
	if (sscanf(text, "max %lld", &period) != 1 &&
	    sscanf(text, "%lld %lld", &quota, &period) != 2)
		return -EBADMSG;
	v->quota_us = quota;
	v->period_us = period;
	return 0;
}

int cgroup_read(const struct cgroup_host *h, const char *path, struct cgroup_values *ret)
{
	struct cgroup_values v = {.burst_us = -1};
	int err = read_number(h, path, versions[h->version].weight, &v.weight);

	if (!err && h->version == 2)
		err = read_max(h, path, &v);
	if (!err && h->version == 1)
		err = read_number(h, path, "cpu.cfs_quota_us", &v.quota_us);
	if (!err && h->version == 1)
		err = read_number(h, path, "cpu.cfs_period_us", &v.period_us);
	if (err)
		return err;
	read_number(h, path, h->version == 1 ? "cpu.cfs_burst_us" : "cpu.max.burst", &v.burst_us);
	*ret = v;
	return 0;
}

static int write_burst(const struct cgroup_host *h, const char *path, int64_t burst,
		       struct failure *f)
{
	return write_number(h, path, h->version == 1 ? "cpu.cfs_burst_us" : "cpu.max.burst", burst,
			    f);
}

/* The two files of version 1 are looked at one by one: without a quota every period is good. */
static int write_bandwidth_1(const struct cgroup_host *h, const char *path,
			     const struct cgroup_values *from, const struct cgroup_values *to,
			     struct failure *f)
{
	int err = 0;

	if (from->period_us != to->period_us) {
		if (from->quota_us >= 0)
			err = write_number(h, path, "cpu.cfs_quota_us", -1, f);
		if (!err)
			err = write_number(h, path, "cpu.cfs_period_us", to->period_us, f);
	}
	return err ? err : write_number(h, path, "cpu.cfs_quota_us", to->quota_us, f);
}

static int write_bandwidth_2(const struct cgroup_host *h, const char *path,
			     const struct cgroup_values *to, struct failure *f)
{
	char text[64];

	if (to->quota_us < 0)
		snprintf(text, sizeof(text), "max %lld", (long long)to->period_us);
	else
		snprintf(text, sizeof(text), "%lld %lld", (long long)to->quota_us,
			 (long long)to->period_us);
	return cgroup_put(h, path, "cpu.max", text, f);
}

/* The burst may never be above the quota, not in between either. */
static int write_bandwidth(const struct cgroup_host *h, const char *path,
			   const struct cgroup_values *from, const struct cgroup_values *to,
			   struct failure *f)
{
	int err = 0;

	if (from->quota_us == to->quota_us && from->period_us == to->period_us &&
	    from->burst_us == to->burst_us)
		return 0;
	if (from->burst_us > 0)
		err = write_burst(h, path, 0, f);
	if (!err)
		err = h->version == 1 ? write_bandwidth_1(h, path, from, to, f)
				      : write_bandwidth_2(h, path, to, f);
	if (!err && to->burst_us > 0)
		err = write_burst(h, path, to->burst_us, f);
	return err;
}

int cgroup_write(const struct cgroup_host *h, const char *path, const struct cgroup_values *from,
		 const struct cgroup_values *to, struct failure *f)
{
	int err = 0, bandwidth;

	if (from->weight != to->weight)
		err = write_number(h, path, versions[h->version].weight, to->weight, f);
	bandwidth = write_bandwidth(h, path, from, to, f);
	return err ? err : bandwidth;
}

/* ---- making, moving, dissolving ---- */

int cgroup_path_for(const struct cgroup_host *h, const char *from, pid_t pid, uint64_t start_ns,
		    struct failure *why, char ret[CGROUP_PATH])
{
	char control[512];
	int n;

	if (h->version == 2 && strcmp(from, "/"))
		return failure_set(
			why, -EOPNOTSUPP,
			"it shares %.200s with other processes; start it in a scope of its "
			"own (systemd-run --scope)",
			from);
	if (h->version == 2 &&
	    (cgroup_get(h, "/", "cgroup.subtree_control", control, sizeof(control)) ||
	     !strstr(control, "cpu")))
		return failure_set(
			why, -EOPNOTSUPP,
			"the cpu controller is off below the first cgroup: write +cpu to "
			"/sys/fs/cgroup/cgroup.subtree_control");
	n = snprintf(ret, CGROUP_PATH, "%s/desched-%d-%llx", strcmp(from, "/") ? from : "",
		     (int)pid, (unsigned long long)(start_ns / NS_PER_MS));
	return n < CGROUP_PATH
		       ? 0
		       : failure_set(why, -ENAMETOOLONG, "the path of its cgroup is too long");
}

int cgroup_make(const struct cgroup_host *h, const char *path)
{
	char name[FILE_PATH];

	file_of(h, path, "", name);
	return mkdir(name, 0755) && errno != EEXIST ? -errno : 0;
}

int cgroup_move(const struct cgroup_host *h, pid_t pid, const char *path)
{
	return write_number(h, path, "cgroup.procs", pid, NULL);
}

/* The innermost of path and what is above it that is still there. */
static void still_there(const struct cgroup_host *h, char *path)
{
	char name[FILE_PATH];

	for (;;) {
		char *slash = strrchr(path, '/');

		file_of(h, path, "cgroup.procs", name);
		if (!slash || !path[1] || !access(name, F_OK))
			return;
		slash[slash == path] = '\0';
	}
}

/* Whoever is in there, once. */
static int move_all(const struct cgroup_host *h, const char *path, const char *to)
{
	char name[FILE_PATH];
	int pid;
	FILE *procs;

	file_of(h, path, "cgroup.procs", name);
	procs = fopen(name, "re");
	if (!procs)
		return -errno;
	while (fscanf(procs, "%d", &pid) == 1)
		cgroup_move(h, pid, to); /* one that has ended is gone anyway */
	fclose(procs);
	return 0;
}

int cgroup_dissolve(const struct cgroup_host *h, const char *path, const char *to)
{
	char name[FILE_PATH], target[CGROUP_PATH];
	int err = -EBUSY;

	snprintf(target, sizeof(target), "%s", to);
	still_there(h, target);
	file_of(h, path, "", name);
	/* What forks while it is moved leaves somebody behind; one that ends is there for a while. */
	for (int i = 0; i < 50 && err == -EBUSY; i++) {
		if (i > 2)
			usleep(2000);
		if (move_all(h, path, target) == -ENOENT)
			return 0;
		err = rmdir(name) ? -errno : 0;
	}
	return err == -ENOENT ? 0 : err;
}
