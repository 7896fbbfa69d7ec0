/* SPDX-License-Identifier: MIT */
#include "enforce/dispatch_guardian.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/proc.h"
#include "base/units.h"
#include "enforce/dispatch_weight.h"
#include "enforce/dispatcher.h"
#include "enforce/guard.h"
#include "enforce/guard_process.h"
#include "enforce/guard_wire.h"

#include <cap-ng.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <seccomp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define NICE (-15) /* it decides how soon all is as it was */

struct kept {
	struct enforce_order order;
	struct dispatch_entry *entries; /* [n]; NULL: it isn't dispatched, `told` says why */
	size_t n;
	struct guard_told told;
	bool ordered;
	bool fresh; /* placed in this set */
};

struct keeper {
	struct dispatch_host h;
	const char *file;
	char top[DISPATCH_TOP];
	uint64_t usual_slice;
	int fd; /* the daemon's */
	struct guard_inbox inbox;
	pid_t dispatcher;
	int to; /* the dispatcher */
	struct dispatcher_shared *shared;
	uint64_t beat; /* as seen last */
	unsigned still;
	uint64_t looked, ordered; /* ns */
	bool recorded;
	struct dispatch_weight weight;
	struct kept vms[PLAN_VMS];
	size_t n;
};

/* ---- the dispatcher's orders ---- */

/* Once it is waited for, its id may be another's. */
static bool has_ended(struct keeper *k)
{
	if (k->dispatcher && waitpid(k->dispatcher, NULL, WNOHANG) != 0)
		k->dispatcher = 0;
	return !k->dispatcher;
}

/* Why the dispatcher can't be relied on any more; NULL: it can. */
static const char *look_at_dispatcher(struct keeper *k)
{
	uint64_t now = clock_mono(), beat;

	if (has_ended(k))
		return atomic_load(&k->shared->failed) ? k->shared->why : "it has been killed";
	if (now < k->looked + DISPATCH_LOOK)
		return NULL;
	k->looked = now;
	beat = atomic_load(&k->shared->beat);
	k->still = beat == k->beat ? k->still + 1 : 0;
	k->beat = beat;
	return k->still >= DISPATCH_STUCK ? "it stood still, and was thrown out" : NULL;
}

/* Waits until it follows what it was sent, as long as it does something. False: it won't. */
static bool await_followed(struct keeper *k)
{
	uint64_t beat = atomic_load(&k->shared->beat), now, moved = clock_mono();

	while (atomic_load(&k->shared->done) != atomic_load(&k->shared->sent)) {
		now = clock_mono();
		if (atomic_load(&k->shared->beat) != beat)
			moved = now;
		beat = atomic_load(&k->shared->beat);
		if (has_ended(k) || now > moved + DISPATCH_STUCK * DISPATCH_LOOK)
			return false;
		usleep(500);
	}
	return true;
}

struct to_send {
	struct enforce_order vms[PLAN_VMS];
	struct host_vcpu vcpus[PLAN_VCPUS];
};

/* Sends what is placed, and is ordered. */
static bool send_set(struct keeper *k, const struct enforce_orders *o)
{
	static struct to_send set;
	struct enforce_orders out = {set.vms, set.vcpus, o->groups, 0, 0, o->n_groups};

	for (size_t i = 0; i < o->n; i++)
		for (size_t v = 0; v < k->n; v++) {
			const struct kept *vm = &k->vms[v];
			struct enforce_order order = o->vms[i];

			if (!vm->entries || !vm->ordered || vm->order.pid != order.pid ||
			    vm->order.start_ns != order.start_ns ||
			    out.n_vcpus + order.n_vcpus > PLAN_VCPUS)
				continue;
			memcpy(set.vcpus + out.n_vcpus, o->vcpus + order.first_vcpu,
			       order.n_vcpus * sizeof(set.vcpus[0]));
			order.first_vcpu = (uint32_t)out.n_vcpus;
			out.n_vcpus += order.n_vcpus;
			set.vms[out.n++] = order;
		}
	if (guard_send(k->to, &out))
		return false;
	atomic_fetch_add(&k->shared->sent, 1);
	return await_followed(k);
}

