// SPDX-License-Identifier: MIT OR GPL-2.0-only
/*
 * A scheduler for a host of VMs (struct sched_ext_ops): every thread of the host is in its charge.
 * One queue for all CPUs, by the rules of policy/turns.h; for each VM a queue of vCPUs that its
 * limit holds, with a timer. Threads of a VM are known by their process, vCPUs by their thread; all
 * else is the host's own work.
 *
 * A task is in the account of its VM from runnable() to quiescent(). All accounts change under one
 * lock. When the daemon's link is closed, or anything here goes wrong, the kernel takes all threads
 * back.
 *
 * One object for kernels from 6.16 on: it has no callback, field or kfunc that one of them lacks.
 */
#include "bpf/sched_ext.h"
#include "bpf/kernel.h"
#include "policy/turns.h"

char LICENSE[] SEC("license") = "Dual MIT/GPL";

/* ---- the kernel's side of struct sched_ext_ops ---- */

#define DSQ_LOCAL	0x8000000000000002ULL
#define OPS_ENQ_LAST	(1ULL << 1)
#define OPS_ENQ_EXITING (1ULL << 2)
#define KICK_IDLE	1
#define KICK_PREEMPT	2
#define TASK_KTHREAD	0x00200000
#define TASK_EXITING	0x00000004
#define TIMER_CPU_PIN	2
#define CLOCK_MONO	1
#define JOBCTL_PENDING	0x9a0000UL /* stops, traps, the freezer */

/* Their values are the kernel's, which has changed some of them (CO-RE). */
enum scx_enq_flags {
	SCX_ENQ_WAKEUP = 1,
	SCX_ENQ_HEAD = 2,
	SCX_ENQ_LAST = 3,
};
#define ENQ(flag) bpf_core_enum_value(enum scx_enq_flags, SCX_ENQ_##flag)

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)
enum scx_exit_kind {
	SCX_EXIT_NONE,
};
struct scx_exit_info {
	enum scx_exit_kind kind;
	const char *reason;
	char *msg;
};
struct scx_init_task_args {
	bool fork;
};
struct scx_exit_task_args {
	bool cancelled;
};
#pragma clang attribute pop

/* The members that are used here, by their names; the rest is the kernel's default. */
struct sched_ext_ops {
	__s32 (*select_cpu)(struct task_struct *p, __s32 prev_cpu, __u64 wake_flags);
	void (*enqueue)(struct task_struct *p, __u64 enq_flags);
	void (*dispatch)(__s32 cpu, struct task_struct *prev);
	void (*runnable)(struct task_struct *p, __u64 enq_flags);
	void (*running)(struct task_struct *p);
	void (*stopping)(struct task_struct *p, bool runnable);
	void (*quiescent)(struct task_struct *p, __u64 deq_flags);
	bool (*yield)(struct task_struct *from, struct task_struct *to);
	void (*cpu_online)(__s32 cpu);
	void (*cpu_offline)(__s32 cpu);
	__s32 (*init_task)(struct task_struct *p, struct scx_init_task_args *args);
	__s32 (*init)(void);
	void (*exit)(struct scx_exit_info *info);
	__u64 flags;
	__u32 timeout_ms;
	char name[128];
};

struct bpf_iter_scx_dsq {
	__u64 opaque[6];
} __attribute__((aligned(8)));

/* So that the object says what these are, which it only has pointers to: the kernel compares. */
const struct cpumask whole_cpumask;

extern __s32 scx_bpf_create_dsq(__u64 dsq_id, __s32 node) __ksym;
extern __s32 scx_bpf_select_cpu_dfl(struct task_struct *p, __s32 prev_cpu, __u64 wake_flags,
				    bool *is_idle) __ksym;
extern void scx_bpf_dsq_insert(struct task_struct *p, __u64 dsq_id, __u64 slice,
			       __u64 enq_flags) __ksym;
extern void scx_bpf_dsq_insert_vtime(struct task_struct *p, __u64 dsq_id, __u64 slice, __u64 vtime,
				     __u64 enq_flags) __ksym;
