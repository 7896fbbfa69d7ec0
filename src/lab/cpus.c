/* SPDX-License-Identifier: MIT */
#include "lab/cpus.h"

#include "base/cpulist.h"
#include "base/proc.h"

#include <errno.h>
#include <stdio.h>

#define PIN_ROUNDS 3

int cpus_allowed(cpu_set_t *ret)
{
	return sched_getaffinity(0, sizeof(*ret), ret) ? -errno : 0;
}

static int list_failure(const char *list, const cpu_set_t *allowed, struct failure *f)
{
	char have[128];

	cpus_text(allowed, have, sizeof(have));
	return failure_set(
		f, -EINVAL,
		"--cpus: '%s' given, expected a list such as 0-1,3 of CPUs that are here: %s", list,
		have);
}

int cpus_parse(const char *list, const cpu_set_t *allowed, struct failure *f, cpu_set_t *ret)
{
	const char *at = list;
	uint32_t first, last;
	cpu_set_t set;
	int more;

	CPU_ZERO(&set);
	while ((more = cpulist_next(&at, &first, &last)) > 0) {
		for (uint32_t i = first; i <= last; i++) {
			if (i >= CPU_SETSIZE || !CPU_ISSET(i, allowed))
				return list_failure(list, allowed, f);
			CPU_SET(i, &set);
		}
	}
	if (more || !CPU_COUNT(&set))
		return list_failure(list, allowed, f);
	*ret = set;
	return 0;
}

void cpus_last(const cpu_set_t *set, cpu_set_t *ret)
{
	int last = CPU_SETSIZE - 1;

	while (last > 0 && !CPU_ISSET(last, set))
		last--;
	CPU_ZERO(ret);
	CPU_SET(last, ret);
}

void cpus_text(const cpu_set_t *set, char *ret, size_t size)
{
	size_t used = 0;

	ret[0] = '\0';
	for (int i = 0; i < CPU_SETSIZE; i++) {
		int last = i;

		if (!CPU_ISSET(i, set))
			continue;
		while (last + 1 < CPU_SETSIZE && CPU_ISSET(last + 1, set))
			last++;
		if (used < size)
			used += (size_t)snprintf(ret + used, size - used,
						 last > i ? "%s%d-%d" : "%s%d", used ? "," : "", i,
						 last);
		i = last;
	}
}

static int pin_thread(pid_t tid, void *data)
{
	if (sched_setaffinity(tid, sizeof(cpu_set_t), data) && errno != ESRCH)
		return -errno;
	return 0;
}

/* A thread that began between reading the directory and pinning its parent is met by the next
 * round; after that all parents are pinned, and children inherit. */
int cpus_pin_process(pid_t pid, const cpu_set_t *set)
{
	cpu_set_t copy = *set;
	char dir[64];
	int err = 0;

	snprintf(dir, sizeof(dir), "/proc/%d/task", pid);
	for (int i = 0; i < PIN_ROUNDS && !err; i++)
		err = proc_each_id(dir, pin_thread, &copy);
	return err;
}
