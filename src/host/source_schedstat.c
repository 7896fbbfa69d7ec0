/* SPDX-License-Identifier: MIT */
/*
 * Ledgers from /proc/PID/task/TID/schedstat: how long the thread ran and how long it waited for a
 * CPU. What is neither is HALT, since nothing here can tell an idle guest from host work.
 *
 * RUN is short: the kernel cuts runs by the clock of its run queue, which it reads at the beginning
 * of a switch and from which it leaves out what a hypervisor took, where it can tell. From there to
 * the switch itself passed 3 to 6 us a run more at a run's end than at its beginning on Linux 6.18
 * in a VM, which are the next thread's here and this one's in the source bpf.
 *
 * The kernel brings the figures up to date late: `run` at ticks and switches, `run_delay` when a
 * wait ends. What comes late is owed: it is booked as soon as an interval has room for it, so the
 * identity holds and no counter runs backwards. HALT is too high by at most the longest wait plus
 * one tick that was under way at a reading; it does not add up over readings.
 */
#include "base/clock.h"
#include "base/proc.h"
#include "base/units.h"
#include "host/source.h"
#include "host/thread.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* The descriptor stays open: a reading after the thread's end is -ESRCH, whoever has its id
 * then. */
struct polled {
	int fd;
	uint64_t run, ready; /* ns: as last read */
	uint64_t owed_run, owed_ready;
	uint64_t first_run;
	bool ended;
	struct ledger ledger;
};

struct polled_vm {
	pid_t pid;
	uint64_t process_ns; /* CPU time of the whole process when it was added */
	uint64_t overhead_ns;
	uint32_t n_vcpus;
	struct polled vcpus[];
};

static int read_figures(const struct polled *p, uint64_t *ret_run, uint64_t *ret_ready)
{
	char text[128];
	ssize_t n = pread(p->fd, text, sizeof(text) - 1, 0);

	if (n < 0)
		return -errno;
	if (n == 0)
		return -ESRCH;
	text[n] = '\0';
	return proc_parse_schedstat(text, ret_run, ret_ready);
}

static int start(struct polled *p, pid_t pid, pid_t tid)
{
	enum ledger_state state;
	char path[64];
	int err = thread_guess_state(pid, tid, &state);

	if (err)
		return err == -ENOENT ? -ESRCH : err;
	snprintf(path, sizeof(path), "/proc/%d/task/%d/schedstat", pid, tid);
	p->fd = open(path, O_RDONLY | O_CLOEXEC);
	if (p->fd < 0)
		return errno == ENOENT ? -ESRCH : -errno;
	err = read_figures(p, &p->run, &p->ready);
	if (err)
		return err;
	p->first_run = p->run;
	ledger_start(&p->ledger, clock_mono(), state == LEDGER_RUN ? LEDGER_RUN : LEDGER_HALT);
	return 0;
}

static uint64_t take(uint64_t *owed, uint64_t *room)
{
	uint64_t ns = u64_min(*owed, *room);

	*owed -= ns;
	*room -= ns;
	return ns;
}

/* Books the interval from ledger.at to `now`. */
static void book(struct polled *p, uint64_t now, uint64_t run, uint64_t ready)
{
	uint64_t room = u64_sub_floor(now, p->ledger.at), ran, waited;

	p->owed_run += u64_sub_floor(run, p->run);
	p->owed_ready += u64_sub_floor(ready, p->ready);
	p->run = run;
	p->ready = ready;
	ran = take(&p->owed_run, &room);
	waited = take(&p->owed_ready, &room);
	p->ledger.ns[LEDGER_RUN] += ran;
	p->ledger.ns[LEDGER_READY] += waited;
	p->ledger.ns[LEDGER_HALT] += room;
	p->ledger.at = u64_max(p->ledger.at, now);
	p->ledger.state = ran ? LEDGER_RUN : waited ? LEDGER_READY : LEDGER_HALT;
}

static int polled_read(void *state, void *vm, uint32_t vcpu, struct ledger *ret)
{
	struct polled *p = &((struct polled_vm *)vm)->vcpus[vcpu];
	uint64_t now = clock_mono(), run = 0, ready = 0;
	int err = p->ended ? -ESRCH : read_figures(p, &run, &ready);

	(void)state;
	if (err && err != -ESRCH)
		return err;
	if (err)
		p->ended = true;
	else
		book(p, now, run, ready);
	*ret = p->ledger;
	return err;
}

static int read_process(pid_t pid, uint64_t *ret_ns)
{
	struct proc_stat s;
	int err = proc_read_stat(pid, 0, &s);

	if (err)
		return err;
	*ret_ns = s.utime_ns + s.stime_ns;
	return 0;
}

static int polled_overhead(void *state, void *vm, uint64_t *ret_ns)
{
	struct polled_vm *v = vm;
	uint64_t process, vcpus = 0;

	(void)state;
	if (!read_process(v->pid, &process)) {
		for (uint32_t i = 0; i < v->n_vcpus; i++)
			vcpus += v->vcpus[i].run - v->vcpus[i].first_run;
		process = u64_sub_floor(process, v->process_ns);
		v->overhead_ns = u64_max(v->overhead_ns, u64_sub_floor(process, vcpus));
	}
	*ret_ns = v->overhead_ns;
	return 0;
}

static void polled_remove(void *state, void *vm)
{
	struct polled_vm *v = vm;

	(void)state;
	for (uint32_t i = 0; i < v->n_vcpus; i++) {
		if (v->vcpus[i].fd >= 0)
			close(v->vcpus[i].fd);
	}
	free(v);
}

static int start_all(struct polled_vm *v, const struct host_vm *vm)
{
	int err = read_process(vm->pid, &v->process_ns);

	for (uint32_t i = 0; i < v->n_vcpus && !err; i++)
		err = start(&v->vcpus[i], vm->pid, vm->vcpus[i].tid);
	return err;
}

static int polled_add(void *state, int id, const struct host_vm *vm, struct failure *f,
		      void **ret_vm)
{
	struct polled_vm *v = calloc(1, sizeof(*v) + vm->n_vcpus * sizeof(v->vcpus[0]));
	int err;

	(void)id;
	if (!v)
		return failure_errno(f, -ENOMEM, "VM %s", vm->name);
	v->pid = vm->pid;
	v->n_vcpus = vm->n_vcpus;
	for (uint32_t i = 0; i < v->n_vcpus; i++)
		v->vcpus[i].fd = -1;
	err = start_all(v, vm);
	if (err) {
		polled_remove(state, v);
		return failure_errno(f, err, "VM %s: schedstat of its vCPU threads", vm->name);
	}
	*ret_vm = v;
	return 0;
}

static int polled_open(struct failure *f, void **ret_state)
{
	uint64_t run, ready;
	int err = proc_read_schedstat(getpid(), 0, &run, &ready);

	if (err)
		return failure_errno(f, err, "/proc/PID/schedstat (CONFIG_SCHED_INFO)");
	*ret_state = NULL;
	return 0;
}

static void polled_close(void *state)
{
	(void)state;
}

const struct host_source source_schedstat = {
	.name = "schedstat",
	.open = polled_open,
	.close = polled_close,
	.add = polled_add,
	.remove = polled_remove,
	.read = polled_read,
	.overhead = polled_overhead,
};
