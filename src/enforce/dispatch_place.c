/* SPDX-License-Identifier: MIT */
#include "enforce/dispatch_place.h"

#include "base/proc.h"
#include "base/units.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#define THREADS_MAX 4096 /* of a VM */
#define FILE_PATH   (CGROUP_PATH + 256)

/* ---- the hierarchies ---- */

static bool is_version_2(const char *mount)
{
	struct statfs fs;

	return !statfs(mount, &fs) && fs.f_type == CGROUP2_SUPER_MAGIC;
}

int dispatch_host(const char *root, struct failure *why, struct dispatch_host *ret)
{
	struct dispatch_host h;
	int err = cgroup_host(root, why, &h.cpu);

	if (err)
		return err;
	h.hold = h.cpu;
	if (h.cpu.version == 1) {
		h.hold.version = 2;
		snprintf(h.hold.mount, sizeof(h.hold.mount), "%s/sys/fs/cgroup/unified",
			 h.cpu.root);
		if (!is_version_2(h.hold.mount))
			return failure_set(why, -EOPNOTSUPP,
					   "it takes the freezer of cgroups of version 2, which "
					   "aren't mounted on /sys/fs/cgroup/unified");
	}
	*ret = h;
	return 0;
}

static bool is_hybrid(const struct dispatch_host *h)
{
	return h->cpu.version == 1;
}

static void below(char *ret, const char *top, char kind, pid_t id)
{
	snprintf(ret, CGROUP_PATH, "/%s/%c-%d", top, kind, (int)id);
}

void dispatch_freezer(const struct dispatch_host *h, const char *top, char kind, pid_t id,
		      char *ret, size_t size)
{
	snprintf(ret, size, "%s/%s/%c-%d/cgroup.freeze", h->hold.mount, top, kind, (int)id);
}

static int put_id(const struct cgroup_host *h, const char *path, const char *file, pid_t id)
{
	char text[16];

	snprintf(text, sizeof(text), "%d", (int)id);
	return cgroup_put(h, path, file, text, NULL);
}

static void remove_group(const struct cgroup_host *h, const char *path)
{
	char name[FILE_PATH];

	snprintf(name, sizeof(name), "%s%s", h->mount, path);
	for (int i = 0; rmdir(name) && errno == EBUSY && i < 50; i++)
		usleep(1000); /* what ends is there for a while */
}

int dispatch_make_top(const struct dispatch_host *h, const char *top, struct failure *f)
{
	char path[CGROUP_PATH];
	int err;

	snprintf(path, sizeof(path), "/%s", top);
	err = cgroup_make(&h->hold, path);
	if (!err && is_hybrid(h))
		err = cgroup_make(&h->cpu, path);
	if (!err && !is_hybrid(h))
		cgroup_put(&h->hold, "/", "cgroup.subtree_control", "+cpu", NULL);
	return err ? failure_errno(f, err, "%s%s", h->hold.mount, path) : 0;
}

void dispatch_remove_top(const struct dispatch_host *h, const char *top)
{
	char path[CGROUP_PATH];

	snprintf(path, sizeof(path), "/%s", top);
	remove_group(&h->hold, path);
	if (is_hybrid(h))
		remove_group(&h->cpu, path);
}

/* ---- what threads are ---- */

struct capture {
	const struct dispatch_host *h;
	const struct enforce_order *o;
	const struct host_vcpu *vcpus;
	const char *top;
	uint64_t usual_slice;
	struct failure *why;
	struct dispatch_entry *entries;
	size_t n, room;
};

static bool is_vcpu(const struct capture *c, pid_t tid)
{
	for (uint32_t i = 0; i < c->o->n_vcpus; i++)
		if (c->vcpus[i].tid == tid)
			return true;
	return false;
}

static int read_places(const struct dispatch_host *h, struct dispatch_entry *e)
{
	char text[8192], path[4096];
	int err = proc_read_cgroups("", e->pid, e->tid, text, sizeof(text));

	if (!err)
		err = proc_parse_controller(text, "", path, sizeof(path));
	if (err || strlen(path) >= CGROUP_PATH)
		return err ? err : -ENAMETOOLONG;
	strcpy(e->hold, path);
	err = is_hybrid(h) ? proc_parse_controller(text, "cpu", path, sizeof(path)) : 0;
	if (err || strlen(path) >= CGROUP_PATH)
		return err ? err : -ENAMETOOLONG;
	strcpy(e->cpu, path);
	return 0;
}

