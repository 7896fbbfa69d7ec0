/* SPDX-License-Identifier: MIT */
#include "host/watch.h"

#include "base/clock.h"
#include "base/hash.h"
#include "base/proc.h"
#include "base/units.h"
#include "host/find.h"
#include "host/find_monitor.h"
#include "host/finder.h"
#include "host/vm_name.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define SETTLE_NS    (2 * NS_PER_SEC) /* after a change a process is looked into every round */
#define ASK_LONG_NS  (20 * NS_PER_MS)
#define ASK_PAUSE_NS NS_PER_SEC
#define LOOK_LATE_NS (10 * NS_PER_SEC) /* and ever after at this distance, */
#define LOOK_VM_NS   (30 * NS_PER_SEC) /* a VM at this one */
#define VM_ROUNDS    5		       /* in one of so many it is looked at */
#define COST_PART    400	       /* of all time, for rounds */

struct process {
	pid_t pid;
	uint64_t start_ns; /* with pid, its identity */
	/* Of /proc/PID/task. A process that gets the number later has another inode; the number of
	 * links is that of its threads and two more. */
	ino_t inode;
	nlink_t links, most_links;
	uint64_t changed, looked; /* ns */
	uint32_t round;		  /* in which it was seen last */
	bool unseen;		  /* and that was reported */
	struct host_vcpu *vcpus;  /* [n_vcpus]: as they were reported; */
	uint32_t n_vcpus;	  /* 0: no VM */
	UT_hash_handle hh;
};

struct watch {
	struct watch_events events;
	struct process *processes; /* by pid */
	DIR *proc;		   /* NULL between two rounds */
	uint32_t round;
	uint64_t began; /* ns */
	uint64_t cost;	/* ns: CPU time of this round, or of the last one */
	uint64_t pause; /* ns: no monitor is asked until then */
	uint64_t failures;
};

int watch_new(const struct watch_events *events, struct watch **ret)
{
	struct watch *w = calloc(1, sizeof(*w));

	if (!w)
		return -ENOMEM;
	w->events = *events;
	*ret = w;
	return 0;
}

static void drop(struct watch *w, struct process *p)
{
	HASH_DEL(w->processes, p);
	free(p->vcpus);
	free(p);
}

struct watch *watch_free(struct watch *w)
{
	struct process *p = NULL, *next = NULL;

	if (!w)
		return NULL;
	HASH_ITER (hh, w->processes, p, next) {
		drop(w, p);
	}
	if (w->proc)
		closedir(w->proc);
	free(w);
	return NULL;
}

/* ---- a process ---- */

/* Its threads may be called anything (-name process=NAME), and so may its file. */
static bool is_qemu(pid_t pid, const struct words *words)
{
	char path[64], comm[PROC_COMM_SIZE];

	snprintf(path, sizeof(path), "/proc/%d/comm", pid);
	return vm_name_is_qemu(words) ||
	       (file_read(path, comm, sizeof(comm)) > 0 &&
		(!strncmp(comm, "qemu-system-", 12) || !strncmp(comm, "qemu-kvm", 8)));
}

/* libvirt starts some to ask what they can do. */
static bool has_no_machine(const struct words *words)
{
	const char *machine;
	size_t at = 0;
	char type[16];

	machine = words_option(words, "machine", &at);
	at = 0;
	if (!machine)
		machine = words_option(words, "M", &at);
	if (machine && !words_value(machine, "type", "type", type, sizeof(type)) &&
	    !strcmp(type, "none"))
		return true;
	return words_option(words, "version", &(size_t){0}) != NULL;
}

static bool is_qemu_with_machine(pid_t pid)
{
	struct words words = {.text = NULL};
	bool yes = !words_read(pid, &words) && is_qemu(pid, &words) && !has_no_machine(&words);

	words_done(&words);
	return yes;
}

/* Since it started; a process takes a while to make its threads and to name them. */
static bool is_old(const struct process *p)
{
	return clock_boot() > p->start_ns + SETTLE_NS;
}