extern bool scx_bpf_dsq_move_to_local(__u64 dsq_id) __ksym;
extern void scx_bpf_kick_cpu(__s32 cpu, __u64 flags) __ksym;
extern __s32 scx_bpf_dsq_nr_queued(__u64 dsq_id) __ksym;
extern __s32 scx_bpf_pick_idle_cpu(const struct cpumask *allowed, __u64 flags) __ksym;
extern __s32 scx_bpf_task_cpu(const struct task_struct *p) __ksym;
extern void scx_bpf_error_bstr(char *fmt, unsigned long long *data, __u32 size) __ksym;
extern int bpf_iter_scx_dsq_new(struct bpf_iter_scx_dsq *it, __u64 dsq_id, __u64 flags) __ksym;
extern struct task_struct *bpf_iter_scx_dsq_next(struct bpf_iter_scx_dsq *it) __ksym;
extern void bpf_iter_scx_dsq_destroy(struct bpf_iter_scx_dsq *it) __ksym;
extern void bpf_rcu_read_lock(void) __ksym;
extern void bpf_rcu_read_unlock(void) __ksym;
extern void scx_bpf_dsq_move_set_slice(struct bpf_iter_scx_dsq *it, __u64 slice) __ksym;
extern void scx_bpf_dsq_move_set_vtime(struct bpf_iter_scx_dsq *it, __u64 vtime) __ksym;
extern bool scx_bpf_dsq_move_vtime(struct bpf_iter_scx_dsq *it, struct task_struct *p, __u64 dsq_id,
				   __u64 enq_flags) __ksym;
extern bool bpf_cpumask_test_cpu(__u32 cpu, const struct cpumask *mask) __ksym;
extern bool scx_bpf_dsq_move(struct bpf_iter_scx_dsq *it, struct task_struct *p, __u64 dsq_id,
			     __u64 enq_flags) __ksym;

/* ---- state ---- */

#define QUEUE_SHARED 1ULL
#define QUEUE_HELD   0x10000ULL /* and the VM's number */
#define CPUS_MAX     1024
#define CPUS_LOOKED  16		     /* at most, for one to preempt */
#define PATIENCE     (10 * TURNS_MS) /* until signals of held threads are looked for */
#define KTHREAD	     (TURNS_MS / 2)
#define BEAT	     (50 * TURNS_MS)

struct domain {
	struct bpf_spin_lock lock;
	struct turns turns;
};

struct vm {
	struct turns_vm turns;
	__u32 changed; /* of its order */
	struct bpf_timer timer;
};

struct cpu {
	struct bpf_timer timer;
	__u64 vtime, stretch, since; /* of who runs; since 0: nobody that may be preempted */
	__u64 until;
	bool busy;
	__s32 yielded_to; /* thread */
};

struct thread {
	struct turns_thread turns;
	__u32 vm;
	__u64 before; /* ns: its CPU time when it began to run */
	__u64 queued;
	__u64 held; /* since when; 0: it isn't */
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct domain);
} domains SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, SCHED_EXT_VMS);
	__type(key, __u32);
	__type(value, struct vm);
} vms SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, SCHED_EXT_VMS);
	__type(key, __u32);
	__type(value, struct sched_ext_order);
} orders SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, SCHED_EXT_VMS);
	__type(key, __u32);
	__type(value, __u32);
} processes SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, SCHED_EXT_VCPUS);
	__type(key, __u32);
	__type(value, __u32);
} vcpus SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, CPUS_MAX);
	__type(key, __u32);
	__type(value, struct cpu);
} cpus SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_TASK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct thread);
} threads SEC(".maps");

struct beat {
	struct bpf_timer timer;
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct beat);
} beats SEC(".maps");

struct sched_ext_globals globals;

#define ADD(counter) __sync_fetch_and_add(&globals.counter, 1)

/* Ends it all: the kernel says why to whoever asks. */
#define FAIL(text)                                                                                 \
	({                                                                                         \
		static char format[] = text " (%llu)";                                             \
		unsigned long long figure[1] = {globals.no_memory};                                \
		scx_bpf_error_bstr(format, figure, sizeof(figure));                                \
	})

static __always_inline struct domain *the_domain(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&domains, &zero);
}

static __always_inline struct vm *vm_of(__u32 number)
{
	return bpf_map_lookup_elem(&vms, &number);
}

static __always_inline struct cpu *cpu_of(__s32 number)
{
	__u32 key = (__u32)number;

	return bpf_map_lookup_elem(&cpus, &key);
}

