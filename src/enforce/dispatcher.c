/* SPDX-License-Identifier: MIT */
#include "enforce/dispatcher.h"

#include "base/clock.h"
#include "base/proc.h"
#include "base/units.h"
#include "enforce/dispatch_hands.h"
#include "enforce/guard_process.h"
#include "enforce/guard_wire.h"
#include "host/host_ledger.h"

#include <cap-ng.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <seccomp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#define PRIORITY   2 /* of SCHED_FIFO: nobody else needs to be below it */
#define IDLE_POLL  (4 * NS_PER_MS)
#define SOONEST	   (50 * NS_PER_US)
#define AGAIN	   (200 * NS_PER_US) /* after a kick that may have been in vain */
#define TRIES	   20
#define DRAIN	   (50 * NS_PER_MS) /* of the ledger's gaps */
#define LATE	   (5 * NS_PER_MS)
#define LIMIT_EACH (10 * NS_PER_MS) /* before the first orders */

/* What is known of the VM in the plan's place of the same number. */
struct served {
	pid_t pid;
	uint64_t start_ns;
	int ledger; /* -1: none */
	int others; /* freezer of its other threads; -1: none */
	bool others_held;
	bool dying; /* it was killed: nobody waits any more for what it does to end */
};

struct state {
	const struct dispatcher_work *w;
	struct host_ledger *ledger;
	struct guard_inbox inbox;
	struct plan *plan;
	struct kicks *kicks;
	uint64_t limit_period, drained;
	uint32_t n_cpus, end; /* end: threads from there on aren't there */
	uint32_t cpus[THREAD_CPUS];
	struct served vms[PLAN_VMS];
	struct hand hands[PLAN_VCPUS];
	bool kick[THREAD_CPUS];
	/* A thread that ran while it was SCHED_IDLE owes that to the kernel's fair class, which lets
	 * others run first for so long when it is promoted. Each kick has them run for a moment
	 * only, so that they owe little in turn. */
	unsigned tries[THREAD_CPUS]; /* in a row */
	bool again;		     /* some were made in this round */
};

static _Noreturn void fail(struct dispatcher_shared *shared, const char *why)
{
	snprintf(shared->why, sizeof(shared->why), "%s", why);
	atomic_store(&shared->failed, true);
	_exit(1);
}

/* ---- VMs come and go ---- */

static void leave(struct state *s, uint32_t id, uint32_t first, uint32_t n)
{
	struct served *v = &s->vms[id];

	for (uint32_t i = first; i < first + n; i++)
		hand_close(&s->hands[i]);
	if (v->ledger >= 0)
		host_ledger_remove(s->ledger, v->ledger);
	if (v->others >= 0) {
		hand_hold(v->others, false);
		close(v->others);
	}
	*v = (struct served){.ledger = -1, .others = -1};
}

static void meet(struct state *s, uint32_t id)
{
	const struct plan_vm *vm = plan_vm(s->plan, id);
	struct host_vcpu vcpus[HOST_VCPUS_MAX];
	struct host_vm of = {
		.pid = vm->pid, .start_ns = vm->start_ns, .n_vcpus = vm->n, .vcpus = vcpus};
	char path[CGROUP_PATH + 256];
	struct failure f;

	s->vms[id] = (struct served){
		.pid = vm->pid, .start_ns = vm->start_ns, .ledger = -1, .others = -1};
	for (uint32_t i = 0; i < vm->n; i++) {
		pid_t tid = plan_thread(s->plan, vm->first + i)->tid;

		vcpus[i] = (struct host_vcpu){tid, i};
		hand_open(s->w->h, s->w->top, tid, s->w->usual_slice, &s->hands[vm->first + i]);
	}
	if (host_ledger_add(s->ledger, &of, &f, &s->vms[id].ledger))
		s->vms[id].ledger = -1; /* it ends just now */
	dispatch_freezer(s->w->h, s->w->top, 'o', vm->pid, path, sizeof(path));
	s->vms[id].others = open(path, O_WRONLY | O_CLOEXEC | O_NOFOLLOW);
}

