/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * Ledgers of vCPU threads, kept at the kernel's context switches and wake-ups.
 *
 * User space enters a VM's process into `processes_of` and its vCPU threads into `slots_of`, and both
 * into `numbers`; what is in neither costs a word of that and a few of per-CPU memory. A slot is only ever
 * written where the kernel has its thread's run queue locked (switch out, switch in, wake-up of a
 * thread that is off its CPU), so one writer at a time is given.
 *
 * The order within a transition is what readers rely on: `seq` odd, time, gap into the ring buffer,
 * slot, `seq` even. Whoever reads the slot and drains the ring buffer afterwards has every gap that
 * ended up to the reading.
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

/* An exchange orders everything around it on every architecture. */
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

/* What a thread enters. */
struct entry {
	__u32 state; /* enum ledger_state */
	__u32 cpu;   /* on which it is or for which it waits */
	__u32 by;    /* who ran before it came back (gap.h) */
	bool ended;  /* it never will */
};

/* The transition. */
static void enter(struct vcpu_slot *s, __u32 index, const struct entry *e)
{
	__u64 now;

	latch(s);
	s->ended = e->ended;
	now = bpf_ktime_get_ns();
	blame_enter(s, index, e->state, now, e->cpu);
	if (now > s->at) {
		if (vcpu_state_is_gap(s->state))
			put_gap(s, index, now, e->by);
		s->ns[s->state & 7] += now - s->at;
		s->at = now;
	}
	s->state = e->state;
	latch(s);
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

/* The same of a vCPU's thread. */
static __u32 find_thread(__u32 tid)
{
	__u32 at = tid & (VCPU_NUMBERS - 1);
	struct vcpu_number *n = bpf_map_lookup_elem(&numbers, &at);

	if (!n || !n->slot)
		return 0;
	if (n->slot == VCPU_SHARED)
		return in_hash(&slots_of, tid);
	return slot_of(n->slot, tid) ? n->slot : 0;
}

/* Sets cpu->process and cpu->slot for a thread that is on the CPU or about to be. */
static void look_up(struct vcpu_cpu *cpu, const struct task_struct *task)
{
	__u32 tid = task->pid;

	cpu->tid = tid;
	cpu->epoch = globals.epoch;
	cpu->process = 0;
	cpu->slot = 0;
	if (!tid)
		return;
	cpu->process = find_process(task->tgid);
	if (cpu->process)
		cpu->slot = find_thread(tid);
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
static void leave_vcpu(struct vcpu_slot *s, __u32 index, struct task_struct *prev, bool preempt,
		       __u32 prev_state)
{
	expect(s, LEDGER_RUN);
	/* Preempted while it was about to sleep, or kept on by a signal: it stays runnable. */
	if (preempt || !prev->__state)
		prev_state = 0;
	enter(s, index,
	      &(struct entry){.state = state_of(prev, prev_state, s),
			      .cpu = bpf_get_smp_processor_id(),
			      .ended = prev_state & VCPU_TASK_DEAD});
}

/* Any other thread of the VM's process leaves the CPU: its time is overhead. */
static void leave_other(struct vcpu_cpu *cpu, struct vcpu_process *p)
{
	__u64 now = bpf_ktime_get_ns();
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

static void leave(struct vcpu_cpu *cpu, struct task_struct *prev, bool preempt, __u32 prev_state)
{
	struct vcpu_process *p;
	struct vcpu_slot *s;

	if (cpu->tid != (__u32)prev->pid || (!cpu->process && cpu->epoch != globals.epoch))
		look_up_late(cpu, prev);
	if (!cpu->process)
		return;
	if (cpu->slot) {
		s = slot_of(cpu->slot, prev->pid);
		if (s)
			leave_vcpu(s, cpu->slot - 1, prev, preempt, prev_state);
		return;
	}
	p = process_of(cpu->process, prev->tgid);
	if (p)
		leave_other(cpu, p);
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

static void arrive_vcpu(struct vcpu_slot *s, __u32 index, __u32 by)
{
	expect(s, LEDGER_READY);
	enter(s, index,
	      &(struct entry){.state = LEDGER_RUN, .cpu = bpf_get_smp_processor_id(), .by = by});
}

static void arrive(struct vcpu_cpu *cpu, const struct task_struct *next,
		   const struct task_struct *prev)
{
	struct vcpu_slot *s;

	look_up(cpu, next);
	if (!cpu->process)
		return;
	if (cpu->slot) {
		s = slot_of(cpu->slot, next->pid);
		if (s)
			arrive_vcpu(s, cpu->slot - 1, ran_before(prev));
		return;
	}
	__sync_lock_test_and_set(&cpu->since, bpf_ktime_get_ns());
}

SEC("tp_btf/sched_switch")
int BPF_PROG(on_switch, bool preempt, struct task_struct *prev, struct task_struct *next,
	     unsigned int prev_state)
{
	__u32 id = bpf_get_smp_processor_id();
	struct vcpu_cpu *cpu = bpf_map_lookup_elem(&cpus, &id);
	struct blame_switch blame;

	if (!cpu)
		return 0;
	blame = blame_begin(id);
	leave(cpu, prev, preempt, prev_state);
	blame_leave(&blame, id, cpu, prev);
	arrive(cpu, next, prev);
	blame_come(&blame, cpu, next);
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
	struct blame_switch w = {.cpu = blame_cpu(id), .now = bpf_ktime_get_ns()};
	struct vcpu_cpu of = {};

	(void)ctx;
	if (!w.cpu)
		return 0;
	look_up(&of, task);
	__sync_lock_test_and_set(&w.cpu->seq, w.cpu->seq + 1);
	if (w.cpu->since && w.cpu->tid == of.tid) {
		w.cpu->slot = of.slot;
		w.cpu->process = of.process;
		__sync_lock_test_and_set(&w.cpu->seq, w.cpu->seq + 1);
	} else {
		blame_come(&w, &of, task);
	}
	return 0;
}

/* The slot of a thread that need not be on a CPU. */
static struct vcpu_slot *find_slot(const struct task_struct *task, __u32 *ret_index)
{
	__u32 tid = task->pid, index1;

	if (!find_process(task->tgid))
		return NULL;
	index1 = find_thread(tid);
	if (!index1)
		return NULL;
	*ret_index = index1 - 1;
	return slot_of(index1, tid);
}

static void wake(const struct task_struct *task)
{
	__u32 index = 0;
	struct vcpu_slot *s = find_slot(task, &index);

	if (!s)
		return;
	if (!task->on_cpu)
		know(s, LEDGER_HALT);
	if (vcpu_state_is_blocked(s->state))
		enter(s, index,
		      &(struct entry){
			      .state = LEDGER_READY, .cpu = cpu_of(task), .by = GAP_BY_NOBODY});
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
	__u32 index = 0;
	struct vcpu_slot *s = globals.record ? find_slot(task, &index) : NULL;

	if (!s || s->state != LEDGER_READY)
		return 0;
	latch(s);
	blame_move(s, index, bpf_ktime_get_ns(), cpu_of(task), (__u32)to);
	latch(s);
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
static void find_out(struct vcpu_slot *s, __u32 index, struct task_struct *task)
{
	__u32 state = is_current(task) ? LEDGER_RUN : state_of(task, task->__state, s);
	struct blame_wait *w = bpf_map_lookup_elem(&blame_waits, &index);
	bool waits = w && state == LEDGER_READY && globals.record;

	if (waits)
		blame_wait(index, s->at, cpu_of(task));
	if (__sync_val_compare_and_swap(&s->state, VCPU_UNKNOWN, state) != VCPU_UNKNOWN && waits)
		blame_unwait(w);
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
		find_out(s, *index, task);
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
