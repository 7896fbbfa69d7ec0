/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * The rule: which state of the ledger is a vCPU thread in that leaves its CPU? A pure function of
 * what the kernel knows at that instant, for the BPF program, for the first guess from /proc, and
 * for tests.
 *
 * The thread's system call tells a guest's idling from host work. What is in the table below was
 * seen with strace and BPF on QEMU 7.2 (TCG, one thread a vCPU, glibc 2.36, Debian 6.1 guest) and
 * on KVM:
 *
 *  - a TCG thread whose guest halted waits on a condition variable (halt_cond): always
 *    futex(FUTEX_WAIT_BITSET_PRIVATE|FUTEX_CLOCK_REALTIME) without timeout. Woken, it first takes
 *    the big QEMU lock: futex(FUTEX_WAIT_PRIVATE, 2) when that is contended. glibc's mutexes never
 *    use the BITSET form, its condition variables always do. A VM paused by `stop` waits on the
 *    same condition and counts as idle; so does a vCPU that waits for another's exclusive section,
 *    which is short. (musl has one form for both: there, TCG idling counts as WAIT.)
 *  - a KVM thread whose guest halted sleeps interruptibly within ioctl(KVM_RUN); one that waits for
 *    guest memory sleeps there uninterruptibly. Once a thread has been seen in KVM_RUN, a futex is
 *    host work to it: Rust monitors use the BITSET form for everything.
 *  - a thread that sleeps outside of any system call waits for a page: uninterruptibly for swap,
 *    interruptibly for userfaultfd (post-copy migration). A cgroup-v2 freeze sleeps there too, but
 *    TASK_FREEZABLE.
 */
#ifndef BPF_VCPU_STATE_H
#define BPF_VCPU_STATE_H

#include <asm/unistd.h>
#include <linux/futex.h>
#include <linux/types.h>

#include <desched/ledger.h>

/* Bits of task_struct.__state, stable since 5.14. */
#define VCPU_TASK_INTERRUPTIBLE	  0x0001
#define VCPU_TASK_UNINTERRUPTIBLE 0x0002 /* also part of killable and idle sleeps */
#define VCPU_TASK_STOPPED	  0x0004
#define VCPU_TASK_TRACED	  0x0008
#define VCPU_TASK_DEAD		  0x0080
#define VCPU_TASK_FREEZABLE	  0x2000 /* 6.1 on; a futex sleep has it, a guest's halt not */
#define VCPU_TASK_FROZEN	  0x8000 /* 6.1 on */

#define VCPU_KVM_RUN 0xae80

struct vcpu_leaving {
	__u32 task_state; /* 0: still runnable */
	__u32 kvm;	  /* the thread was seen in KVM_RUN before */
	__s64 syscall;	  /* number, negative for none */
	__u64 arg;	  /* the system call's second argument: futex operation, ioctl request */
};

static inline int vcpu_in_kvm_run(const struct vcpu_leaving *l)
{
	return l->syscall == __NR_ioctl && (__u32)l->arg == VCPU_KVM_RUN;
}

static inline enum ledger_state vcpu_state_in_kvm(__u32 task_state)
{
	if (task_state & VCPU_TASK_UNINTERRUPTIBLE)
		return LEDGER_SWAPWAIT;
	if ((task_state & VCPU_TASK_INTERRUPTIBLE) && !(task_state & VCPU_TASK_FREEZABLE))
		return LEDGER_HALT;
	return LEDGER_WAIT;
}

static inline int vcpu_in_condition_wait(const struct vcpu_leaving *l)
{
	return l->syscall == __NR_futex && (l->arg & FUTEX_CMD_MASK) == FUTEX_WAIT_BITSET;
}

static inline enum ledger_state vcpu_state(const struct vcpu_leaving *l)
{
	if (!l->task_state)
		return LEDGER_READY;
	if (l->task_state &
	    (VCPU_TASK_STOPPED | VCPU_TASK_TRACED | VCPU_TASK_DEAD | VCPU_TASK_FROZEN))
		return LEDGER_WAIT;
	if (l->syscall < 0)
		return l->task_state & VCPU_TASK_FREEZABLE ? LEDGER_WAIT : LEDGER_SWAPWAIT;
	if (vcpu_in_kvm_run(l))
		return vcpu_state_in_kvm(l->task_state);
	if (vcpu_in_condition_wait(l) && !l->kvm)
		return LEDGER_HALT;
	return LEDGER_WAIT;
}

/* True for a state whose time is a gap: the guest did not run and was not idle. */
static inline int vcpu_state_is_gap(__u32 state)
{
	return state != LEDGER_RUN && state != LEDGER_HALT;
}

/* True for a state that a wake-up ends. */
static inline int vcpu_state_is_blocked(__u32 state)
{
	return state == LEDGER_HALT || state == LEDGER_WAIT || state == LEDGER_SWAPWAIT;
}

#endif
