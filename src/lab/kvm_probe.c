/* SPDX-License-Identifier: MIT */
#include "lab/kvm_probe.h"

#include <stdio.h>

#ifndef __x86_64__

bool kvm_probe(char *why, size_t size)
{
	snprintf(why, size, "the KVM probe knows only x86-64");
	return false;
}

#else

#include "base/cleanup.h"
#include "base/units.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/*
 * The guest's memory: page tables that map the first 2 MiB onto themselves, the code, 16 bytes for
 * cmpxchg16b. It first does the cmpxchg16b and reports on a port, then runs a loop and reports
 * again.
 */
#define MEMORY_SIZE   (2 * MIB)
#define PML4_AT	      0x1000
#define PDPT_AT	      0x2000
#define PD_AT	      0x3000
#define CODE_AT	      0x4000
#define DATA_AT	      0x5000
#define PORT	      0x10
#define LOOPS	      200000 /* two instructions each */
#define RATE_MIN      50e6   /* instructions a second: interpreters reach a few million */
#define CPUID_ENTRIES 256
#define PROBE_SECONDS 5

static const uint8_t guest_code[] = {
	0xbf,	     0x00,	   0x50,
	0x00,	     0x00, /* mov $DATA_AT,%edi */
	0x31,	     0xc0,	   0x31,
	0xd2, /* xor %eax,%eax; xor %edx,%edx */
	0xbb,	     0x01,	   0x00,
	0x00,	     0x00, /* mov $1,%ebx */
	0xb9,	     0x02,	   0x00,
	0x00,	     0x00, /* mov $2,%ecx */
	0xf0,	     0x48,	   0x0f,
	0xc7,	     0x0f, /* lock cmpxchg16b (%rdi) */
	0xe6,	     PORT, /* out %al,$PORT */
	0xb9,	     LOOPS & 0xff, LOOPS >> 8 & 0xff,
	LOOPS >> 16, 0x00, /* mov $LOOPS,%ecx */
	0xff,	     0xc9, /* 1: dec %ecx */
	0x75,	     0xfc, /* jnz 1b */
	0xe6,	     PORT, /* out %al,$PORT */
	0xf4,		   /* hlt */
};

struct probe {
	int kvm, vm, vcpu;
	uint8_t *memory;
	struct kvm_run *run;
};

static void lay_out_memory(uint8_t *memory)
{
	uint64_t pml4 = PDPT_AT | 3, pdpt = PD_AT | 3,
		 pd = 0x83; /* present, writable; 2 MiB page */

	memcpy(memory + PML4_AT, &pml4, sizeof(pml4));
	memcpy(memory + PDPT_AT, &pdpt, sizeof(pdpt));
	memcpy(memory + PD_AT, &pd, sizeof(pd));
	memcpy(memory + CODE_AT, guest_code, sizeof(guest_code));
}

/* 64-bit mode, ring 0, paging on. */
static bool set_long_mode(int vcpu)
{
	struct kvm_segment code = {.base = 0,
				   .limit = 0xffffffff,
				   .selector = 8,
				   .present = 1,
				   .type = 11,
				   .dpl = 0,
				   .db = 0,
				   .s = 1,
				   .l = 1,
				   .g = 1};
	struct kvm_segment data = code;
	struct kvm_regs regs = {.rip = CODE_AT, .rflags = 2, .rsp = MEMORY_SIZE};
	struct kvm_sregs s;

	if (ioctl(vcpu, KVM_GET_SREGS, &s))
		return false;
	data.type = 3;
	data.selector = 16;
	data.l = 0;
	data.db = 1;
	s.cs = code;
	s.ds = s.es = s.fs = s.gs = s.ss = data;
	s.cr0 = 0x80050033; /* PG AM WP NE ET MP PE */
	s.cr3 = PML4_AT;
	s.cr4 = 0x20;	/* PAE */
	s.efer = 0x500; /* LME LMA */
	return !ioctl(vcpu, KVM_SET_SREGS, &s) && !ioctl(vcpu, KVM_SET_REGS, &regs);
}

/* The processor that the host offers, so that cmpxchg16b is there if it is anywhere. */
static bool set_cpuid(const struct probe *p)
{
	_cleanup_(free_ptr) struct kvm_cpuid2 *c = calloc(
		1, sizeof(*c) + CPUID_ENTRIES * sizeof(struct kvm_cpuid_entry2));

	if (!c)
		return false;
	c->nent = CPUID_ENTRIES;
	return !ioctl(p->kvm, KVM_GET_SUPPORTED_CPUID, c) && !ioctl(p->vcpu, KVM_SET_CPUID2, c);
}

