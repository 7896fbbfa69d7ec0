/* SPDX-License-Identifier: MIT */
#include "vmm/sandbox.h"

#include "base/units.h"

#include <errno.h>
#include <linux/kvm.h>
#include <pthread.h>
#include <seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>

#define ANY 0

struct call {
	int number;
	unsigned long second; /* what its second argument must be, ANY: whatever */
};

#define CALL(name)                                                                                 \
	{                                                                                          \
		SCMP_SYS(name), ANY                                                                \
	}
#define IOCTL(number)                                                                              \
	{                                                                                          \
		SCMP_SYS(ioctl), number                                                            \
	}

static const struct call vcpu_calls[] = {
	IOCTL(KVM_RUN),
	IOCTL(KVM_INTERRUPT),
	IOCTL(KVM_NMI),
	IOCTL(KVM_SET_VCPU_EVENTS), /* these: INIT, start-up, a reset */
	IOCTL(KVM_SET_SREGS),
	IOCTL(KVM_SET_REGS),
	IOCTL(KVM_SET_FPU), /* these: a reset */
	IOCTL(KVM_SET_MSRS),
	IOCTL(KVM_SET_DEBUGREGS),
	CALL(tgkill), /* wakes another vCPU */
	CALL(clock_gettime),
	CALL(timer_settime),
	CALL(ppoll),
	CALL(futex),
	CALL(write),   /* the serial port, the end */
	CALL(pread64), /* the disk */
	CALL(pwrite64),
	CALL(fdatasync),
	CALL(getrandom), /* entropy */
	CALL(madvise),	 /* the balloon; the thread's stack at its end */
	CALL(rt_sigreturn),
	CALL(rt_sigprocmask),
	CALL(restart_syscall),
	CALL(sched_yield),
	CALL(exit),
	CALL(exit_group),
	CALL(munmap),
	CALL(rseq),
};

static const struct call main_calls[] = {
	CALL(ppoll),	      CALL(poll),
	CALL(read),	      CALL(write),
	CALL(accept4), /* these: peers */
	CALL(getsockopt),     CALL(recvfrom),
	CALL(sendto),	      CALL(close),
	CALL(futex),	      CALL(clock_gettime),
	CALL(tgkill), /* wakes the vCPU */
	CALL(getpid),	      CALL(rt_sigreturn),
	CALL(rt_sigprocmask), CALL(restart_syscall),
	CALL(ioctl), /* the terminal's settings */
	CALL(fstat),	      CALL(newfstatat),
	CALL(lseek),	      CALL(brk),
	CALL(munmap),	      CALL(exit_group),
	CALL(unlink),	      CALL(linkat), /* these: the file of figures, at the end */
	CALL(renameat),	      CALL(unlinkat),
};

static const struct list {
	const struct call *calls;
	size_t n;
} lists[SANDBOXES] = {
	[SANDBOX_VCPU] = {vcpu_calls, ARRAY_SIZE(vcpu_calls)},
	[SANDBOX_MAIN] = {main_calls, ARRAY_SIZE(main_calls)},
};

unsigned sandbox_size(enum sandbox which)
{
	const struct list *l = &lists[which];
	unsigned calls = 0;

	for (size_t i = 0; i < l->n; i++) {
		size_t k = 0;

		while (l->calls[k].number != l->calls[i].number)
			k++;
		calls += k == i;
	}
	return calls;
}

#if defined(__SANITIZE_ADDRESS__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SANITIZED 1
#endif
#endif

#ifdef SANITIZED

int sandbox_enter(enum sandbox which)
{
	(void)which;
	return 0;
}

#else

static int allow(scmp_filter_ctx filter, const struct call *c)
{
	if (c->second == ANY)
		return seccomp_rule_add(filter, SCMP_ACT_ALLOW, c->number, 0);
	return seccomp_rule_add(filter, SCMP_ACT_ALLOW, c->number, 1,
				SCMP_A1(SCMP_CMP_EQ, c->second));
}

static int load(const struct list *list)
{
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_KILL_PROCESS);
	int err = filter ? 0 : -ENOMEM;

	for (size_t i = 0; i < list->n && !err; i++)
		err = allow(filter, &list->calls[i]);
	if (!err)
		err = seccomp_load(filter); /* sets no_new_privs too */
	if (filter)
		seccomp_release(filter);
	return err;
}

int sandbox_enter(enum sandbox which)
{
	static pthread_mutex_t one_at_a_time = PTHREAD_MUTEX_INITIALIZER; /* for libseccomp */
	int err;

	pthread_mutex_lock(&one_at_a_time);
	err = load(&lists[which]);
	pthread_mutex_unlock(&one_at_a_time);
	errno = -err;
	return err;
}

#endif
