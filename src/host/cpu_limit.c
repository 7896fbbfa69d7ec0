/* SPDX-License-Identifier: MIT */
#include "host/cpu_limit.h"

#include "base/proc.h"
#include "base/units.h"

#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#define PATH_SIZE 4096

/* Where the hierarchy that has the `cpu` controller may be. */
static const struct hierarchy {
	const char *controller; /* in /proc/PID/cgroup */
	const char *mount, *quota, *period;
} hierarchies[] = {
	{"cpu", "/sys/fs/cgroup/cpu", "cpu.cfs_quota_us", "cpu.cfs_period_us"},
	{"cpu", "/sys/fs/cgroup/cpu,cpuacct", "cpu.cfs_quota_us", "cpu.cfs_period_us"},
	{"", "/sys/fs/cgroup", "cpu.max", NULL},
};

static double read_number(const char *path)
{
	char text[64];
	double n;

	return file_read(path, text, sizeof(text)) > 0 && sscanf(text, "%lf", &n) == 1 ? n : NAN;
}

/* CPUs that this group may use; infinite where it has no limit. */
static double limit_of_group(const char *root, const struct hierarchy *h, const char *group,
			     size_t length)
{
	char path[PATH_SIZE], text[64];
	double quota, period;

	snprintf(path, sizeof(path), "%s%s%.*s/%s", root, h->mount, (int)length, group, h->quota);
	if (h->period) {
		quota = read_number(path);
		snprintf(path, sizeof(path), "%s%s%.*s/%s", root, h->mount, (int)length, group,
			 h->period);
		period = read_number(path);
	} else if (file_read(path, text, sizeof(text)) <= 0 ||
		   sscanf(text, "%lf %lf", &quota, &period) != 2) {
		return INFINITY;
	}
	return quota > 0 && period > 0 ? quota / period : INFINITY;
}

/* The least of the path's groups whose paths are longer than `from`, up to `to`. */
static double least(const char *root, const struct hierarchy *h, const char *path, size_t from,
		    size_t to)
{
	double limit = INFINITY;

	for (size_t at = from; at < to; at++) {
		size_t end = at + 1 + strcspn(path + at + 1, "/");

		if (path[at] == '/' && end > at + 1)
			limit = fmin(limit, limit_of_group(root, h, path, end));
	}
	return limit;
}

/* How long the part is that both paths have, in whole groups. */
static size_t common(const char *a, const char *b)
{
	size_t whole = 0;

	for (size_t i = 0;; i++) {
		bool end_a = a[i] == '/' || !a[i], end_b = b[i] == '/' || !b[i];

		if (end_a && end_b)
			whole = i;
		if (a[i] != b[i] || !a[i])
			return whole;
	}
}

double cpu_limit_of(const char *root, pid_t pid, pid_t tid, size_t n)
{
	char texts[2][16 * KIB], process[PATH_SIZE], vcpu[PATH_SIZE];
	double limit = INFINITY;

	if (proc_read_cgroups(root, pid, 0, texts[0], sizeof(texts[0])) ||
	    proc_read_cgroups(root, pid, tid, texts[1], sizeof(texts[1])))
		return 0;
	for (size_t i = 0; i < ARRAY_SIZE(hierarchies); i++) {
		const struct hierarchy *h = &hierarchies[i];
		size_t both;

		if (proc_parse_controller(texts[0], h->controller, process, sizeof(process)) ||
		    proc_parse_controller(texts[1], h->controller, vcpu, sizeof(vcpu)))
			continue;
		both = common(process, vcpu);
		limit = fmin(limit, least(root, h, vcpu, 0, both));
		limit = fmin(limit, (double)n * least(root, h, vcpu, both, strlen(vcpu)));
	}
	return isinf(limit) ? 0 : limit;
}