static __always_inline struct thread *thread_of(struct task_struct *p)
{
	return bpf_task_storage_get(&threads, p, NULL, 0);
}

static __always_inline __u32 vm_number(const struct task_struct *p)
{
	__u32 tgid = (__u32)p->tgid;
	__u32 *number = bpf_map_lookup_elem(&processes, &tgid);

	return number ? *number : 0;
}

static __always_inline bool is_vcpu(const struct task_struct *p)
{
	__u32 tid = (__u32)p->pid;

	return bpf_map_lookup_elem(&vcpus, &tid) != NULL;
}

static __always_inline bool is_cpus_own(const struct task_struct *p)
{
	return p->flags & TASK_KTHREAD && p->nr_cpus_allowed == 1;
}

/* A signal, a stop or the freezer waits for it, or it is about to end: it must get a CPU. */
static __always_inline bool is_wanted(const struct task_struct *p)
{
	return p->pending.signal.sig[0] || p->signal->shared_pending.signal.sig[0] ||
	       p->jobctl & JOBCTL_PENDING || p->flags & TASK_EXITING;
}

/* New orders of the VM. Under the lock. */
static __always_inline void follow(struct vm *vm, const struct sched_ext_order *o, __u64 now)
{
	struct turns_vm *t = &vm->turns;
	bool limited = t->limit.period;

	if (vm->changed == o->changed)
		return;
	vm->changed = o->changed;
	t->rate = o->rate;
	t->reserved = o->reserved;
	t->whole = o->whole;
	t->limit.quota = o->quota;
	t->limit.period = o->period;
	t->limit.keep = o->keep;
	if (!limited && o->period) {
		t->limit.began = now;
		t->limit.left = (__s64)o->quota;
	}
}

/* ---- accounts ---- */

/* Moves a thread into the account of another VM: its process is a VM now, or isn't one any more. */
static __always_inline void settle_in(struct task_struct *p, struct thread *t, struct domain *d,
				      __u64 now)
{
	__u32 number = vm_number(p);
	struct vm *from = vm_of(t->vm), *to = vm_of(number);
	struct sched_ext_order *order = bpf_map_lookup_elem(&orders, &number);
	bool vcpu = number && is_vcpu(p), was_in;
	__u32 weight = p->scx.weight;

	if (!from || !to || !order)
		return;
	bpf_spin_lock(&d->lock);
	follow(to, order, now);
	was_in = t->turns.weight;
	if (from != to) {
		turns_sleep(&d->turns, &from->turns, &t->turns);
		t->vm = number;
	}
	t->turns.is_vcpu = vcpu;
	t->turns.nice = weight ? weight : 1;
	if (was_in)
		turns_wake(&d->turns, &to->turns, &t->turns, now);
	bpf_spin_unlock(&d->lock);
}

SEC("struct_ops/runnable")
int BPF_PROG(on_runnable, struct task_struct *p, __u64 enq_flags)
{
	struct domain *d = the_domain();
	struct thread *t = thread_of(p);
	__u64 now = bpf_ktime_get_ns();
	struct vm *vm;

	if (!t || !d)
		return 0;
	settle_in(p, t, d, now);
	vm = vm_of(t->vm);
	if (!vm)
		return 0;
	bpf_spin_lock(&d->lock);
	turns_wake(&d->turns, &vm->turns, &t->turns, now);
	bpf_spin_unlock(&d->lock);
	return 0;
}

SEC("struct_ops/quiescent")
int BPF_PROG(on_quiescent, struct task_struct *p, __u64 deq_flags)
{
	struct domain *d = the_domain();
	struct thread *t = thread_of(p);
	struct vm *vm = t ? vm_of(t->vm) : NULL;

	if (!vm || !d)
		return 0;
	bpf_spin_lock(&d->lock);
	turns_sleep(&d->turns, &vm->turns, &t->turns);
	bpf_spin_unlock(&d->lock);
	t->held = 0;
	if (vm->turns.held) /* its place is free */
		bpf_timer_start(&vm->timer, TURNS_MS / 50, 0);
	return 0;
}

