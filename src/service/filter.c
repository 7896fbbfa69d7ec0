/* SPDX-License-Identifier: MIT */
#include "service/filter.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#if defined(__x86_64__)
#define ARCH AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define ARCH AUDIT_ARCH_AARCH64
#endif

static void add(struct filter *f, struct sock_filter instruction)
{
	if (f->n < FILTER_MAX - 1) /* the last one is for filter_load() */
		f->code[f->n++] = instruction;
	else
		f->full = true;
}

static void load(struct filter *f, size_t offset)
{
	add(f, (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (uint32_t)offset));
}

static void load_number(struct filter *f)
{
	load(f, offsetof(struct seccomp_data, nr));
}

/* Goes on where it is equal, else leaves out the next `skip`. */
static void require(struct filter *f, uint32_t value, uint8_t skip)
{
	add(f, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, value, 0, skip));
}

static void answer(struct filter *f, uint32_t action)
{
	add(f, (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, action));
}

/* Calls by another ABI have other numbers: none is wanted (x32 has numbers of its own, which aren't
 * in any list). */
void filter_begin(struct filter *f)
{
	f->n = 0;
	f->full = false;
	load(f, offsetof(struct seccomp_data, arch));
	add(f, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ARCH, 1, 0));
	answer(f, SECCOMP_RET_KILL_PROCESS);
	load_number(f);
}

void filter_allow(struct filter *f, const int *calls, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (calls[i] < 0)
			continue;
		require(f, (uint32_t)calls[i], 1);
		answer(f, SECCOMP_RET_ALLOW);
	}
}

/* An argument is 64 bits, of which one word is compared after the other. */
void filter_allow_with(struct filter *f, int call, unsigned argument, uint64_t value)
{
	size_t at = offsetof(struct seccomp_data, args) + argument * sizeof(uint64_t);
	const size_t high = __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ ? 4 : 0;

	if (call < 0)
		return;
	require(f, (uint32_t)call, 6);
	load(f, at + (4 - high));
	require(f, (uint32_t)value, 3);
	load(f, at + high);
	require(f, (uint32_t)(value >> 32), 1);
	answer(f, SECCOMP_RET_ALLOW);
	load_number(f);
}

int filter_load(struct filter *f, uint32_t otherwise, bool all_threads)
{
	struct sock_fprog program = {.len = (unsigned short)(f->n + 1), .filter = f->code};
	long err;

	if (f->full)
		return -E2BIG;
	f->code[f->n] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, otherwise);
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		return -errno;
	err = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER,
		      all_threads ? SECCOMP_FILTER_FLAG_TSYNC : 0, &program);
	return err < 0 ? -errno : err ? -EBUSY : 0;
}
