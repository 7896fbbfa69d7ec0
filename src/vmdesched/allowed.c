/* SPDX-License-Identifier: MIT */
#include "vmdesched/allowed.h"

#include "base/units.h"

#include <cap-ng.h>
#include <linux/bpf.h>
#include <seccomp.h>
#include <sys/prctl.h>
#include <time.h>

#define CALL(name)                                                                                 \
	{                                                                                          \
		SCMP_SYS(name), CONFINE_ANY, 0                                                     \
	}

static const struct confine_call agent_calls[] = {
	CALL(epoll_wait),
	CALL(epoll_pwait),
	CALL(sched_getaffinity),
	{SCMP_SYS(bpf), 0, BPF_PROG_TEST_RUN},
	{SCMP_SYS(bpf), 0, BPF_OBJ_GET_INFO_BY_FD},
	{SCMP_SYS(prctl), 0, PR_SET_TIMERSLACK},
	{SCMP_SYS(clock_adjtime), 0, CLOCK_REALTIME}, /* to set it wants CAP_SYS_TIME */
};

/* All that a process does that waits, takes its ticks and sets the clock. */
static const struct confine_call backlog_calls[] = {
	CALL(clock_nanosleep), CALL(restart_syscall), CALL(rt_sigreturn),
	CALL(clock_gettime),   CALL(write),	      CALL(exit_group),
};

static const struct confine_call clock_calls[] = {{SCMP_SYS(clock_settime), 0, CLOCK_REALTIME}};

/* Those for the clock come last. */
static const struct confine_list daemon_lists[] =
	{
		{agent_calls, ARRAY_SIZE(agent_calls)},
		{clock_calls, ARRAY_SIZE(clock_calls)},
},
				 backlog_lists[] = {
					 {backlog_calls, ARRAY_SIZE(backlog_calls)},
					 {clock_calls, ARRAY_SIZE(clock_calls)},
};

static const struct confine_capability sys_time = {
	CAP_SYS_TIME, "clock: mode 'set' wants CAP_SYS_TIME; see vmdesched.service"};

void allowed_daemon(bool set_clock, struct confine *ret)
{
	*ret = (struct confine){&sys_time, set_clock, daemon_lists, 1 + set_clock};
}

void allowed_backlog(bool set_clock, struct confine *ret)
{
	*ret = (struct confine){&sys_time, set_clock, backlog_lists, 1 + set_clock};
}