SEC("struct_ops/running")
int BPF_PROG(on_running, struct task_struct *p)
{
	struct domain *d = the_domain();
	struct thread *t = thread_of(p);
	struct vm *vm = t ? vm_of(t->vm) : NULL;
	struct cpu *cpu = cpu_of(scx_bpf_task_cpu(p));
	__u64 now = bpf_ktime_get_ns(), grant, stretch, place;

	if (!vm || !d || !cpu)
		return 0;
	bpf_spin_lock(&d->lock);
	turns_start(&d->turns, &vm->turns, &t->turns, now);
	grant = turns_grant(&d->turns, &vm->turns, &t->turns);
	stretch = turns_stretch(&d->turns, &vm->turns, &t->turns);
	place = turns_place(&d->turns, &t->turns);
	bpf_spin_unlock(&d->lock);
	t->before = p->se.sum_exec_runtime;
	cpu->vtime = place;
	cpu->stretch = stretch;
	cpu->since = is_cpus_own(p) ? 0 : now;
	cpu->busy = true;
	cpu->until = grant < TURNS_SLICE_MOST ? now + grant : 0;
	if (cpu->until) /* the kernel looks at slices at its ticks only */
		bpf_timer_start(&cpu->timer, grant, TIMER_CPU_PIN);
	return 0;
}

SEC("struct_ops/stopping")
int BPF_PROG(on_stopping, struct task_struct *p, bool runnable)
{
	struct domain *d = the_domain();
	struct thread *t = thread_of(p);
	struct vm *vm = t ? vm_of(t->vm) : NULL;
	struct cpu *cpu = cpu_of(scx_bpf_task_cpu(p));
	__u64 now = bpf_ktime_get_ns(), service = p->se.sum_exec_runtime - (t ? t->before : 0);

	if (cpu)
		cpu->since = cpu->until = cpu->busy = 0;
	if (!vm || !d)
		return 0;
	bpf_spin_lock(&d->lock);
	turns_stop(&d->turns, &vm->turns, &t->turns, now, service);
	bpf_spin_unlock(&d->lock);
	return 0;
}

/* The end of a slice that is shorter than a tick. */
static int on_slice(void *map, __u32 *key, struct cpu *cpu)
{
	if (cpu->until && bpf_ktime_get_ns() + TURNS_MS / 20 >= cpu->until)
		scx_bpf_kick_cpu((__s32)*key, KICK_PREEMPT);
	return 0;
}

/* ---- queues ---- */

struct place {
	__u64 slice, key, stretch, vtime;
	bool held;
};

/* Where a thread is to wait. `leave`: whatever its limit says. A function of its own, which the verifier
 * checks once for all callers and loops. */
__noinline int find_place(struct thread *t, bool leave, __u64 now, struct place *ret)
{
	struct domain *d = the_domain();
	struct vm *vm = t ? vm_of(t->vm) : NULL;

	if (!d || !vm || !ret)
		return -1;
	bpf_spin_lock(&d->lock);
	ret->held = turns_holds(&vm->turns, &t->turns, now, leave);
	ret->slice = turns_grant(&d->turns, &vm->turns, &t->turns);
	ret->key = turns_key(&d->turns, &vm->turns, &t->turns, ret->slice, now);
	ret->stretch = turns_stretch(&d->turns, &vm->turns, &t->turns);
	ret->vtime = turns_place(&d->turns, &t->turns);
	bpf_spin_unlock(&d->lock);
	return 0;
}

static __always_inline void wake_idle(struct task_struct *p)
{
	__s32 cpu = scx_bpf_pick_idle_cpu(p->cpus_ptr, 0);

	if (cpu >= 0)
		scx_bpf_kick_cpu(cpu, KICK_IDLE);
}

static __always_inline void hold(struct task_struct *p, struct thread *t, struct vm *vm,
				 const struct place *at, __u64 now)
{
	__u64 until;

	if (!t->held)
		t->held = now;
	ADD(holds);
	scx_bpf_dsq_insert(p, QUEUE_HELD + t->vm, at->slice, 0);
	until = turns_look_at(&vm->turns, now, PATIENCE);
	bpf_timer_start(&vm->timer, until - now, 0);
}

