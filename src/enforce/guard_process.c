/* SPDX-License-Identifier: MIT */
#include "enforce/guard_process.h"

#include "base/units.h"

#include <seccomp.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

void guard_say(const char *line, void *data)
{
	(void)data;
	dprintf(STDERR_FILENO, "deschedd: %s\n", line);
}

#define CALL(name)                                                                                 \
	{                                                                                          \
		SCMP_SYS(name), CONFINE_ANY, 0                                                     \
	}

void guard_confine(const struct confine_capability *keep, size_t n, const struct confine_list *more)
{
	static const struct confine_call calls[] = {
		CALL(read),
		CALL(write),
		CALL(open),
		CALL(openat),
		CALL(close),
		CALL(fstat),
		CALL(stat),
		CALL(newfstatat),
		CALL(lseek),
		CALL(getdents64),
		CALL(mkdir),
		CALL(mkdirat),
		CALL(rmdir),
		CALL(unlink),
		CALL(unlinkat),
		CALL(rename),
		CALL(renameat),
		CALL(renameat2),
		CALL(linkat),
		CALL(fcntl),
		CALL(fchmod),
		CALL(fsync),
		CALL(access),
		CALL(faccessat),
		CALL(faccessat2),
		CALL(poll),
		CALL(ppoll),
		CALL(recvfrom),
		CALL(sendto),
		CALL(brk),
		CALL(mmap),
		CALL(munmap),
		CALL(mremap),
		CALL(mprotect),
		CALL(madvise),
		CALL(getpid),
		CALL(gettid),
		CALL(tgkill),
		CALL(futex),
		CALL(rt_sigprocmask),
		CALL(rt_sigreturn),
		CALL(getrandom),
		CALL(clock_gettime),
		CALL(clock_nanosleep),
		CALL(nanosleep),
		CALL(exit),
		CALL(exit_group),
		CALL(geteuid),
		CALL(restart_syscall),
	};
	const struct confine_list lists[] = {{calls, ARRAY_SIZE(calls)},
					     more ? *more : (struct confine_list){NULL, 0}};
	struct failure f = {""};

	if (confine_privileges("", keep, n, &f) || confine_system_calls(lists, more ? 2 : 1, &f)) {
		guard_say(f.text, NULL);
		_exit(1);
	}
}

void guard_alone(const char *name, int fd)
{
	sigset_t all;

	sigfillset(&all);
	sigprocmask(SIG_BLOCK, &all, NULL);
	prctl(PR_SET_NAME, name);
	umask(022); /* as systemd's and libvirt's cgroups are, for all to read */
	if (fd > 3)
		close_range(3, (unsigned)fd - 1, 0);
	close_range((unsigned)fd + 1, ~0u, 0);
	close(STDIN_FILENO);
	close(STDOUT_FILENO);
}