static void report_unseen(struct watch *w, struct process *p, const char *why)
{
	struct host_vm vm;

	if (p->unseen)
		return;
	p->unseen = true;
	vm_name_start(&vm, p->pid);
	w->events.unseen(&vm, why, w->events.data);
}

/* Whether a VM has a vCPU thread that was not reported yet: of those that it has no more, whoever
 * measures them knows. */
static bool has_new_vcpus(const struct process *p, const struct host_vm *vm)
{
	for (uint32_t v = 0; v < vm->n_vcpus; v++) {
		uint32_t i = 0;

		while (i < p->n_vcpus && (p->vcpus[i].tid != vm->vcpus[v].tid ||
					  p->vcpus[i].index != vm->vcpus[v].index))
			i++;
		if (i == p->n_vcpus)
			return true;
	}
	return false;
}

static void came(struct watch *w, struct process *p, struct host_vm *vm)
{
	struct host_vcpu *vcpus = reallocarray(p->vcpus, vm->n_vcpus, sizeof(*vcpus));

	if (!vcpus) {
		w->failures++;
		host_vm_done(vm);
		return;
	}
	memcpy(vcpus, vm->vcpus, vm->n_vcpus * sizeof(*vcpus));
	p->vcpus = vcpus;
	p->n_vcpus = vm->n_vcpus;
	if (p->unseen)
		w->events.went(p->pid, w->events.data);
	p->unseen = false;
	w->events.came(vm, w->events.data);
}

/* One that took long is followed by a pause, however many such processes there are. */
static void ask_monitor(struct watch *w, struct process *p, uint64_t now)
{
	struct failure f = {""};
	struct host_vm vm;

	if (now < w->pause)
		return;
	now = clock_mono();
	if (host_find_monitor(p->pid, &f, &vm)) {
		report_unseen(w, p, f.text);
	} else {
		came(w, p, &vm);
	}
	if (clock_mono() - now > ASK_LONG_NS)
		w->pause = clock_mono() + ASK_PAUSE_NS;
}

static void look_closer(struct watch *w, struct process *p, uint64_t now, int err)
{
	if (err == -EAGAIN)
		report_unseen(w, p, "which of its threads run its KVM vCPUs could not be seen");
	else if (!is_qemu_with_machine(p->pid))
		return;
	else if (err == -EACCES || err == -EPERM)
		report_unseen(w, p, "it may not be looked into; run as root");
	else
		ask_monitor(w, p, now);
}

/* As if it had just changed: it is looked into again until that works. */
static void failed(struct watch *w, struct process *p, uint64_t now)
{
	w->failures++;
	p->changed = now;
}

static void look_into(struct watch *w, struct process *p, uint64_t now)
{
	struct host_vm vm;
	int err = host_find_pid(p->pid, NULL, &vm);

	p->looked = now;
	if (!err && has_new_vcpus(p, &vm)) {
		came(w, p, &vm);
		return;
	}
	if (!err)
		host_vm_done(&vm);
	else if (host_is_want(err))
		failed(w, p, now);
	else if (!p->n_vcpus && is_old(p))
		look_closer(w, p, now, err);
}

static void went(struct watch *w, struct process *p)
{
	if (p->n_vcpus || p->unseen)
		w->events.went(p->pid, w->events.data);
	drop(w, p);
}

static struct process *add(struct watch *w, pid_t pid)
{
	struct process *p = calloc(1, sizeof(*p));

	if (p) {
		p->pid = pid;
		HASH_ADD_INT(w->processes, pid, p);
		if (p->hh.tbl)
			return p;
	}
	free(p);
	w->failures++;
	return NULL;
}

/* The process that has this inode now: the one that we know, or another one of its number. */
static struct process *identify(struct watch *w, pid_t pid, ino_t inode)
{
	struct proc_stat stat;
	struct process *p;
	int err;

	HASH_FIND_INT(w->processes, &pid, p);
	if (p && p->inode == inode)
		return p;
	err = proc_read_stat(pid, 0, &stat);
	w->failures += host_is_want(err);
	if (err)
		return NULL;
	if (p && p->start_ns != stat.start_ns) {
		went(w, p);
		p = NULL;
	}
	if (!p)
		p = add(w, pid);
	if (p) {
		p->start_ns = stat.start_ns;
		p->inode = inode;
	}
	return p;
}