/* The threads of those that leave are still where they were: the plan is asked before it changes. */
static void leave_all_but(struct state *s, const struct enforce_orders *o)
{
	for (uint32_t i = 0; i < PLAN_VMS; i++) {
		const struct plan_vm *vm = plan_vm(s->plan, i);
		bool stays = false;

		if (!s->vms[i].pid)
			continue;
		for (size_t k = 0; o && k < o->n && !stays; k++)
			stays = o->vms[k].pid == vm->pid && o->vms[k].start_ns == vm->start_ns;
		if (!stays)
			leave(s, i, vm->first, vm->n);
	}
}

static uint32_t find_cpus(uint32_t *ret)
{
	struct thread_mask mask;
	uint32_t n = 0;

	if (thread_mask_get(0, &mask))
		return 0;
	for (uint32_t i = 0; i < THREAD_CPUS; i++)
		if (thread_mask_has(&mask, i))
			ret[n++] = i;
	return n;
}

/* Everything begins again: CPUs have come or gone, or the period of limits is another. */
static int begin(struct state *s, uint64_t limit_period)
{
	struct plan *plan;
	uint32_t n = find_cpus(s->cpus);
	int err = plan_new(n, limit_period, clock_mono(), &plan);

	if (err)
		return err;
	if (s->plan)
		leave_all_but(s, NULL);
	plan_free(s->plan);
	s->plan = plan;
	if (n != s->n_cpus)
		err = kicks_open(s->cpus, n, &s->kicks);
	s->n_cpus = n;
	s->limit_period = limit_period;
	return err;
}

static bool cpus_changed(const struct state *s)
{
	uint32_t cpus[THREAD_CPUS], n = find_cpus(cpus);

	return n != s->n_cpus || memcmp(cpus, s->cpus, n * sizeof(cpus[0])) != 0;
}

static void report(struct state *s)
{
	s->end = 0;
	for (uint32_t i = 0; i < PLAN_VMS; i++) {
		const struct plan_vm *vm = plan_vm(s->plan, i);

		s->w->shared->vms[i].pid = vm->there ? vm->pid : 0;
		memcpy(s->w->shared->vms[i].why, vm->why, sizeof(vm->why));
		if (vm->there && vm->first + vm->n > s->end)
			s->end = vm->first + vm->n;
	}
}

static void follow(struct state *s, const struct enforce_orders *o)
{
	uint64_t period = o->n ? o->vms[0].period : s->limit_period;

	if (period != s->limit_period || cpus_changed(s)) {
		if (begin(s, period))
			fail(s->w->shared, "it can't begin again for other CPUs");
	} else {
		leave_all_but(s, o);
	}
	plan_orders(s->plan, clock_mono(), o);
	for (uint32_t i = 0; i < PLAN_VMS; i++) {
		const struct plan_vm *vm = plan_vm(s->plan, i);

		if (!vm->there || (s->vms[i].pid == vm->pid && s->vms[i].start_ns == vm->start_ns))
			continue;
		meet(s, i);
		atomic_fetch_add(&s->w->shared->beat, 1); /* that takes its time */
	}
	report(s);
}

static void take_orders(struct state *s)
{
	struct dispatcher_shared *sh = s->w->shared;
	struct enforce_orders orders;
	int got;

	if (atomic_load(&sh->sent) == atomic_load(&sh->done))
		return;
	got = guard_receive(&s->inbox, s->w->fd, &orders);
	if (got == -EPIPE)
		_exit(0);
	if (got != 1)
		return;
	follow(s, &orders);
	atomic_fetch_add(&sh->done, 1);
}

/* ---- a round ---- */

/* One that was to run, and doesn't: its CPU is kicked again, though not for ever, since a task of the
 * host's may have it. */
static void look_at_kick(struct state *s, uint32_t vcpu, enum ledger_state state)
{
	const struct plan_thread *t = plan_thread(s->plan, vcpu);

	if (t->wish != PLAN_RUN)
		return;
	if (state != LEDGER_READY)
		s->tries[t->cpu] = 0;
	else if (s->tries[t->cpu]++ < TRIES)
		s->kick[t->cpu] = true;
}

static void see_vm(struct state *s, uint64_t now, uint32_t id)
{
	const struct plan_vm *vm = plan_vm(s->plan, id);
	struct ledger l;
	uint64_t others;

	if (s->vms[id].ledger < 0)
		return;
	for (uint32_t i = 0; i < vm->n; i++) {
		int err = host_ledger_read(s->ledger, s->vms[id].ledger, i, &l);

		if (err)
			continue;
		look_at_kick(s, vm->first + i, (enum ledger_state)l.state);
		plan_see(s->plan, now, vm->first + i, (enum ledger_state)l.state, l.ns[LEDGER_RUN]);
	}
	if (!host_ledger_overhead(s->ledger, s->vms[id].ledger, &others))
		plan_charge(s->plan, now, id, others);
}