/* ---- outcomes ---- */

static void conclude(const struct keeper *k, struct kept *vm, bool enforced, const char *why)
{
	struct enforce_outcome o = {.pid = vm->order.pid, .enforced = enforced};

	snprintf(o.why, sizeof(o.why), "%.190s", why);
	if (vm->entries) {
		snprintf(o.where, sizeof(o.where), "/%s", k->top);
		snprintf(o.how, sizeof(o.how), "%u vCPU%s dispatched", vm->order.n_vcpus,
			 vm->order.n_vcpus == 1 ? "" : "s");
	}
	guard_conclude(&vm->told, &o);
}

static void conclude_followed(struct keeper *k)
{
	for (size_t v = 0; v < k->n; v++) {
		struct kept *vm = &k->vms[v];
		const char *why = "there is no room for more VMs or vCPUs";

		if (!vm->entries)
			continue;
		for (size_t i = 0; i < PLAN_VMS; i++)
			if (k->shared->vms[i].pid == vm->order.pid)
				why = k->shared->vms[i].why;
		conclude(k, vm, strncmp(why, "there is no room", 16) != 0, why);
	}
}

static struct guard_told *told_at(void *data, size_t i)
{
	return &((struct keeper *)data)->vms[i].told;
}

/* ---- the record ---- */

static int record(struct keeper *k)
{
	_cleanup_(free_ptr) struct dispatch_entry *all = NULL;
	size_t n = 0;
	int err;

	for (size_t i = 0; i < k->n; i++)
		n += k->vms[i].n;
	if (!n && !k->recorded)
		return 0;
	if (!n) {
		dispatch_remove_top(&k->h, k->top);
		k->weight.written = 0;
	}
	all = calloc(n + 1, sizeof(*all));
	if (!all)
		return -ENOMEM;
	n = 0;
	for (size_t i = 0; i < k->n; i++)
		for (size_t e = 0; e < k->vms[i].n; e++)
			all[n++] = k->vms[i].entries[e];
	err = dispatch_record(k->file, all, n);
	k->recorded = err ? k->recorded : n > 0;
	return err;
}

/* ---- sets of orders ---- */

static bool has_same_vcpus(const struct kept *vm, const struct enforce_order *o,
			   const struct host_vcpu *vcpus)
{
	if (vm->order.n_vcpus != o->n_vcpus)
		return false;
	for (uint32_t i = 0; vm->entries && i < o->n_vcpus; i++) {
		bool found = false;

		for (size_t e = 0; e < vm->n && !found; e++)
			found = vm->entries[e].vcpu && vm->entries[e].tid == vcpus[i].tid;
		if (!found)
			return false;
	}
	return true;
}

static struct kept *find(struct keeper *k, const struct enforce_order *o)
{
	for (size_t i = 0; i < k->n; i++)
		if (k->vms[i].order.pid == o->pid && k->vms[i].order.start_ns == o->start_ns)
			return &k->vms[i];
	return NULL;
}

/* One whose vCPUs are others now is dropped with this set, and comes again with the next. */
static void note_orders(struct keeper *k, const struct enforce_orders *o)
{
	for (size_t i = 0; i < k->n; i++)
		k->vms[i].ordered = k->vms[i].fresh = false;
	for (size_t i = 0; i < o->n; i++) {
		const struct enforce_order *of = &o->vms[i];
		struct kept *vm = find(k, of);

		if (!vm && k->n < PLAN_VMS) {
			vm = &k->vms[k->n++];
			*vm = (struct kept){.order = *of, .told.told = true};
			vm->ordered = true;
		} else if (vm && has_same_vcpus(vm, of, o->vcpus + of->first_vcpu)) {
			vm->order = *of;
			vm->ordered = true;
		}
	}
}

