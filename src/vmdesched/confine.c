/* SPDX-License-Identifier: MIT */
#include "vmdesched/confine.h"

#include "base/units.h"
#include "service/filter.h"

#include <cap-ng.h>
#include <errno.h>
#include <grp.h>
#include <linux/bpf.h>
#include <linux/seccomp.h>
#include <pwd.h>
#include <seccomp.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

int confine_find_user(const char *name, struct failure *f, uid_t *ret_uid, gid_t *ret_gid)
{
	const struct passwd *p = getpwnam(name);

	if (!p)
		return failure_set(f, -ENOENT,
				   "there is no user '%.64s'; create it (systemd-sysusers) or "
				   "leave 'user' empty",
				   name);
	*ret_uid = p->pw_uid;
	*ret_gid = p->pw_gid;
	return 0;
}

int confine_find_group(const char *name, struct failure *f, gid_t *ret_gid)
{
	const struct group *g = getgrnam(name);

	if (!g)
		return failure_set(f, -ENOENT, "there is no group '%.64s' for the socket", name);
	*ret_gid = g->gr_gid;
	return 0;
}

static int change_user(const char *user, struct failure *f)
{
	uid_t uid = (uid_t)-1;
	gid_t gid = (gid_t)-1;
	int err = confine_find_user(user, f, &uid, &gid);

	if (err)
		return err;
	err = capng_change_id((int)uid, (int)gid, CAPNG_DROP_SUPP_GRP | CAPNG_CLEAR_BOUNDING);
	return err ? failure_set(f, -EPERM, "cannot become user '%.64s' (capng_change_id: %d)",
				 user, err)
		   : 0;
}

int confine_privileges(const char *user, bool set_clock, struct failure *f)
{
	capng_select_t all = CAPNG_SELECT_BOTH;
	int err = 0;

	/* Without CAP_SETPCAP the bounding set stays; what is not permitted cannot be gained. */
	capng_get_caps_process();
	if (!capng_have_capability(CAPNG_EFFECTIVE, CAP_SETPCAP))
		all = CAPNG_SELECT_CAPS;
	if (set_clock && !capng_have_capability(CAPNG_PERMITTED, CAP_SYS_TIME))
		return failure_set(f, -EPERM,
				   "clock: mode 'set' wants CAP_SYS_TIME; see vmdesched.service");
	capng_clear(CAPNG_SELECT_BOTH);
	if (set_clock)
		capng_update(CAPNG_ADD, CAPNG_EFFECTIVE | CAPNG_PERMITTED, CAP_SYS_TIME);
	if (user[0])
		err = change_user(user, f);
	else if (capng_apply(all))
		err = failure_set(f, -EPERM, "cannot give up capabilities");
	if (!err && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		err = failure_errno(f, -errno, "no_new_privs");
	return err;
}

/* AddressSanitizer traces the process from a thread of its own at the end. */
#ifdef DESCHED_ASAN
#define SANITIZED true
#else
#define SANITIZED false
#endif

static const int allowed[] = {
	/* memory, threads, signals, the end */
	SCMP_SYS(brk), SCMP_SYS(mmap), SCMP_SYS(munmap), SCMP_SYS(mremap), SCMP_SYS(mprotect),
	SCMP_SYS(madvise), SCMP_SYS(futex), SCMP_SYS(getpid), SCMP_SYS(gettid), SCMP_SYS(tgkill),
	SCMP_SYS(rt_sigaction), SCMP_SYS(rt_sigprocmask), SCMP_SYS(rt_sigreturn),
	SCMP_SYS(restart_syscall), SCMP_SYS(sched_getaffinity), SCMP_SYS(sysinfo), SCMP_SYS(exit),
	SCMP_SYS(exit_group),
	/* time */
	SCMP_SYS(clock_gettime), SCMP_SYS(clock_nanosleep), SCMP_SYS(nanosleep), SCMP_SYS(poll),
	SCMP_SYS(ppoll), SCMP_SYS(epoll_wait), SCMP_SYS(epoll_pwait),
	/* files: /proc, the configuration, the textfile */
	SCMP_SYS(open), SCMP_SYS(openat), SCMP_SYS(close), SCMP_SYS(read), SCMP_SYS(write),
	SCMP_SYS(lseek), SCMP_SYS(fstat), SCMP_SYS(stat), SCMP_SYS(newfstatat), SCMP_SYS(fcntl),
	SCMP_SYS(fchmod), SCMP_SYS(fsync), SCMP_SYS(access), SCMP_SYS(faccessat),
	SCMP_SYS(faccessat2), SCMP_SYS(getdents64), SCMP_SYS(rename), SCMP_SYS(renameat),
	SCMP_SYS(renameat2), SCMP_SYS(unlink), SCMP_SYS(unlinkat),
	SCMP_SYS(linkat), /* the textfile gets its name */
	SCMP_SYS(getrandom),
	/* sockets that are there already, and their clients */
	SCMP_SYS(accept4), SCMP_SYS(connect), SCMP_SYS(recvfrom), SCMP_SYS(sendto),
	SCMP_SYS(getsockopt), /* who a client is */
};

/* Calls of which one use is wanted: the argument that must have one value. */
static const struct {
	int call;
	unsigned argument;
	uint64_t value;
	bool clock; /* only where the clock may be set */
} narrow[] = {
	{SCMP_SYS(bpf), 0, BPF_PROG_TEST_RUN, false},
	{SCMP_SYS(bpf), 0, BPF_OBJ_GET_INFO_BY_FD, false},
	{SCMP_SYS(socket), 0, AF_UNIX, false},
	{SCMP_SYS(prctl), 0, PR_SET_TIMERSLACK, false},
	{SCMP_SYS(clock_adjtime), 0, 0, false}, /* CLOCK_REALTIME; to set it wants CAP_SYS_TIME */
	{SCMP_SYS(clock_settime), 0, 0, true},
};

/* All that a process does that waits, takes its ticks and sets the clock. */
static const int allowed_for_backlog[] = {
	SCMP_SYS(clock_nanosleep), SCMP_SYS(restart_syscall), SCMP_SYS(rt_sigreturn),
	SCMP_SYS(clock_gettime),   SCMP_SYS(write),	      SCMP_SYS(exit_group),
};

static int load(struct filter *filter, struct failure *f)
{
	int err = SANITIZED ? 0 : filter_load(filter, SECCOMP_RET_ERRNO | EPERM, true);

	return err ? failure_errno(f, err, "seccomp") : 0;
}

int confine_system_calls(bool set_clock, struct failure *f)
{
	struct filter filter;

	filter_begin(&filter);
	filter_allow(&filter, allowed, ARRAY_SIZE(allowed));
	for (size_t i = 0; i < ARRAY_SIZE(narrow); i++)
		if (set_clock || !narrow[i].clock)
			filter_allow_with(&filter, narrow[i].call, narrow[i].argument,
					  narrow[i].value);
	return load(&filter, f);
}

int confine_backlog_calls(bool set_clock, struct failure *f)
{
	struct filter filter;

	filter_begin(&filter);
	filter_allow(&filter, allowed_for_backlog, ARRAY_SIZE(allowed_for_backlog));
	if (set_clock)
		filter_allow_with(&filter, SCMP_SYS(clock_settime), 0, CLOCK_REALTIME);
	return load(&filter, f);
}