/* Returns what failed, or NULL. */
static const char *set_up(struct probe *p)
{
	struct kvm_userspace_memory_region region = {.memory_size = MEMORY_SIZE};
	int run_size;

	p->vm = ioctl(p->kvm, KVM_CREATE_VM, 0);
	if (p->vm < 0)
		return "KVM_CREATE_VM";
	p->memory = mmap(NULL, MEMORY_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
			 0);
	if (p->memory == MAP_FAILED)
		return "memory";
	lay_out_memory(p->memory);
	region.userspace_addr = (uint64_t)(uintptr_t)p->memory;
	if (ioctl(p->vm, KVM_SET_USER_MEMORY_REGION, &region))
		return "KVM_SET_USER_MEMORY_REGION";
	p->vcpu = ioctl(p->vm, KVM_CREATE_VCPU, 0);
	if (p->vcpu < 0)
		return "KVM_CREATE_VCPU";
	run_size = ioctl(p->kvm, KVM_GET_VCPU_MMAP_SIZE, 0);
	if (run_size < (int)sizeof(struct kvm_run))
		return "KVM_GET_VCPU_MMAP_SIZE";
	p->run = mmap(NULL, (size_t)run_size, PROT_READ | PROT_WRITE, MAP_SHARED, p->vcpu, 0);
	if (p->run == MAP_FAILED)
		return "the vCPU's shared page";
	if (!set_cpuid(p))
		return "KVM_SET_CPUID2";
	return set_long_mode(p->vcpu) ? NULL : "KVM_SET_SREGS";
}

/* Runs up to the guest's next report. */
static bool run_to_report(const struct probe *p)
{
	while (ioctl(p->vcpu, KVM_RUN, 0) < 0) {
		if (errno != EINTR && errno != EAGAIN)
			return false;
	}
	return p->run->exit_reason == KVM_EXIT_IO && p->run->io.port == PORT;
}

static double cpu_seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static bool try_guest(const struct probe *p, char *why, size_t size)
{
	double start, rate;

	if (!run_to_report(p)) {
		snprintf(why, size, "/dev/kvm has no cmpxchg16b in kernel mode (exit reason %u)",
			 p->run->exit_reason);
		return false;
	}
	start = cpu_seconds();
	if (!run_to_report(p)) {
		snprintf(why, size, "/dev/kvm left a plain loop with exit reason %u",
			 p->run->exit_reason);
		return false;
	}
	rate = 2.0 * LOOPS / (cpu_seconds() - start + 1e-9);
	snprintf(why, size, "/dev/kvm runs kernel mode at %.0f million instructions a second",
		 rate / 1e6);
	return rate >= RATE_MIN;
}

/* In a process of its own: what a broken KVM does to it ends with it. */
static bool probe_here(char *why, size_t size)
{
	struct probe p = {.vm = -1, .vcpu = -1};
	const char *failed;

	p.kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	if (p.kvm < 0 || ioctl(p.kvm, KVM_GET_API_VERSION, 0) != KVM_API_VERSION) {
		snprintf(why, size, "/dev/kvm: %s", p.kvm < 0 ? strerror(errno) : "not version 12");
		return false;
	}
	failed = set_up(&p);
	if (failed) {
		snprintf(why, size, "/dev/kvm: %s: %s", failed, strerror(errno));
		return false;
	}
	return try_guest(&p, why, size);
}

static void child(int out)
{
	char text[200] = "";
	bool yes;

	signal(SIGALRM, SIG_DFL);
	alarm(PROBE_SECONDS);
	yes = probe_here(text, sizeof(text));
	if (write(out, text, strlen(text)) < 0)
		_exit(1);
	_exit(yes ? 0 : 1);
}

bool kvm_probe(char *why, size_t size)
{
	_cleanup_(close_fd) int from = -1;
	ssize_t n;
	pid_t pid;
	int ends[2], status = -1;

	if (pipe2(ends, O_CLOEXEC)) {
		snprintf(why, size, "the KVM probe could not start: %s", strerror(errno));
		return false;
	}
	from = ends[0];
	pid = fork();
	if (pid == 0)
		child(ends[1]);
	close(ends[1]);
	if (pid < 0) {
		snprintf(why, size, "the KVM probe could not start: %s", strerror(errno));
		return false;
	}
	waitpid(pid, &status, 0);
	n = read(from, why, size - 1);
	why[n > 0 ? n : 0] = '\0';
	if (WIFSIGNALED(status))
		snprintf(why, size, "/dev/kvm did not run a loop of %d instructions in %d s",
			 2 * LOOPS, PROBE_SECONDS);
	return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

#endif