/* Nothing is touched yet. Whether there are some. */
static bool capture_new(struct keeper *k, const struct enforce_orders *o)
{
	bool any = false;

	for (size_t i = 0; i < k->n; i++) {
		struct kept *vm = &k->vms[i];
		struct failure why = {""};

		if (vm->entries || !vm->ordered)
			continue;
		vm->fresh = !dispatch_capture(&k->h, k->top, k->usual_slice, &vm->order,
					      o->vcpus + vm->order.first_vcpu, &why, &vm->entries,
					      &vm->n);
		if (!vm->fresh)
			conclude(k, vm, false, why.text);
		any |= vm->fresh;
	}
	return any;
}

static void forget(struct kept *vm)
{
	free(vm->entries);
	vm->entries = NULL;
	vm->n = 0;
}

/* `top` is there only while a record is: what is left behind is found by that. */
static void place_new(struct keeper *k)
{
	struct failure made = {""};

	for (size_t i = 0; i < k->n; i++) {
		struct kept *vm = &k->vms[i];
		struct failure why = {""};

		if (!vm->fresh) {
			if (vm->entries)
				dispatch_adopt(&k->h, vm->entries, vm->n);
			continue;
		}
		if (!dispatch_make_top(&k->h, k->top, &made) &&
		    !dispatch_move_in(&k->h, vm->entries, vm->n, &why))
			continue;
		dispatch_undo(&k->h, vm->entries, vm->n, guard_say, NULL);
		forget(vm);
		conclude(k, vm, false, made.text[0] ? made.text : why.text);
	}
}

static bool drop_others(struct keeper *k)
{
	size_t kept = 0;
	bool any = false;

	for (size_t i = 0; i < k->n; i++) {
		struct kept *vm = &k->vms[i];

		if (vm->ordered) {
			if (kept++ != i)
				k->vms[kept - 1] = *vm;
			continue;
		}
		any = true;
		if (vm->entries)
			dispatch_undo(&k->h, vm->entries, vm->n, guard_say, NULL);
		forget(vm);
	}
	k->n = kept;
	return any;
}

/* NULL, or why it can't go on. */
static const char *work_off(struct keeper *k, const struct enforce_orders *o)
{
	k->ordered = clock_mono();
	note_orders(k, o);
	if (capture_new(k, o) && record(k)) {
		guard_say("what is changed can't be recorded in /run: no VM is added", NULL);
		for (size_t i = 0; i < k->n; i++)
			if (k->vms[i].fresh)
				forget(&k->vms[i]);
	}
	place_new(k);
	if (!send_set(k, o))
		return "it doesn't follow its orders";
	if (drop_others(k))
		record(k);
	dispatch_weigh(&k->weight, &k->h, k->top, k->shared);
	conclude_followed(k);
	guard_tell(k->fd, told_at, k, k->n);
	return NULL;
}

static void undo_all(struct keeper *k)
{
	for (size_t i = 0; i < k->n; i++)
		if (k->vms[i].entries)
			dispatch_thaw(&k->h, k->vms[i].entries, k->vms[i].n);
	for (size_t i = 0; i < k->n; i++)
		k->vms[i].ordered = false;
	drop_others(k);
	record(k);
}

/* Ten seconds of silence: what was wanted then says nothing of now. */
static const char *let_go(struct keeper *k)
{
	const struct enforce_orders none = {.n = 0};

	guard_say("nothing was ordered for 10 s: VMs are as they were until it is", NULL);
	return work_off(k, &none);
}

static const char *serve(struct keeper *k)
{
	struct pollfd p = {.fd = k->fd, .events = POLLIN};
	struct enforce_orders orders;
	const char *why = NULL;

	k->ordered = clock_mono();
	while (!why) {
		int ready = poll(&p, 1, (int)(DISPATCH_LOOK / NS_PER_MS)), got = 0;

		why = look_at_dispatcher(k);
		if (why || (ready < 0 && errno == EINTR))
			continue;
		if (ready > 0)
			got = guard_receive(&k->inbox, k->fd, &orders);
		if (got == -EPIPE)
			return NULL;
		if (got == -EBADMSG)
			guard_say("orders that make no sense came, and aren't followed", NULL);
		if (got == 1)
			why = work_off(k, &orders);
		else if (k->n && clock_mono() > k->ordered + GUARD_PATIENCE)
			why = let_go(k);
	}
	return why;
}

