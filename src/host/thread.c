/* SPDX-License-Identifier: MIT */
#include "host/thread.h"

#include "base/proc.h"
#include "bpf/vcpu_state.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

int thread_parse_call(const char *text, struct thread_call *ret)
{
	struct thread_call c = {0};
	uint64_t stack;

	if (!strncmp(text, "running", 7))
		return -EAGAIN;
	if (sscanf(text, "%" SCNd64, &c.number) != 1)
		return -EBADMSG;
	if (c.number >= 0 &&
	    sscanf(text, "%*d %" SCNx64 " %" SCNx64 " %" SCNx64 " %" SCNx64 " %" SCNx64 " %" SCNx64,
		   &c.arg[0], &c.arg[1], &c.arg[2], &c.arg[3], &c.arg[4], &c.arg[5]) != 6)
		return -EBADMSG;
	c.worker = sscanf(text, "%*d %*x %*x %*x %*x %*x %*x %" SCNx64, &stack) == 1 && !stack;
	*ret = c;
	return 0;
}

int thread_read_call(pid_t pid, pid_t tid, struct thread_call *ret)
{
	char path[64], text[256];
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/%d/task/%d/syscall", pid, tid);
	n = file_read(path, text, sizeof(text));
	return n < 0 ? (int)n : thread_parse_call(text, ret);
}

/* The letter of /proc/PID/stat as bits of the kernel's task state. */
static uint32_t task_state_of(char letter)
{
	static const struct {
		char letter;
		uint32_t state;
	} rows[] = {
		{'R', 0},
		{'S', VCPU_TASK_INTERRUPTIBLE},
		{'D', VCPU_TASK_UNINTERRUPTIBLE},
		{'T', VCPU_TASK_STOPPED},
		{'t', VCPU_TASK_TRACED},
		{'I', VCPU_TASK_UNINTERRUPTIBLE},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		if (rows[i].letter == letter)
			return rows[i].state;
	}
	return VCPU_TASK_DEAD;
}

int thread_guess_state(pid_t pid, pid_t tid, enum ledger_state *ret)
{
	struct vcpu_leaving l = {.task_state = 0};
	struct thread_call call;
	struct proc_stat stat;
	int err = proc_read_stat(pid, tid, &stat);

	if (err)
		return err;
	l.task_state = task_state_of(stat.state);
	if (l.task_state & VCPU_TASK_DEAD)
		return -ESRCH;
	err = l.task_state ? thread_read_call(pid, tid, &call) : -EAGAIN;
	if (err == -EAGAIN) {
		*ret = LEDGER_RUN;
		return 0;
	}
	if (err) /* a thread that we may see but not look into: idle is the common case */
		call = (struct thread_call){.number = __NR_futex, .arg = {0, FUTEX_WAIT_BITSET}};
	l.syscall = call.number;
	l.arg = call.arg[1];
	*ret = vcpu_state(&l);
	return 0;
}

bool thread_is_gone(pid_t pid, pid_t tid)
{
	char path[64];
	struct stat st;

	snprintf(path, sizeof(path), "/proc/%d/task/%d", pid, tid);
	return stat(path, &st) && (errno == ENOENT || errno == ESRCH);
}