/* A CPU whose thread can wait for the one that wakes, its own before others; -1: there is none. */
static __always_inline __s32 whom_to_preempt(const struct task_struct *p, const struct place *at,
					     __u64 now)
{
	__u32 begin = (__u32)scx_bpf_task_cpu(p), n_cpus = globals.cpus;

	for (__u32 i = 0; i < CPUS_LOOKED && i < n_cpus; i++) {
		__u32 n = (begin + i) % n_cpus;
		struct cpu *cpu = cpu_of((__s32)n);
		__u64 since = cpu ? cpu->since : 0;

		if (since && now > since && bpf_cpumask_test_cpu(n, p->cpus_ptr) &&
		    turns_preempts(at->vtime, at->stretch, cpu->vtime, cpu->stretch, now - since))
			return (__s32)n;
	}
	return -1;
}

/* An idle CPU for a thread that is in the queue, or, when it has just woken, one that is busy
 * with somebody else. */
static __always_inline void get_cpu(struct task_struct *p, const struct place *at, bool woken,
				    __u64 now)
{
	struct cpu *own = cpu_of(scx_bpf_task_cpu(p));
	__s32 cpu;

	if (woken && own && !own->busy) /* it was chosen as an idle one, and looks itself */
		return;
	cpu = scx_bpf_pick_idle_cpu(p->cpus_ptr, 0);
	if (cpu >= 0) {
		scx_bpf_kick_cpu(cpu, KICK_IDLE);
		return;
	}
	cpu = woken ? whom_to_preempt(p, at, now) : -1;
	if (cpu < 0)
		return;
	ADD(preempts);
	scx_bpf_kick_cpu(cpu, KICK_PREEMPT);
}

SEC("struct_ops/enqueue")
int BPF_PROG(on_enqueue, struct task_struct *p, __u64 enq_flags)
{
	struct domain *d = the_domain();
	struct thread *t = thread_of(p);
	__u64 now = bpf_ktime_get_ns();
	struct place at = {};
	struct vm *vm;

	if (!t || !d) {
		scx_bpf_dsq_insert(p, DSQ_LOCAL, KTHREAD, enq_flags);
		return 0;
	}
	settle_in(p, t, d, now);
	vm = vm_of(t->vm);
	if (is_cpus_own(p) || !vm) {
		scx_bpf_dsq_insert(p, DSQ_LOCAL, KTHREAD, enq_flags | ENQ(HEAD));
		return 0;
	}
	find_place(t, is_wanted(p), now, &at);
	if (at.held) {
		hold(p, t, vm, &at, now);
		return 0;
	}
	t->held = 0;
	t->queued = now;
	if (enq_flags & ENQ(LAST)) {
		/* the CPU has chosen its idle thread already: it is to look again */
		scx_bpf_dsq_insert(p, DSQ_LOCAL, at.slice, enq_flags);
		scx_bpf_kick_cpu(scx_bpf_task_cpu(p), 0);
		return 0;
	}
	scx_bpf_dsq_insert_vtime(p, QUEUE_SHARED, at.slice, at.key, enq_flags);
	get_cpu(p, &at, enq_flags & ENQ(WAKEUP), now);
	return 0;
}

SEC("struct_ops/select_cpu")
__s32 BPF_PROG(on_select_cpu, struct task_struct *p, __s32 prev_cpu, __u64 wake_flags)
{
	bool idle;

	return scx_bpf_select_cpu_dfl(p, prev_cpu, wake_flags, &idle);
}

/* A directed yield: that thread next, if it still waits. */
static __always_inline bool take_yielded(__s32 tid)
{
	struct bpf_iter_scx_dsq it;
	struct task_struct *p;
	bool done = false;

	if (!bpf_iter_scx_dsq_new(&it, QUEUE_SHARED, 0)) {
		while ((p = bpf_iter_scx_dsq_next(&it)) && !done)
			if (p->pid == tid)
				done = scx_bpf_dsq_move(&it, p, DSQ_LOCAL, 0);
	}
	bpf_iter_scx_dsq_destroy(&it);
	return done;
}

/* A vCPU of the same VM that its limit holds runs here in place of this one. */
static __always_inline bool hand_on(struct task_struct *prev)
{
	struct thread *t = thread_of(prev);
	struct vm *vm = t ? vm_of(t->vm) : NULL;

	return vm && turns_hands_on(&vm->turns, &t->turns, bpf_ktime_get_ns()) &&
	       !scx_bpf_dsq_nr_queued(QUEUE_SHARED) &&
	       scx_bpf_dsq_move_to_local(QUEUE_HELD + t->vm);
}

