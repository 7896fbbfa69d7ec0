/* SPDX-License-Identifier: MIT */
#include "vmm/sandbox.h"

#include "base/units.h"
#include "service/filter.h"

#include <errno.h>
#include <linux/kvm.h>
#include <linux/seccomp.h>
#include <seccomp.h>

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
	CALL(set_robust_list),
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

#ifndef SANITIZED
#define SANITIZED 0
#endif

int sandbox_enter(enum sandbox which)
{
	const struct list *l = &lists[which];
	struct filter filter;
	int err;

	filter_begin(&filter);
	for (size_t i = 0; i < l->n; i++) {
		if (l->calls[i].second == ANY)
			filter_allow(&filter, &l->calls[i].number, 1);
		else
			filter_allow_with(&filter, l->calls[i].number, 1, l->calls[i].second);
	}
	err = SANITIZED ? 0 : filter_load(&filter, SECCOMP_RET_KILL_PROCESS, false);
	errno = -err;
	return err;
}
