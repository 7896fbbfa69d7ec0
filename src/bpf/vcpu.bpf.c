/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * Ledgers of vCPU threads, kept at the kernel's context switches and wake-ups.
 *
 * User space enters a VM's process into `processes_of` and its vCPU threads into `slots_of`, and both
 * into `numbers`; what is in neither costs a word of that and a few of per-CPU memory. A slot is only ever
 * written where the kernel has its thread's run queue locked (switch out, switch in, wake-up of a
 * thread that is off its CPU), so one writer at a time is given.
 *
 * The order within a transition is what readers rely on: `seq` odd, time, gap into the ring buffer
 * or the CPU's log (blame.bpf.h), slot, `seq` even. Whoever reads the slot and drains both afterwards
 * has every gap that ended up to the reading. At a switch the slots of both threads are odd before the
 * time is taken, which is the same for both.
 *
 * A kernel may leave switches out (one was met that hides those of its host's own threads): what
 * was missed is counted in the slot, and the ledger goes on with the state that it knew.
 *
 * Needs 5.18 or later (the fourth argument of sched_switch); user space falls back to schedstat.
 */
#include "bpf/blame.bpf.h"
#include "bpf/kernel.h"
#include "bpf/vcpu_share.h"
#include "bpf/vcpu_state.h"

char LICENSE[] SEC("license") = "Dual MIT/GPL";

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, VCPU_PROCESSES);
	__type(key, __u32);
	__type(value, struct vcpu_process);
} processes SEC(".maps");

/* Thread id -> index in `slots`. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, VCPU_SLOTS);
	__type(key, __u32);
	__type(value, __u32);
} slots_of SEC(".maps");

/* Process id -> index in `processes`. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, VCPU_PROCESSES);
	__type(key, __u32);
	__type(value, __u32);
} processes_of SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, VCPU_NUMBERS);
	__type(key, __u32);
	__type(value, struct vcpu_number);
} numbers SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, VCPU_RING_BYTES);
} gaps SEC(".maps");

volatile struct vcpu_globals globals;

/* An exchange orders everything around it on every architecture: the time of a transition is taken
 * after it. */
static void latch(struct vcpu_slot *s)
{
	__sync_lock_test_and_set(&s->seq, s->seq + 1);
}

static void put_gap(struct vcpu_slot *s, __u32 index, __u64 end, __u32 by)
{
	struct vcpu_gap *gap = bpf_ringbuf_reserve(&gaps, sizeof(*gap), 0);

	if (!gap) {
		s->gaps_lost++;
		return;
	}
	*gap = (struct vcpu_gap){.start = s->at,
				 .end = end,
				 .slot = index,
				 .tid = s->tid,
				 .state = s->state,
				 .by = by};
	bpf_ringbuf_submit(gap, BPF_RB_NO_WAKEUP);
	s->gaps++;
}

/* The transition, of a slot that is latched. */
static void enter(struct vcpu_slot *s, __u32 index, const struct entry *e)
{
	__u32 state = s->state;
	bool told;

	s->ended = e->ended;
	told = blame_enter(s, index, e);
	if (e->now > s->at) {
		if (vcpu_state_is_gap(state) && !told)
			put_gap(s, index, e->now, e->by);
		if (state < LEDGER_STATES)
			s->ns[state] += e->now - s->at;
		s->at = e->now;
	}
	s->state = e->state;
	publish(&s->seq, s->seq + 1);
}

/* Says what state the slot was in, unless somebody knows already. */
static void know(struct vcpu_slot *s, __u32 state)
{
	if (s->state == VCPU_UNKNOWN)
		__sync_val_compare_and_swap(&s->state, VCPU_UNKNOWN, state);
}

/* The state in which a transition should find the slot. Before the first one it is only as good as
 * `resolve`, which may have looked in the middle of a switch. */
static void expect(struct vcpu_slot *s, __u32 state)
{
	know(s, state);
	if (s->state != state && s->at != s->start)
		s->missed++;
}

/* The slot number index1 - 1, if it still belongs to that thread. */
static struct vcpu_slot *slot_of(__u32 index1, __u32 tid)
{
	__u32 index = index1 - 1;
	struct vcpu_slot *s = bpf_map_lookup_elem(&slots, &index);

	return s && s->tid == tid && !s->ended ? s : NULL;
}

static struct vcpu_process *process_of(__u32 index1, __u32 tgid)
{
	__u32 index = index1 - 1;
	struct vcpu_process *p = bpf_map_lookup_elem(&processes, &index);

	return p && p->tgid == tgid ? p : NULL;
}

/* Index + 1 in a hash; 0: it isn't there. */
static __u32 in_hash(void *map, __u32 id)
{
	__u32 *index = bpf_map_lookup_elem(map, &id);

	return index ? *index + 1 : 0;
}

