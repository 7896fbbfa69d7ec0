/* SPDX-License-Identifier: MIT */
#include "vmm/machine.h"

#include "base/units.h"
#include "vmm/timers.h"

#include <errno.h>
#include <poll.h>

const char *const machine_end_names[MACHINE_ENDS] = {
	[MACHINE_RUNS] = "runs",	[MACHINE_POWEROFF] = "power-off",
	[MACHINE_RESET] = "reset",	[MACHINE_STOPPED] = "stopped",
	[MACHINE_HALTED] = "halted",	[MACHINE_FAULT] = "triple fault",
	[MACHINE_BROKEN] = "KVM error",
};

void machine_lock(struct machine *m)
{
	if (__atomic_load_n(&m->gated, __ATOMIC_RELAXED)) {
		pthread_mutex_lock(&m->gate);
		pthread_mutex_unlock(&m->gate);
	}
	pthread_mutex_lock(&m->lock);
}

void machine_lock_first(struct machine *m)
{
	pthread_mutex_lock(&m->gate);
	__atomic_store_n(&m->gated, true, __ATOMIC_RELAXED);
	pthread_mutex_lock(&m->lock);
	__atomic_store_n(&m->gated, false, __ATOMIC_RELAXED);
	pthread_mutex_unlock(&m->gate);
}

void machine_unlock(struct machine *m)
{
	pthread_mutex_unlock(&m->lock);
}

void machine_nap(struct machine *m)
{
	struct timespec moment = {.tv_nsec = (long)NS_PER_MS};

	machine_unlock(m);
	ppoll(NULL, 0, &moment, NULL);
	machine_lock(m);
}

bool machine_has_ended(const struct machine *m)
{
	return __atomic_load_n(&m->end, __ATOMIC_RELAXED);
}

bool machine_restarts(const struct machine *m)
{
	return m->reboots && (m->end == MACHINE_RESET || m->end == MACHINE_FAULT);
}

void machine_break(struct machine *m, const char *what, unsigned number)
{
	m->end = MACHINE_BROKEN;
	failure_set(&m->broken, -EIO, "this /dev/kvm cannot run the guest: %s %u", what, number);
}

void machine_set_policy(struct machine *m, enum tick_policy policy)
{
	timers_set_policy(&m->board, policy);
	for (unsigned i = 0; i < m->cpus; i++)
		ticker_set_policy(&m->cpu[i].ticker, policy);
}

void machine_forget(struct machine *m)
{
	timers_forget(&m->board);
	for (unsigned i = 0; i < m->cpus; i++)
		ticker_forget(&m->cpu[i].ticker);
}