SEC("struct_ops/dispatch")
int BPF_PROG(on_dispatch, __s32 number, struct task_struct *prev)
{
	struct cpu *cpu = cpu_of(number);
	__s32 tid = cpu ? cpu->yielded_to : 0;

	if (tid) {
		cpu->yielded_to = 0;
		if (take_yielded(tid)) {
			ADD(yields);
			return 0;
		}
	}
	if (prev && !prev->scx.slice && hand_on(prev))
		return 0;
	scx_bpf_dsq_move_to_local(QUEUE_SHARED);
	return 0;
}

SEC("struct_ops/yield")
bool BPF_PROG(on_yield, struct task_struct *from, struct task_struct *to)
{
	__s32 number = scx_bpf_task_cpu(from);
	struct cpu *cpu = cpu_of(number);

	if (to && cpu)
		cpu->yielded_to = to->pid;
	scx_bpf_kick_cpu(number, KICK_PREEMPT);
	return true;
}

/* ---- timers ---- */

/* A held thread: into its queue, or on hold. */
static __always_inline bool let_go(struct bpf_iter_scx_dsq *it, struct task_struct *p,
				   const struct domain *d, __u64 now)
{
	struct thread *t = thread_of(p);
	bool wanted = is_wanted(p);
	struct place at = {};
	__u64 held;

	if (!t)
		return true;
	held = t->held ? now - t->held : 0;
	find_place(t, wanted || (t->held && turns_overdue(&d->turns, t->held, now)), now, &at);
	if (at.held)
		return false;
	scx_bpf_dsq_move_set_slice(it, at.slice);
	scx_bpf_dsq_move_set_vtime(it, at.key);
	t->queued = now;
	t->held = 0;
	if (!scx_bpf_dsq_move_vtime(it, p, QUEUE_SHARED, 0)) {
		ADD(stuck);
		return false;
	}
	ADD(lets);
	if (wanted)
		ADD(signals);
	if (held > globals.longest)
		globals.longest = held;
	wake_idle(p);
	return true;
}

static int on_release(void *map, __u32 *key, struct vm *vm)
{
	__u64 queue = QUEUE_HELD + *key, now = bpf_ktime_get_ns();
	struct domain *d = the_domain();
	struct bpf_iter_scx_dsq it;
	struct task_struct *p;

	if (!d)
		return 0;
	ADD(looks);
	bpf_rcu_read_lock();
	if (!bpf_iter_scx_dsq_new(&it, queue, 0)) {
		while ((p = bpf_iter_scx_dsq_next(&it)))
			let_go(&it, p, d, now);
	}
	bpf_iter_scx_dsq_destroy(&it);
	bpf_rcu_read_unlock();
	if (scx_bpf_dsq_nr_queued(queue) > 0)
		bpf_timer_start(&vm->timer, turns_look_at(&vm->turns, now, PATIENCE) - now, 0);
	return 0;
}

/* Threads that have waited for too long since many others came: to the head. */
static __always_inline void rescue(const struct turns *turns, __u64 now)
{
	struct bpf_iter_scx_dsq it;
	struct task_struct *p;
	struct thread *t;

	bpf_rcu_read_lock(); /* 6.16 takes a timer for one that may sleep */
	if (!bpf_iter_scx_dsq_new(&it, QUEUE_SHARED, 0)) {
		while ((p = bpf_iter_scx_dsq_next(&it))) {
			t = thread_of(p);
			if (!t || !turns_overdue(turns, t->queued, now))
				continue;
			scx_bpf_dsq_move_set_slice(&it, TURNS_SLICE_MIN);
			scx_bpf_dsq_move_set_vtime(&it, DISPATCH_BASE);
			if (scx_bpf_dsq_move_vtime(&it, p, QUEUE_SHARED, 0))
				ADD(rescues);
			t->queued = now;
		}
	}
	bpf_iter_scx_dsq_destroy(&it);
	bpf_rcu_read_unlock();
}

static int on_beat(void *map, __u32 *key, struct beat *beat)
{
	__u64 now = bpf_ktime_get_ns();
	struct domain *d = the_domain();

	if (now > globals.heard + SCHED_EXT_PATIENCE)
		FAIL("deschedd has given no orders for ten seconds");
	if (d)
		rescue(&d->turns, now);
	bpf_timer_start(&beat->timer, BEAT, 0);
	return 0;
}

/* ---- beginning and end ---- */