/* Wherever this process may. */
static bool is_free(const struct thread_mask *mask)
{
	struct thread_mask own;

	if (thread_mask_get(0, &own))
		return false;
	for (uint32_t i = 0; i < THREAD_CPUS; i++)
		if (thread_mask_has(&own, i) && !thread_mask_has(mask, i))
			return false;
	return true;
}

/* A vCPU that may not run everywhere, or isn't of the fair class, has another master. */
static int check_vcpu(const struct dispatch_entry *e, struct failure *why)
{
	if (!thread_class_is_fair(&e->class))
		return failure_set(
			why, -EOPNOTSUPP,
			"a vCPU's thread isn't of the class SCHED_OTHER: dispatch leaves "
			"such VMs alone");
	if (!is_free(&e->mask))
		return failure_set(why, -EOPNOTSUPP,
				   "its vCPUs are pinned: dispatch, which pins them itself, leaves "
				   "such VMs alone");
	return 0;
}

static int capture_thread(pid_t tid, void *data)
{
	struct capture *c = data;
	struct dispatch_entry *e, *bigger;
	int err;

	if (c->n == THREADS_MAX)
		return failure_set(c->why, -EOPNOTSUPP, "it has more than %d threads", THREADS_MAX);
	if (c->n == c->room) {
		bigger = reallocarray(c->entries, c->room ? c->room * 2 : 16, sizeof(*bigger));
		if (!bigger)
			return -ENOMEM;
		c->entries = bigger;
		c->room = c->room ? c->room * 2 : 16;
	}
	e = &c->entries[c->n];
	memset(e, 0, sizeof(*e));
	e->pid = c->o->pid;
	e->tid = tid;
	e->start_ns = c->o->start_ns;
	e->vcpu = is_vcpu(c, tid);
	e->leader = tid == e->pid;
	snprintf(e->top, sizeof(e->top), "%s", c->top);
	err = read_places(c->h, e);
	if (!err)
		err = thread_class_get(tid, c->usual_slice, &e->class);
	if (!err)
		err = thread_mask_get(tid, &e->mask);
	if (!err && e->vcpu)
		err = check_vcpu(e, c->why);
	c->n += !err;
	return err == -ESRCH || err == -ENOENT ? 0 : err; /* it has ended */
}

static void put_leader_first(struct dispatch_entry *entries, size_t n)
{
	for (size_t i = 1; i < n; i++)
		if (entries[i].leader) {
			struct dispatch_entry leader = entries[i];

			entries[i] = entries[0];
			entries[0] = leader;
		}
}

static bool is_same_process(pid_t pid, uint64_t start_ns)
{
	struct proc_stat stat;

	return !proc_read_stat(pid, 0, &stat) && stat.start_ns == start_ns && stat.state != 'Z';
}

static int all_vcpus(const struct capture *c)
{
	size_t found = 0;

	for (size_t i = 0; i < c->n; i++)
		found += c->entries[i].vcpu;
	return found == c->o->n_vcpus && c->n && c->entries[0].leader
		       ? 0
		       : failure_set(c->why, -ESRCH, "a vCPU's thread isn't there any more");
}

int dispatch_capture(const struct dispatch_host *h, const char *top, uint64_t usual_slice,
		     const struct enforce_order *o, const struct host_vcpu *vcpus,
		     struct failure *why, struct dispatch_entry **ret, size_t *ret_n)
{
	struct capture c = {
		.h = h, .o = o, .vcpus = vcpus, .top = top, .usual_slice = usual_slice, .why = why};
	char tasks[64];
	int err;

	snprintf(tasks, sizeof(tasks), "/proc/%d/task", (int)o->pid);
	err = is_same_process(o->pid, o->start_ns) ? proc_each_id(tasks, capture_thread, &c)
						   : -ESRCH;
	put_leader_first(c.entries, c.n);
	if (!err)
		err = all_vcpus(&c);
	if (err) {
		free(c.entries);
		return why->text[0] ? err : failure_errno(why, err, "its threads");
	}
	*ret = c.entries;
	*ret_n = c.n;
	return 0;
}

