/* SPDX-License-Identifier: MIT */
/* What a thread is doing, from /proc/PID/task/TID/{comm,syscall,stat}. */
#ifndef HOST_THREAD_H
#define HOST_THREAD_H

#include <desched/ledger.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct thread_call {
	int64_t number; /* negative: blocked outside of any system call */
	uint64_t arg[6];
	bool worker; /* it has no stack in user space: the kernel made it, and what it seems to call
		      * is what the thread called that it was made for */
};

/* -EAGAIN for a thread that is running or waits for a CPU, -EBADMSG for what does not parse, else
 * what reading gave. */
int thread_read_call(pid_t pid, pid_t tid, struct thread_call *ret);
int thread_parse_call(const char *text, struct thread_call *ret);

/*
 * The state of the ledger that a vCPU thread seems to be in. Linux does not say whether a runnable
 * thread is on a CPU: RUN is the answer, since a thread that waits in truth is switched in soon,
 * and one that runs may not be switched out for long.
 */
int thread_guess_state(pid_t pid, pid_t tid, enum ledger_state *ret);

/* Whether the process has no such thread any more. */
bool thread_is_gone(pid_t pid, pid_t tid);

#endif