/* Index + 1 of a process, or 0. */
static __u32 find_process(__u32 tgid)
{
	__u32 at = tgid & (VCPU_NUMBERS - 1);
	struct vcpu_number *n = bpf_map_lookup_elem(&numbers, &at);

	if (!n || !n->process)
		return 0;
	if (n->process == VCPU_SHARED)
		return in_hash(&processes_of, tgid);
	return process_of(n->process, tgid) ? n->process : 0;
}

/* The slot of a vCPU's thread, and its index + 1; NULL for any other one. */
static struct vcpu_slot *find_thread(__u32 tid, __u32 *ret_index1)
{
	__u32 at = tid & (VCPU_NUMBERS - 1), index1;
	struct vcpu_number *n = bpf_map_lookup_elem(&numbers, &at);
	struct vcpu_slot *s;

	if (!n || !n->slot)
		return NULL;
	index1 = n->slot == VCPU_SHARED ? in_hash(&slots_of, tid) : n->slot;
	s = index1 ? slot_of(index1, tid) : NULL;
	if (s)
		*ret_index1 = index1;
	return s;
}

/* Sets cpu->process and cpu->slot for a thread that is on the CPU or about to be; returns the slot of
 * a vCPU. */
static struct vcpu_slot *look_up(struct vcpu_cpu *cpu, const struct task_struct *task)
{
	struct vcpu_slot *s;
	__u32 tid = task->pid;

	cpu->tid = tid;
	cpu->epoch = globals.epoch;
	cpu->process = 0;
	cpu->slot = 0;
	if (!tid)
		return NULL;
	s = find_thread(tid, &cpu->slot);
	cpu->process = s ? s->process : find_process(task->tgid);
	return s;
}

/* The system call that a task is in, negative for none. */
static void get_syscall(struct task_struct *task, struct vcpu_leaving *l)
{
	struct pt_regs *regs = (struct pt_regs *)bpf_task_pt_regs(task);

#if defined(__TARGET_ARCH_x86)
	l->syscall = (__s64)regs->orig_ax; /* -1 behind an exception or interrupt */
	l->arg = regs->si;
#elif defined(__TARGET_ARCH_arm64)
	l->syscall = regs->syscallno;
	l->arg = regs->regs[1];
#else
#error "say here where this architecture keeps the system call's number and second argument"
#endif
}

/* The state of a thread that is off its CPU or about to be. */
static __u32 state_of(struct task_struct *task, __u32 task_state, struct vcpu_slot *s)
{
	struct vcpu_leaving l = {.task_state = task_state, .kvm = s->kvm};

	if (!task_state)
		return LEDGER_READY;
	get_syscall(task, &l);
	if (vcpu_in_kvm_run(&l))
		s->kvm = 1;
	return vcpu_state(&l);
}

/* A vCPU thread leaves the CPU. sched_switch runs in its context. */
static void leave_vcpu(struct vcpu_slot *s, __u32 index, const struct turn *t)
{
	expect(s, LEDGER_RUN);
	enter(s, index,
	      &(struct entry){.now = t->now,
			      .state = state_of(t->prev, t->prev_state, s),
			      .cpu = t->id,
			      .ended = t->prev_state & VCPU_TASK_DEAD});
}

/* Any other thread of the VM's process leaves the CPU: its time is overhead. */
static void leave_other(struct vcpu_cpu *cpu, struct vcpu_process *p, __u64 now)
{
	/* A reader may miss this time for an instant, but never sees it twice. */
	__u64 since = __sync_lock_test_and_set(&cpu->since, 0);

	if (since < p->added)
		since = p->added;
	if (now > since)
		__sync_fetch_and_add(&p->overhead_ns, now - since);
}

/*
 * Looks up a thread that is about to leave and was not known when it came: nobody watched the CPU
 * yet, its process was added while it ran (in both cases it has run since before that), or its
 * coming was not reported.
 */
static void look_up_late(struct vcpu_cpu *cpu, const struct task_struct *prev)
{
	bool missed = cpu->tid && cpu->tid != (__u32)prev->pid;

	cpu->since = 0;
	look_up(cpu, prev);
	if (cpu->process && !cpu->slot && missed)
		cpu->since = bpf_ktime_get_ns() - on_cpu_for(prev);
}

/* The slot of the vCPU that is about to leave the CPU. */
static struct vcpu_slot *who_leaves(struct vcpu_cpu *cpu, const struct task_struct *prev)
{
	if (cpu->tid != (__u32)prev->pid || (!cpu->process && cpu->epoch != globals.epoch))
		look_up_late(cpu, prev);
	return cpu->slot ? slot_of(cpu->slot, prev->pid) : NULL;
}