/* ---- in ---- */

static int make_threaded(const struct dispatch_host *h, const char *path)
{
	int err = cgroup_make(&h->hold, path);

	return err ? err : cgroup_put(&h->hold, path, "cgroup.type", "threaded", NULL);
}

static int move_thread(const struct dispatch_host *h, const struct dispatch_entry *e)
{
	char path[CGROUP_PATH], top[CGROUP_PATH];
	int err = 0;

	below(path, e->top, e->vcpu ? 't' : 'o', e->vcpu ? e->tid : e->pid);
	snprintf(top, sizeof(top), "/%s", e->top);
	if (e->vcpu)
		err = make_threaded(h, path);
	if (!err)
		err = put_id(&h->hold, path, "cgroup.threads", e->tid);
	if (!err && e->vcpu && is_hybrid(h))
		err = put_id(&h->cpu, top, "tasks", e->tid);
	return err == -ESRCH ? 0 : err;
}

int dispatch_move_in(const struct dispatch_host *h, const struct dispatch_entry *entries, size_t n,
		     struct failure *why)
{
	char path[CGROUP_PATH], top[CGROUP_PATH];
	int err;

	snprintf(top, sizeof(top), "/%s", entries[0].top);
	below(path, entries[0].top, 'o', entries[0].pid);
	err = put_id(&h->hold, top, "cgroup.procs", entries[0].pid);
	if (!err)
		err = make_threaded(h, path);
	for (size_t i = 0; i < n && !err; i++)
		err = move_thread(h, &entries[i]);
	return err ? failure_errno(why, err, "it can't be moved into %s%s", h->hold.mount, top) : 0;
}

/* ---- newcomers ---- */

struct adopting {
	const struct dispatch_host *h;
	const struct dispatch_entry *entries;
	size_t n;
};

static const struct dispatch_entry *entry_of(const struct adopting *a, pid_t tid)
{
	for (size_t i = 0; i < a->n; i++)
		if (a->entries[i].tid == tid)
			return &a->entries[i];
	return NULL;
}

/* A vCPU's thread made it, and it has that one's class and mask: the leader's are as good as we know. */
static void give_class_back(const struct dispatch_entry *leader, pid_t tid)
{
	thread_class_set(tid, &leader->class);
	thread_mask_set(tid, &leader->mask);
}

static bool is_in_vcpus(const struct dispatch_entry *leader, const char *hold)
{
	char first[CGROUP_PATH];

	snprintf(first, sizeof(first), "/%s/t-", leader->top);
	return !strncmp(hold, first, strlen(first));
}

static bool is_in_top(const struct dispatch_entry *leader, const char *cpu)
{
	return cpu[0] && !strncmp(cpu + 1, leader->top, strlen(leader->top));
}

static int adopt(pid_t tid, void *data)
{
	const struct adopting *a = data;
	const struct dispatch_entry *leader = &a->entries[0];
	struct dispatch_entry is = {.pid = leader->pid, .tid = tid};
	char path[CGROUP_PATH];

	if (entry_of(a, tid) || read_places(a->h, &is))
		return 0;
	below(path, leader->top, 'o', leader->pid);
	if (!strcmp(is.hold, path))
		return 0;
	put_id(&a->h->hold, path, "cgroup.threads", tid);
	if (is_hybrid(a->h) && is_in_top(leader, is.cpu))
		put_id(&a->h->cpu, leader->cpu, "tasks", tid);
	if (is_in_vcpus(leader, is.hold))
		give_class_back(leader, tid);
	return 0;
}

void dispatch_adopt(const struct dispatch_host *h, const struct dispatch_entry *entries, size_t n)
{
	struct adopting a = {h, entries, n};
	char tasks[64];

	snprintf(tasks, sizeof(tasks), "/proc/%d/task", (int)entries[0].pid);
	proc_each_id(tasks, adopt, &a);
}

/* ---- out ---- */

