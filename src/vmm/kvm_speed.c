/* SPDX-License-Identifier: MIT */
/*
 * How fast a KVM runs kernel code. One that interprets it is a thousand times slower than the
 * processor, so that only small kernels ever boot there, and nothing says why. A loop of 20,000
 * turns on a vCPU of its own takes 10 us, or 20 ms.
 */
#include "vmm/kvm.h"

#include "base/units.h"

#include <errno.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <time.h>

#define TURNS	     20000u
#define INSTRUCTIONS (2 * TURNS) /* dec, jnz */
#define SIZE	     4096u

static const uint8_t code[] = {
	0xb9, TURNS & 0xff, TURNS >> 8, 0, 0, /* mov $TURNS, %ecx */
	0x49,				      /* 1: dec %ecx */
	0x75, 0xfd,			      /* jnz 1b */
	0xf4,				      /* hlt */
};

static uint64_t clock_cpu(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (uint64_t)t.tv_sec * NS_PER_SEC + (uint64_t)t.tv_nsec;
}

/* CPU time: others may use the CPU, too. */
static uint64_t run(const struct kvm_cpu *c)
{
	uint64_t from = clock_cpu();

	while (ioctl(c->fd, KVM_RUN, 0)) {
		if (errno != EINTR && errno != EAGAIN)
			return 0;
	}
	return c->run->exit_reason == KVM_EXIT_HLT ? u64_max(clock_cpu() - from, 1) : 0;
}

uint64_t kvm_speed(void)
{
	static const struct image_entry entry = {.at = 0};
	struct kvm_cpu c = {.fd = -1};
	struct memory m = {.size = SIZE};
	struct failure f;
	struct kvm k;
	uint64_t ns = 0;

	m.base = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (m.base == MAP_FAILED)
		return 0;
	memcpy(m.base, code, sizeof(code));
	if (!kvm_open(&k, &m, 1, &f)) {
		if (!kvm_open_cpu(&c, &k, 0, false, &f) && !kvm_enter(&c, &entry, &f))
			ns = run(&c);
		kvm_close_cpu(&c);
	}
	kvm_close(&k);
	munmap(m.base, SIZE);
	return ns ? INSTRUCTIONS * NS_PER_SEC / ns : 0;
}