/* A thread that was killed has to run to end, which it could wait for long: SCHED_IDLE, or frozen as
 * soon as it has its signal. */
static bool is_dying(pid_t pid)
{
	static const char *const pending[] = {"SigPnd:", "ShdPnd:"};
	char path[64], text[4096];
	const char *at;

	snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
	if (file_read(path, text, sizeof(text)) <= 0)
		return true;
	at = strstr(text, "\nState:\t");
	if (at && (at[8] == 'Z' || at[8] == 'X'))
		return true;
	for (size_t i = 0; i < ARRAY_SIZE(pending); i++) {
		at = strstr(text, pending[i]);
		if (at && strtoull(at + strlen(pending[i]), NULL, 16) >> (SIGKILL - 1) & 1)
			return true;
	}
	return false;
}

static void look_for_dying(struct state *s)
{
	for (uint32_t i = 0; i < PLAN_VMS; i++) {
		struct served *v = &s->vms[i];
		const struct plan_vm *vm = plan_vm(s->plan, i);

		if (!v->pid || v->dying || !is_dying(v->pid))
			continue;
		v->dying = true;
		for (uint32_t k = vm->first; k < vm->first + vm->n; k++)
			hand_close(&s->hands[k]);
		if (v->others >= 0)
			hand_hold(v->others, false);
	}
}

static void hold_others(struct state *s, uint32_t id)
{
	const struct plan_vm *vm = plan_vm(s->plan, id);
	struct served *v = &s->vms[id];

	if (v->others < 0 || v->dying || vm->hold_others == v->others_held)
		return;
	hand_hold(v->others, vm->hold_others);
	v->others_held = vm->hold_others;
}

static void carry_out(struct state *s)
{
	struct dispatcher_shared *sh = s->w->shared;
	uint64_t changes = 0, holds = 0;

	for (uint32_t i = 0; i < s->end; i++)
		if (s->hands[i].tid)
			changes += hand_take_off(&s->hands[i], plan_thread(s->plan, i)->wish);
	for (uint32_t i = 0; i < s->end; i++) {
		const struct plan_thread *t = plan_thread(s->plan, i);
		struct hand *h = &s->hands[i];
		bool changed;

		if (!h->tid)
			continue;
		changed = hand_put_on(h, t->wish, t->wish == PLAN_RUN ? s->cpus[t->cpu] : 0);
		changes += changed;
		holds += h->held;
		s->kick[t->cpu] |= changed && t->wish == PLAN_RUN;
	}
	s->again = false;
	for (uint32_t i = 0; i < s->n_cpus; i++) {
		if (s->kick[i]) {
			kicks_kick(s->kicks, i);
			atomic_fetch_add(&sh->kicks, 1);
			s->again = true;
		}
		s->kick[i] = false;
	}
	atomic_fetch_add(&sh->changes, changes);
	atomic_fetch_add(&sh->holds, holds);
}

static uint64_t round_of(struct state *s)
{
	uint64_t now = clock_mono(), next, reserved, kept;

	take_orders(s);
	plan_settle(s->plan, now);
	for (uint32_t i = 0; i < PLAN_VMS; i++)
		if (s->vms[i].pid)
			see_vm(s, now, i);
	next = plan_decide(s->plan, now);
	carry_out(s);
	for (uint32_t i = 0; i < PLAN_VMS; i++)
		if (s->vms[i].pid)
			hold_others(s, i);
	if (now >= s->drained + DRAIN) {
		host_ledger_poll(s->ledger, NULL, NULL);
		look_for_dying(s);
		s->drained = now;
	}
	plan_reserved(s->plan, &reserved, &kept);
	atomic_store(&s->w->shared->reserved, reserved);
	atomic_store(&s->w->shared->kept, kept);
	atomic_fetch_add(&s->w->shared->wanting, plan_wanting(s->plan));
	atomic_fetch_add(&s->w->shared->beat, 1);
	next = u64_min(next, now + (s->again		    ? AGAIN
				    : plan_wanting(s->plan) ? DISPATCHER_POLL
							    : IDLE_POLL));
	return u64_max(next, now + SOONEST);
}

