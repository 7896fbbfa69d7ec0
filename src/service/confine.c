/* SPDX-License-Identifier: MIT */
#include "service/confine.h"

#include "base/units.h"
#include "service/filter.h"

#include <assert.h>
#include <cap-ng.h>
#include <errno.h>
#include <grp.h>
#include <linux/seccomp.h>
#include <pwd.h>
#include <seccomp.h>
#include <stdbool.h>
#include <sys/prctl.h>
#include <sys/socket.h>
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

int confine_privileges(const char *user, const struct confine_capability *keep, size_t n,
		       struct failure *f)
{
	capng_select_t all = CAPNG_SELECT_BOTH;
	int err = 0;

	/* Without CAP_SETPCAP the bounding set stays; what is not permitted cannot be gained. */
	capng_get_caps_process();
	if (!capng_have_capability(CAPNG_EFFECTIVE, CAP_SETPCAP))
		all = CAPNG_SELECT_CAPS;
	for (size_t i = 0; i < n; i++)
		if (!capng_have_capability(CAPNG_PERMITTED, (unsigned)keep[i].number))
			return failure_set(f, -EPERM, "%s", keep[i].why);
	capng_clear(CAPNG_SELECT_BOTH);
	for (size_t i = 0; i < n; i++)
		capng_update(CAPNG_ADD, CAPNG_EFFECTIVE | CAPNG_PERMITTED,
			     (unsigned)keep[i].number);
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

#define LISTS_MAX 8
#define CALL(name)                                                                                 \
	{                                                                                          \
		SCMP_SYS(name), CONFINE_ANY, 0                                                     \
	}

static const struct confine_call calls[] = {
	/* memory, threads, signals, the end */
	CALL(brk),
	CALL(mmap),
	CALL(munmap),
	CALL(mremap),
	CALL(mprotect),
	CALL(madvise),
	CALL(futex),
	CALL(getpid),
	CALL(gettid),
	CALL(tgkill),
	CALL(rt_sigaction),
	CALL(rt_sigprocmask),
	CALL(rt_sigreturn),
	CALL(restart_syscall),
	CALL(sysinfo),
	CALL(exit),
	CALL(exit_group),
	/* time */
	CALL(clock_gettime),
	CALL(clock_nanosleep),
	CALL(nanosleep),
	CALL(poll),
	CALL(ppoll),
	/* files: /proc, the configuration, the textfile */
	CALL(open),
	CALL(openat),
	CALL(close),
	CALL(read),
	CALL(write),
	CALL(lseek),
	CALL(fstat),
	CALL(stat),
	CALL(newfstatat),
	CALL(fcntl),
	CALL(fchmod),
	CALL(fsync),
	CALL(access),
	CALL(faccessat),
	CALL(faccessat2),
	CALL(getdents64),
	CALL(rename),
	CALL(renameat),
	CALL(renameat2),
	CALL(unlink),
	CALL(unlinkat),
	CALL(linkat),
	CALL(getrandom),
	/* sockets that are there already, and their clients */
	CALL(accept4),
	CALL(connect),
	CALL(recvfrom),
	CALL(sendto),
	CALL(getsockopt),
	{SCMP_SYS(socket), 0, AF_UNIX},
};

int confine_system_calls(const struct confine_list *lists, size_t n, struct failure *f)
{
	struct filter filter;
	int err;

	filter_begin(&filter);
	for (size_t i = 0; i < n; i++) {
		for (size_t k = 0; k < lists[i].n; k++) {
			const struct confine_call *c = &lists[i].calls[k];

			if (c->argument == CONFINE_ANY)
				filter_allow(&filter, &c->number, 1);
			else
				filter_allow_with(&filter, c->number, (unsigned)c->argument,
						  c->value);
		}
	}
	err = SANITIZED ? 0 : filter_load(&filter, SECCOMP_RET_ERRNO | EPERM, true);
	return err ? failure_errno(f, err, "seccomp") : 0;
}

int confine_daemon(const char *user, bool system_calls, const struct confine *keep,
		   struct failure *f)
{
	struct confine_list lists[LISTS_MAX] = {{calls, ARRAY_SIZE(calls)}};
	size_t n = 1;
	int err = confine_privileges(user, keep->capabilities, keep->n_capabilities, f);

	assert(keep->n_lists < LISTS_MAX);
	for (size_t i = 0; i < keep->n_lists; i++)
		lists[n++] = keep->lists[i];
	return err || !system_calls ? err : confine_system_calls(lists, n, f);
}