SEC("struct_ops/init_task")
__s32 BPF_PROG(on_init_task, struct task_struct *p, struct scx_init_task_args *args)
{
	if (bpf_task_storage_get(&threads, p, NULL, BPF_LOCAL_STORAGE_GET_F_CREATE))
		return 0;
	ADD(no_memory);
	FAIL("no memory for a thread");
	return 0;
}

SEC("struct_ops/cpu_online")
int BPF_PROG(on_cpu_online, __s32 cpu)
{
	struct domain *d = the_domain();

	if (!d)
		return 0;
	bpf_spin_lock(&d->lock);
	d->turns.cpus++;
	bpf_spin_unlock(&d->lock);
	return 0;
}

SEC("struct_ops/cpu_offline")
int BPF_PROG(on_cpu_offline, __s32 cpu)
{
	struct domain *d = the_domain();

	if (!d)
		return 0;
	bpf_spin_lock(&d->lock);
	if (d->turns.cpus > 1)
		d->turns.cpus--;
	bpf_spin_unlock(&d->lock);
	return 0;
}

static int make_vm(__u32 i, int *err)
{
	struct vm *vm = vm_of(i);

	if (!vm)
		return 1;
	vm->turns.each = !i;
	vm->turns.rate = DISPATCH_RATE_ONE;
	bpf_timer_init(&vm->timer, &vms, CLOCK_MONO);
	bpf_timer_set_callback(&vm->timer, on_release);
	*err = scx_bpf_create_dsq(QUEUE_HELD + i, -1);
	return *err != 0;
}

static int make_cpu(__u32 i, void *unused)
{
	struct cpu *cpu = cpu_of((__s32)i);

	if (!cpu)
		return 1;
	bpf_timer_init(&cpu->timer, &cpus, CLOCK_MONO);
	bpf_timer_set_callback(&cpu->timer, on_slice);
	return 0;
}

SEC("struct_ops/init") /* it sleeps: a flag, which user space sets */
__s32 BPF_PROG(on_init)
{
	struct domain *d = the_domain();
	__u32 zero = 0;
	struct beat *beat = bpf_map_lookup_elem(&beats, &zero);
	int err = scx_bpf_create_dsq(QUEUE_SHARED, -1);

	if (!d || !beat)
		return -1;
	turns_begin(&d->turns, globals.cpus, globals.patience);
	bpf_loop(CPUS_MAX, make_cpu, NULL, 0);
	if (!err)
		bpf_loop(SCHED_EXT_VMS, make_vm, &err, 0);
	if (err)
		return err;
	bpf_timer_init(&beat->timer, &beats, CLOCK_MONO);
	bpf_timer_set_callback(&beat->timer, on_beat);
	bpf_timer_start(&beat->timer, BEAT, 0);
	return 0;
}

SEC("struct_ops/exit")
int BPF_PROG(on_exit, struct scx_exit_info *info)
{
	bpf_probe_read_kernel_str(globals.reason, sizeof(globals.reason), info->reason);
	bpf_probe_read_kernel_str(globals.message, sizeof(globals.message), info->msg);
	globals.ended = (__u32)info->kind;
	return 0;
}

#define OPERATIONS(ms)                                                                             \
	{                                                                                          \
		.select_cpu = (void *)on_select_cpu, .enqueue = (void *)on_enqueue,                \
		.dispatch = (void *)on_dispatch, .runnable = (void *)on_runnable,                  \
		.running = (void *)on_running, .stopping = (void *)on_stopping,                    \
		.quiescent = (void *)on_quiescent, .yield = (void *)on_yield,                      \
		.cpu_online = (void *)on_cpu_online, .cpu_offline = (void *)on_cpu_offline,        \
		.init_task = (void *)on_init_task, .init = (void *)on_init,                        \
		.exit = (void *)on_exit, .flags = OPS_ENQ_LAST | OPS_ENQ_EXITING,                  \
		.timeout_ms = ms, .name = SCHED_EXT_NAME,                                          \
	}

/* User space attaches one of them. */
SEC(".struct_ops")
struct sched_ext_ops sched_ext = OPERATIONS(SCHED_EXT_TIMEOUT_MS);

SEC(".struct_ops")
struct sched_ext_ops sched_ext_virtual = OPERATIONS(SCHED_EXT_VIRTUAL_MS);