void dispatch_thaw(const struct dispatch_host *h, const struct dispatch_entry *entries, size_t n)
{
	char path[CGROUP_PATH];

	for (size_t i = 0; i < n; i++) {
		if (!entries[i].vcpu && !entries[i].leader)
			continue;
		below(path, entries[i].top, 't', entries[i].tid);
		if (entries[i].vcpu)
			cgroup_put(&h->hold, path, "cgroup.freeze", "0", NULL);
		below(path, entries[i].top, 'o', entries[i].pid);
		if (entries[i].leader)
			cgroup_put(&h->hold, path, "cgroup.freeze", "0", NULL);
	}
}

/* Where that is gone, or has become something that holds no processes: what is above it. */
static int move_to(const struct cgroup_host *h, const char *to, const char *file, pid_t id)
{
	char path[CGROUP_PATH];
	int err;

	snprintf(path, sizeof(path), "%s", to);
	for (;;) {
		char *slash = strrchr(path, '/');

		err = put_id(h, path, file, id);
		if (!err || err == -ESRCH || !slash || !path[1])
			return err;
		slash[slash == path] = '\0';
	}
}

static void undo_thread(const struct dispatch_host *h, const struct dispatch_entry *e,
			const struct dispatch_entry *leader)
{
	struct proc_stat stat;

	if (proc_read_stat(e->pid, e->tid, &stat))
		return;
	if (strcmp(e->hold, leader->hold))
		put_id(&h->hold, e->hold, "cgroup.threads", e->tid);
	if (!e->vcpu)
		return;
	if (is_hybrid(h))
		move_to(&h->cpu, e->cpu, "tasks", e->tid);
	thread_class_set(e->tid, &e->class);
	thread_mask_set(e->tid, &e->mask);
}

/* Those that have come since dispatch_adopt(). */
static int undo_newcomer(pid_t tid, void *data)
{
	const struct adopting *a = data;
	struct dispatch_entry is = {.pid = a->entries[0].pid, .tid = tid};

	if (entry_of(a, tid) || read_places(a->h, &is))
		return 0;
	if (!is_hybrid(a->h) || !is_in_top(&a->entries[0], is.cpu))
		return 0;
	move_to(&a->h->cpu, a->entries[0].cpu, "tasks", tid);
	give_class_back(&a->entries[0], tid);
	return 0;
}

static void remove_places(const struct dispatch_host *h, const struct dispatch_entry *entries,
			  size_t n)
{
	char path[CGROUP_PATH];

	for (size_t i = 0; i < n; i++)
		if (entries[i].vcpu) {
			below(path, entries[i].top, 't', entries[i].tid);
			remove_group(&h->hold, path);
		}
	below(path, entries[0].top, 'o', entries[0].pid);
	remove_group(&h->hold, path);
}

static void undo_vm(const struct dispatch_host *h, const struct dispatch_entry *entries, size_t n,
		    void (*say)(const char *line, void *data), void *data)
{
	struct adopting a = {h, entries, n};
	char tasks[64], line[128];

	dispatch_thaw(h, entries, n);
	if (is_same_process(entries[0].pid, entries[0].start_ns)) {
		int err;

		dispatch_adopt(h, entries, n);
		err = move_to(&h->hold, entries[0].hold, "cgroup.procs", entries[0].pid);
		if (err && err != -ESRCH) {
			snprintf(line, sizeof(line), "process %d can't be moved back: %s",
				 (int)entries[0].pid, strerror(-err));
			say(line, data);
		}
		for (size_t i = 0; i < n; i++)
			undo_thread(h, &entries[i], &entries[0]);
		snprintf(tasks, sizeof(tasks), "/proc/%d/task", (int)entries[0].pid);
		proc_each_id(tasks, undo_newcomer, &a);
	}
	remove_places(h, entries, n);
}

static size_t vm_end(const struct dispatch_entry *entries, size_t n, size_t i)
{
	for (i++; i < n && !entries[i].leader;)
		i++;
	return i;
}

size_t dispatch_undo(const struct dispatch_host *h, const struct dispatch_entry *entries, size_t n,
		     void (*say)(const char *line, void *data), void *data)
{
	size_t vms = 0;

	dispatch_thaw(h, entries, n);
	for (size_t i = 0; i < n; i = vm_end(entries, n, i), vms++)
		undo_vm(h, &entries[i], vm_end(entries, n, i) - i, say, data);
	return vms;
}