/* Has its number of threads changed? A monitor's other threads come and go: of a VM, only more than
 * ever say that it may have more vCPUs. */
static bool has_changed(struct process *p, nlink_t links)
{
	bool changed = p->n_vcpus ? links > p->most_links : links != p->links;

	p->links = links;
	p->most_links = links > p->most_links ? links : p->most_links;
	return changed;
}

/* Known as a VM, and not in this round's turn. Its end is seen without: its number isn't there any more,
 * or its ledger says so (watch_again()). */
static bool is_settled_vm(const struct watch *w, const struct process *p, uint64_t now)
{
	return p && p->n_vcpus && now > p->changed + SETTLE_NS && now - p->looked < LOOK_VM_NS &&
	       (w->round + (uint32_t)p->pid) % VM_ROUNDS;
}

static void look_at(struct watch *w, pid_t pid, uint64_t now)
{
	uint64_t late;
	struct process *p;
	struct stat st;
	char path[64];

	HASH_FIND_INT(w->processes, &pid, p);
	if (is_settled_vm(w, p, now)) {
		p->round = w->round;
		return;
	}
	snprintf(path, sizeof(path), "/proc/%d/task", pid);
	if (stat(path, &st))
		return; /* gone: told at the end of the round */
	p = identify(w, pid, st.st_ino);
	if (!p)
		return;
	p->round = w->round;
	if (has_changed(p, st.st_nlink))
		p->changed = now;
	late = p->n_vcpus ? LOOK_VM_NS : LOOK_LATE_NS;
	if (p->looked < p->changed + SETTLE_NS || now - p->looked >= late)
		look_into(w, p, now);
}

/* ---- a round ---- */

static void end_round(struct watch *w)
{
	struct process *p = NULL, *next = NULL;

	closedir(w->proc);
	w->proc = NULL;
	HASH_ITER (hh, w->processes, p, next) {
		if (p->round != w->round)
			went(w, p);
	}
}

static int begin_round(struct watch *w, uint64_t now)
{
	w->proc = opendir("/proc");
	if (!w->proc)
		return -errno;
	w->round++;
	w->began = now;
	w->cost = 0;
	return 0;
}

static bool is_time(const struct watch *w, uint64_t now)
{
	uint64_t interval = u64_max(COST_PART * w->cost, WATCH_ROUND_NS);

	return !w->began || now - w->began >= u64_min(interval, WATCH_ROUND_MAX_NS);
}

/* Returns whether the round has ended. */
static int go_on(struct watch *w, uint64_t budget_ns)
{
	uint64_t start = clock_mono(), now = start;
	const struct dirent *e;

	while ((e = readdir(w->proc))) {
		if (!isdigit((unsigned char)e->d_name[0]))
			continue;
		look_at(w, (pid_t)strtol(e->d_name, NULL, 10), now);
		now = clock_mono();
		if (budget_ns && now - start >= budget_ns)
			return 0;
	}
	end_round(w);
	return 1;
}

int watch_look(struct watch *w, uint64_t budget_ns)
{
	uint64_t cpu = clock_thread(), now = clock_mono();
	int err = 0;

	if (!w->proc && !is_time(w, now))
		return 0;
	if (!w->proc)
		err = begin_round(w, now);
	if (err) {
		w->failures += host_is_want(err);
		w->began = now; /* and not at once again */
		return err;
	}
	err = go_on(w, budget_ns);
	w->cost += clock_thread() - cpu;
	return err;
}

void watch_again(struct watch *w, pid_t pid)
{
	struct process *p;

	HASH_FIND_INT(w->processes, &pid, p);
	if (!p)
		return;
	p->n_vcpus = 0;
	p->changed = clock_mono();
}

void watch_thread_ended(struct watch *w, pid_t pid)
{
	struct process *p;

	HASH_FIND_INT(w->processes, &pid, p);
	if (p)
		p->most_links = 0;
}

uint64_t watch_failures(const struct watch *w)
{
	return w->failures;
}
