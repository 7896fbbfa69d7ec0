/* SPDX-License-Identifier: MIT */
#include "enforce/thread_class.h"

#include <errno.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define WORD (8 * sizeof(unsigned long))

uint64_t thread_usual_slice(void)
{
	struct thread_class own = {.size = sizeof(own)};

	return syscall(SYS_sched_getattr, 0, &own, sizeof(own), 0) ? 0 : own.runtime;
}

int thread_class_get(pid_t tid, uint64_t usual_slice, struct thread_class *ret)
{
	struct thread_class c = {.size = sizeof(c)};

	if (syscall(SYS_sched_getattr, tid, &c, sizeof(c), 0))
		return -errno;
	c.size = sizeof(c);
	/* Setting the usual slice would make it one of the thread's own. */
	if (thread_class_is_fair(&c) && c.runtime == usual_slice)
		c.runtime = 0;
	*ret = c;
	return 0;
}

int thread_class_set(pid_t tid, const struct thread_class *to)
{
	return syscall(SYS_sched_setattr, tid, to, 0) ? -errno : 0;
}

struct thread_class thread_class_idle(const struct thread_class *of)
{
	struct thread_class idle = *of;

	idle.policy = SCHED_IDLE;
	return idle;
}

bool thread_class_is_fair(const struct thread_class *c)
{
	return c->policy == SCHED_OTHER || c->policy == SCHED_BATCH;
}

int thread_mask_get(pid_t tid, struct thread_mask *ret)
{
	struct thread_mask m = {{0}};

	if (syscall(SYS_sched_getaffinity, tid, sizeof(m), &m) < 0)
		return -errno;
	*ret = m;
	return 0;
}

int thread_mask_set(pid_t tid, const struct thread_mask *to)
{
	return syscall(SYS_sched_setaffinity, tid, sizeof(*to), to) ? -errno : 0;
}

struct thread_mask thread_mask_of(uint32_t cpu)
{
	struct thread_mask m = {{0}};

	if (cpu < THREAD_CPUS)
		m.bits[cpu / WORD] = 1ul << cpu % WORD;
	return m;
}

bool thread_mask_has(const struct thread_mask *m, uint32_t cpu)
{
	return cpu < THREAD_CPUS && m->bits[cpu / WORD] >> cpu % WORD & 1;
}
