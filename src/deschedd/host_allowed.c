/* SPDX-License-Identifier: MIT */
#include "deschedd/host_allowed.h"

#include "base/units.h"

#include <cap-ng.h>
#include <linux/bpf.h>
#include <linux/membarrier.h>
#include <seccomp.h>
#include <sys/prctl.h>

#define CALL(name)                                                                                 \
	{                                                                                          \
		SCMP_SYS(name), CONFINE_ANY, 0                                                     \
	}

static const struct confine_call calls[] = {
	/* looking at processes */
	CALL(readlink),
	CALL(readlinkat),
	CALL(getuid),
	CALL(geteuid),
	CALL(statfs),
	CALL(fstatfs),
	CALL(statx),
	CALL(pread64),
	/* a page's file */
	CALL(pidfd_open),
	CALL(pidfd_getfd),
	CALL(msync),
	CALL(mincore),
	/* its programs' maps and iterators */
	CALL(epoll_wait),
	CALL(epoll_pwait),
	{SCMP_SYS(bpf), 0, BPF_MAP_LOOKUP_ELEM},
	{SCMP_SYS(bpf), 0, BPF_MAP_UPDATE_ELEM},
	{SCMP_SYS(bpf), 0, BPF_MAP_DELETE_ELEM},
	{SCMP_SYS(bpf), 0, BPF_MAP_GET_NEXT_KEY},
	{SCMP_SYS(bpf), 0, BPF_ITER_CREATE},
	{SCMP_SYS(bpf), 0, BPF_PROG_TEST_RUN},
	{SCMP_SYS(bpf), 0, BPF_OBJ_GET_INFO_BY_FD},
	{SCMP_SYS(membarrier), 0, MEMBARRIER_CMD_GLOBAL},
	{SCMP_SYS(prctl), 0, PR_SET_TIMERSLACK},
};

static const struct confine_list list = {calls, ARRAY_SIZE(calls)};

static const struct confine_capability wanted[] = {
	{CAP_SYS_PTRACE, "CAP_SYS_PTRACE is gone"},
	{CAP_DAC_READ_SEARCH, "CAP_DAC_READ_SEARCH is gone"},
};

void host_allowed(struct confine *ret)
{
	static struct confine_capability had[ARRAY_SIZE(wanted)];
	size_t n = 0;

	capng_get_caps_process();
	for (size_t i = 0; i < ARRAY_SIZE(wanted); i++)
		if (capng_have_capability(CAPNG_PERMITTED, (unsigned)wanted[i].number))
			had[n++] = wanted[i];
	*ret = (struct confine){had, n, &list, 1};
}