/* ---- the processes ---- */

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
		CALL(kill),
		CALL(wait4),
		CALL(statfs),
	};
	static const struct confine_list list = {calls, ARRAY_SIZE(calls)};
	static const struct confine_capability keep[] = {
		{CAP_DAC_OVERRIDE, "CAP_DAC_OVERRIDE is gone"},
		{CAP_SYS_NICE, "CAP_SYS_NICE is gone"},
	};

	guard_confine(keep, ARRAY_SIZE(keep), &list);
}

static _Noreturn void watch(const struct keeper *k, int alive)
{
	char byte;

	prctl(PR_SET_NAME, "deschedd-watch");
	confine();
	while (read(alive, &byte, 1) < 0 && errno == EINTR)
		;
	/* Whose ends of the pipe are closed is about to end, and may not have yet. */
	for (int i = 0; dispatch_owner(k->file) && i < 1000; i++)
		usleep(1000);
	dispatch_undo_record(&k->h, k->file, guard_say, NULL);
	_exit(0);
}

static int start_watcher(const struct keeper *k, int alive[2])
{
	pid_t pid = fork();

	if (pid)
		return pid < 0 ? -errno : 0;
	close(k->fd);
	close(alive[1]);
	watch(k, alive[0]);
}

static int start_dispatcher(struct keeper *k)
{
	int fds[2];
	struct dispatcher_work work = {.h = &k->h,
				       .top = k->top,
				       .usual_slice = k->usual_slice,
				       .guardian = getpid(),
				       .shared = k->shared};

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds))
		return -errno;
	k->dispatcher = fork();
	if (k->dispatcher == 0) {
		close(k->fd);
		close(fds[0]);
		work.fd = fds[1];
		dispatcher(&work);
	}
	close(fds[1]);
	k->to = fds[0];
	return k->dispatcher < 0 ? -EAGAIN : 0;
}

static _Noreturn void give_up(const char *why, int err)
{
	char line[256];

	snprintf(line, sizeof(line), "the dispatcher can't be started: %s: %s", why,
		 strerror(-err));
	guard_say(line, NULL);
	_exit(1);
}

/* Both children, and what all three share. */
static void start_all(struct keeper *k)
{
	int alive[2], err;

	k->shared = mmap(NULL, sizeof(*k->shared), PROT_READ | PROT_WRITE,
			 MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (k->shared == MAP_FAILED || pipe2(alive, O_CLOEXEC))
		give_up("memory", -errno);
	err = start_watcher(k, alive);
	close(alive[0]);
	if (err)
		give_up("the watcher", err);
	err = start_dispatcher(k);
	if (err)
		give_up("fork", err);
}

static void end_dispatcher(struct keeper *k)
{
	if (has_ended(k))
		return;
	kill(k->dispatcher, SIGKILL);
	waitpid(k->dispatcher, NULL, 0);
}

_Noreturn void dispatch_guardian(const void *work, int fd)
{
	const struct dispatch_guardian_work *w = work;
	struct keeper *k = calloc(1, sizeof(*k));
	const char *why;
	char line[256];

	guard_alone("deschedd-guard", fd);
	if (!k || guard_inbox_new(&k->inbox))
		_exit(1);
	k->h = *w->h;
	k->file = w->file;
	k->fd = fd;
	k->usual_slice = thread_usual_slice();
	setpriority(PRIO_PROCESS, 0, NICE);
	snprintf(k->top, sizeof(k->top), "desched-%llx", (unsigned long long)clock_real());
	start_all(k);
	confine();
	why = serve(k);
	end_dispatcher(k);
	undo_all(k);
	if (why) {
		snprintf(line, sizeof(line), "the dispatcher: %s; everything is as it was", why);
		guard_say(line, NULL);
	}
	_exit(why != NULL);
}