static void leave(struct vcpu_cpu *cpu, const struct turn *t)
{
	struct vcpu_process *p;

	if (t->leaves)
		leave_vcpu(t->leaves, cpu->slot - 1, t);
	if (!cpu->process || cpu->slot)
		return;
	p = process_of(cpu->process, t->prev->tgid);
	if (p)
		leave_other(cpu, p, t->now);
	else
		cpu->since = 0;
}

/* A thread's id at a depth of PID namespaces; false when it is in none so deep. */
static bool number_at(const struct task_struct *task, __u32 level, struct upid *ret)
{
	const struct pid *pid = BPF_CORE_READ(task, thread_pid);
	const char *numbers;

	if (!pid || BPF_CORE_READ(pid, level) < level || level > 32)
		return false;
	numbers = (const char *)__builtin_preserve_access_index(&pid->numbers[0]);
	return !bpf_probe_read_kernel(ret, sizeof(*ret), numbers + level * sizeof(*ret));
}

/* Who it was, in the namespace of who asks. */
static __u32 id_of(const struct task_struct *task)
{
	struct upid number = {};
	__u32 id = task->pid;

	/* Or the compiler loads the id from either place by one instruction, which the kernel's
	 * verifier does not accept. */
	barrier_var(id);
	if (!globals.level || !id)
		return id;
	if (!number_at(task, globals.level, &number) ||
	    BPF_CORE_READ(number.ns, ns.inum) != globals.inode)
		return GAP_BY_HIDDEN;
	return number.nr;
}

static __u32 ran_before(const struct task_struct *prev)
{
	return prev->pid ? id_of(prev) : GAP_BY_NOBODY;
}

static void arrive_vcpu(struct vcpu_slot *s, __u32 index, const struct turn *t, __u64 idle)
{
	expect(s, LEDGER_READY);
	enter(s, index,
	      &(struct entry){.now = t->now,
			      .idle = idle,
			      .state = LEDGER_RUN,
			      .cpu = t->id,
			      .by = ran_before(t->prev)});
}

static void arrive(struct vcpu_cpu *cpu, const struct turn *t, __u64 idle)
{
	cpu->tid = t->is.tid;
	cpu->epoch = t->is.epoch;
	cpu->process = t->is.process;
	cpu->slot = t->is.slot;
	if (t->comes)
		arrive_vcpu(t->comes, t->is.slot - 1, t, idle);
	else if (t->is.process && !t->is.slot)
		__sync_lock_test_and_set(&cpu->since, t->now);
}

/* The one exchange orders the others, too. */
static void latch_all(const struct turn *t, struct blame_cpu *b)
{
	if (t->leaves)
		t->leaves->seq++;
	if (t->comes)
		t->comes->seq++;
	__sync_lock_test_and_set(&b->seq, b->seq + 1);
}

SEC("tp_btf/sched_switch")
int BPF_PROG(on_switch, bool preempt, struct task_struct *prev, struct task_struct *next,
	     unsigned int prev_state)
{
	__u32 id = bpf_get_smp_processor_id();
	struct vcpu_cpu *cpu = bpf_map_lookup_elem(&cpus, &id);
	struct blame_cpu *b = blame_cpu(id);
	/* Preempted while it was about to sleep, or kept on by a signal: it stays runnable. */
	struct turn t = {.id = id,
			 .prev_state = preempt || !prev->__state ? 0 : prev_state,
			 .prev = prev,
			 .next = next};
	__u64 idle;

	if (!cpu || !b)
		return 0;
	t.leaves = who_leaves(cpu, prev);
	t.comes = look_up(&t.is, next);
	if (!globals.record && !cpu->process && !t.is.process) {
		cpu->tid = t.is.tid;
		cpu->epoch = t.is.epoch;
		return 0;
	}
	latch_all(&t, b);
	t.now = bpf_ktime_get_ns();
	leave(cpu, &t);
	idle = blame_leave(b, cpu, &t);
	arrive(cpu, &t, idle);
	blame_come(b, &t.is, next, t.now);
	return 0;
}

/*
 * Called by user space, once on each CPU, when recording begins, and on a CPU whose thread has just
 * been entered: says who is there, since no switch has said it. The kernel runs it in an interrupt
 * on that CPU, so no switch is under way there.
 */
SEC("raw_tp")
int who_is_here(void *ctx)
{
	__u32 id = bpf_get_smp_processor_id();
	const struct task_struct *task = bpf_get_current_task_btf();
	struct blame_cpu *b = blame_cpu(id);
	__u64 now = bpf_ktime_get_ns();
	struct vcpu_cpu of = {};

	(void)ctx;
	if (!b)
		return 0;
	look_up(&of, task);
	__sync_lock_test_and_set(&b->seq, b->seq + 1);
	if (b->since && b->tid == of.tid) {
		b->slot = of.slot;
		b->process = of.process;
		publish(&b->seq, b->seq + 1);
	} else {
		blame_come(b, &of, task, now);
	}
	return 0;
}