static void sleep_until(struct state *s, uint64_t at)
{
	const struct timespec t = {(time_t)(at / NS_PER_SEC), (long)(at % NS_PER_SEC)};

	clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL);
	if (clock_mono() > at + LATE)
		atomic_fetch_add(&s->w->shared->late, 1);
}

/* ---- the process ---- */

#define CALL(name)                                                                                 \
	{                                                                                          \
		SCMP_SYS(name), CONFINE_ANY, 0                                                     \
	}

static void confine(void)
{
	static const struct confine_call calls[] = {
		CALL(sched_setattr),
		CALL(sched_getattr),
		CALL(sched_setaffinity),
		CALL(sched_getaffinity),
		CALL(sched_setscheduler),
		CALL(pread64),
		CALL(pwrite64),
		CALL(readlink),
		CALL(readlinkat),
		CALL(statx),
		CALL(statfs),
		CALL(fstatfs),
		CALL(clone),
		CALL(clone3),
		CALL(set_robust_list),
		CALL(rseq),
		CALL(epoll_wait),
		CALL(epoll_pwait),
		{SCMP_SYS(bpf), 0, BPF_MAP_LOOKUP_ELEM},
		{SCMP_SYS(bpf), 0, BPF_MAP_UPDATE_ELEM},
		{SCMP_SYS(bpf), 0, BPF_MAP_DELETE_ELEM},
		{SCMP_SYS(bpf), 0, BPF_MAP_GET_NEXT_KEY},
		{SCMP_SYS(bpf), 0, BPF_ITER_CREATE},
		{SCMP_SYS(bpf), 0, BPF_PROG_TEST_RUN},
		{SCMP_SYS(bpf), 0, BPF_OBJ_GET_INFO_BY_FD},
		CALL(membarrier),
		CALL(getppid),
		{SCMP_SYS(prctl), 0, PR_SET_PDEATHSIG},
	};
	static const struct confine_list list = {calls, ARRAY_SIZE(calls)};
	static const struct confine_capability keep[] = {
		{CAP_DAC_OVERRIDE, "CAP_DAC_OVERRIDE is gone"},
		{CAP_SYS_NICE, "CAP_SYS_NICE is gone"},
		{CAP_SYS_PTRACE, "CAP_SYS_PTRACE is gone"},
	};

	guard_confine(keep, ARRAY_SIZE(keep), &list);
}

/* Only the first task group has a real-time budget where the kernel has RT_GROUP_SCHED. */
static int be_real_time(const struct dispatch_host *h)
{
	const struct sched_param param = {.sched_priority = PRIORITY};

	if (!sched_setscheduler(0, SCHED_FIFO, &param))
		return 0;
	cgroup_put(&h->cpu, "/", "cgroup.procs", "0", NULL);
	return sched_setscheduler(0, SCHED_FIFO, &param) ? -errno : 0;
}

_Noreturn void dispatcher(const struct dispatcher_work *work)
{
	struct state *s = calloc(1, sizeof(*s));
	struct failure f = {""};

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	prctl(PR_SET_NAME, "deschedd-disp");
	prctl(PR_SET_TIMERSLACK, 1);
	if (!s || guard_inbox_new(&s->inbox))
		fail(work->shared, "no memory");
	s->w = work;
	for (uint32_t i = 0; i < PLAN_VMS; i++)
		s->vms[i] = (struct served){.ledger = -1, .others = -1};
	for (uint32_t i = 0; i < PLAN_VCPUS; i++)
		s->hands[i].freeze = -1;
	if (host_ledger_open("bpf", &f, &s->ledger))
		fail(work->shared, f.text);
	if (be_real_time(work->h))
		fail(work->shared, "it can't have the class SCHED_FIFO for itself; a unit needs "
				   "RestrictRealtime=no");
	if (begin(s, LIMIT_EACH))
		fail(work->shared, "its real-time threads can't be started");
	confine();
	prctl(PR_SET_PDEATHSIG, SIGKILL); /* giving up privileges may have taken it away */
	if (getppid() != work->guardian)
		_exit(1);
	for (;;)
		sleep_until(s, round_of(s));
}