static void wake(const struct task_struct *task)
{
	__u32 index1 = 0;
	struct vcpu_slot *s = find_thread(task->pid, &index1);

	if (!s)
		return;
	if (!task->on_cpu)
		know(s, LEDGER_HALT);
	if (!vcpu_state_is_blocked(s->state))
		return;
	latch(s);
	enter(s, index1 - 1,
	      &(struct entry){.now = bpf_ktime_get_ns(),
			      .state = LEDGER_READY,
			      .cpu = cpu_of(task),
			      .by = GAP_BY_NOBODY});
}

SEC("tp_btf/sched_wakeup")
int BPF_PROG(on_wakeup, struct task_struct *task)
{
	wake(task);
	return 0;
}

SEC("tp_btf/sched_wakeup_new")
int BPF_PROG(on_wakeup_new, struct task_struct *task)
{
	wake(task);
	return 0;
}

/* Attached only where waits are recorded. It runs before the thread is on its new queue, and with
 * the old one locked if it was on that. */
SEC("tp_btf/sched_migrate_task")
int BPF_PROG(on_migrate, struct task_struct *task, int to)
{
	__u32 index1 = 0;
	struct vcpu_slot *s = globals.record ? find_thread(task->pid, &index1) : NULL;

	if (!s || s->state != LEDGER_READY)
		return 0;
	latch(s);
	blame_move(s, index1 - 1, bpf_ktime_get_ns(), cpu_of(task), (__u32)to);
	publish(&s->seq, s->seq + 1);
	return 0;
}

/* Attached only where the kernel has KVM; it runs in the vCPU thread. */
SEC("raw_tp/kvm_exit")
int on_kvm_exit(void *ctx)
{
	__u32 id = bpf_get_smp_processor_id();
	struct vcpu_cpu *cpu = bpf_map_lookup_elem(&cpus, &id);
	struct vcpu_slot *s;

	(void)ctx;
	if (!cpu || !cpu->slot)
		return 0;
	s = slot_of(cpu->slot, cpu->tid);
	if (s)
		s->exits++;
	return 0;
}

/* Whether its switch in, and not its switch out, was the last of the task's switches to be
 * reported. on_cpu says so only a little later; the run queue's `curr` is set just before the
 * report. */
static bool is_current(const struct task_struct *task)
{
	if (bpf_core_field_exists(task->se.cfs_rq))
		return task->se.cfs_rq->rq->curr == task;
	return task->on_cpu;
}

/* A wait is entered before the state, which makes it one, and taken back if a transition was faster:
 * that has ended it, or has not seen it. */
static void find_out(struct vcpu_slot *s, struct task_struct *task)
{
	__u32 state = is_current(task) ? LEDGER_RUN : state_of(task, task->__state, s);
	bool waits = state == LEDGER_READY && globals.record;

	if (waits)
		blame_wait(s, s->at, cpu_of(task));
	if (__sync_val_compare_and_swap(&s->state, VCPU_UNKNOWN, state) != VCPU_UNKNOWN && waits)
		blame_unwait(s);
}

/* Read once by user space after it has entered threads: finds out what those do that did not switch
 * since. A thread that switches at the same moment has been told of by that already. */
SEC("iter/task")
int resolve(struct bpf_iter__task *ctx)
{
	struct task_struct *task = ctx->task;
	struct vcpu_slot *s;
	__u32 *index, tid;

	if (!task)
		return 0;
	tid = task->pid;
	index = bpf_map_lookup_elem(&slots_of, &tid);
	s = index ? slot_of(*index + 1, tid) : NULL;
	if (s && s->state == VCPU_UNKNOWN && !task->exit_state)
		find_out(s, task);
	return 0;
}

/* Read by user space in a PID namespace of its own: whom it sees there, and what the kernel calls
 * them. The iterator goes through the threads of the reader's namespace. */
SEC("iter/task")
int translate(struct bpf_iter__task *ctx)
{
	const struct task_struct *task = ctx->task;
	const struct task_struct *reader = (const void *)bpf_get_current_task();
	struct vcpu_thread t = {};
	struct upid number = {};

	if (!task)
		return 0;
	t.level = BPF_CORE_READ(reader, thread_pid, level);
	if (!number_at(task, t.level, &number))
		return 0;
	t.here = number.nr;
	t.tid = task->pid;
	t.tgid = task->tgid;
	bpf_seq_write(ctx->meta->seq, &t, sizeof(t));
	return 0;
}
