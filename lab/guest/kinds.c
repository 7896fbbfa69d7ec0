/* SPDX-License-Identifier: MIT */
/*
 * A unit of `spin` and `duty` is arithmetic in registers and costs the same in any company. A unit
 * of the others is work of the kernel: it costs more when caches and translations are cold (a fork
 * by half, where VMs share a CPU), and the kernel charges a wake-up that preempts to the one who
 * wakes, before the switch. What is not known about them would be missing in the truth of the
 * steady ones; so they run as background work (nice), with a small share of the VM's time.
 */
#include "kinds.h"

#include "base/clock.h"
#include "base/units.h"

#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define SPIN_STEPS	20000 /* 40 to 60 us, by hardware and by TCG alike */
#define DUTY_WORK_NS	(20 * NS_PER_MS)
#define UNIT_GUESS_NS	50000 /* where the reference is not known yet */
#define DUTY_NAP_NS	(20 * NS_PER_MS)
#define BURST_WORK_NS	(2 * NS_PER_MS)
#define BURST_NAP_NS	(9 * NS_PER_MS)
#define SLEEPER_NAP_NS	(10 * NS_PER_MS)
#define FORK_RETRY_NS	(10 * NS_PER_MS)
#define CHILD_WORK_NS	(1 * NS_PER_MS)
#define CHILD_UNITS	20 /* the same before the reference is known */
#define SYSCALL_ROUNDS	200
#define SLEEPER_UNITS	3
#define MIGRATE_WORK_NS (10 * NS_PER_MS)
#define PIPE_ROUNDS	20
#define FIFO_WORK_NS	(2 * NS_PER_MS)
#define FIFO_NAP_NS	(18 * NS_PER_MS)
#define COUNTER_ROUNDS	1000

static void nap(uint64_t ns)
{
	struct timespec t = {.tv_nsec = (long)ns};

	while (nanosleep(&t, &t))
		;
}

/* A chain of dependent steps in registers: no memory, no system call, nothing to overlap. One copy
 * of it, at one address: emulators run the same loop at another place at another speed. */
static __attribute__((noinline)) bool spin_unit(uint64_t unit_ns)
{
	uint32_t x = 2463534242u;

	(void)unit_ns;
	for (int i = 0; i < SPIN_STEPS; i++) {
		x ^= x << 13;
		x ^= x >> 17;
		x ^= x << 5;
		__asm__ volatile("" : "+r"(x));
	}
	return true;
}

/* One unit, and a nap behind as many as fill `work_ns`. A process has one kind of work. */
static bool work_and_nap(uint64_t unit_ns, uint64_t work_ns, uint64_t nap_ns)
{
	static uint64_t done;
	uint64_t batch = u64_max(work_ns / (unit_ns ? unit_ns : UNIT_GUESS_NS), 1);

	spin_unit(unit_ns);
	if (++done >= batch) {
		done = 0;
		nap(nap_ns);
	}
	return true;
}

/* 20 ms of work, 20 ms of sleep: half of a CPU that nobody else wants. */
static bool duty_unit(uint64_t unit_ns)
{
	return work_and_nap(unit_ns, DUTY_WORK_NS, DUTY_NAP_NS);
}

/* Awake for less than a tick: what the kernel's ticks hardly ever see. The wake-ups are a part of
 * its cost that emulators make large. */
static bool bursty_unit(uint64_t unit_ns)
{
	return work_and_nap(unit_ns, BURST_WORK_NS, BURST_NAP_NS);
}

static bool forker_unit(uint64_t unit_ns)
{
	uint64_t work = unit_ns ? u64_max(CHILD_WORK_NS / unit_ns, 1) : CHILD_UNITS;
	pid_t child = fork();

	if (child < 0) {
		nap(FORK_RETRY_NS);
		return false;
	}
	if (child == 0) {
		for (uint64_t i = 0; i < work; i++)
			spin_unit(unit_ns);
		_exit(0);
	}
	return waitpid(child, NULL, 0) == child;
}

static bool syscall_unit(uint64_t unit_ns)
{
	static int zero = -1;
	char buf[64];

	(void)unit_ns;
	if (zero < 0)
		zero = open("/dev/zero", O_RDONLY | O_CLOEXEC);
	for (int i = 0; i < SYSCALL_ROUNDS; i++) {
		syscall(SYS_getppid);
		if (read(zero, buf, sizeof(buf)) < 0)
			return false;
	}
	return true;
}

static bool sleeper_unit(uint64_t unit_ns)
{
	nap(SLEEPER_NAP_NS);
	for (int i = 0; i < SLEEPER_UNITS; i++)
		spin_unit(unit_ns);
	return true;
}

/* Moves itself to the next CPU, whether that is idle or not. */
static bool migrate_unit(uint64_t unit_ns)
{
	static uint64_t done, moves;
	uint64_t batch = u64_max(MIGRATE_WORK_NS / (unit_ns ? unit_ns : UNIT_GUESS_NS), 1);
	cpu_set_t one;

	spin_unit(unit_ns);
	if (++done < batch)
		return true;
	done = 0;
	CPU_ZERO(&one);
	CPU_SET((size_t)(++moves % (uint64_t)sysconf(_SC_NPROCESSORS_ONLN)), &one);
	return !sched_setaffinity(0, sizeof(one), &one);
}

static int there[2], back[2];

static void *echo(void *data)
{
	char byte;

	(void)data;
	while (read(there[0], &byte, 1) == 1 && write(back[1], &byte, 1) == 1)
		;
	return NULL;
}

/* A byte to another thread of its own and back again. */
static bool pipe_unit(uint64_t unit_ns)
{
	static bool ready;
	pthread_t thread;
	char byte = 0;

	(void)unit_ns;
	if (!ready && (pipe(there) || pipe(back) || pthread_create(&thread, NULL, echo, NULL)))
		return false;
	ready = true;
	for (int i = 0; i < PIPE_ROUNDS; i++)
		if (write(there[1], &byte, 1) != 1 || read(back[0], &byte, 1) != 1)
			return false;
	return true;
}

/* Comes before all others whenever it wakes up. */
static bool fifo_unit(uint64_t unit_ns)
{
	return work_and_nap(unit_ns, FIFO_WORK_NS, FIFO_NAP_NS);
}

/* Reads the CPU's counter without end: some emulators let it gain by that. */
static bool counter_unit(uint64_t unit_ns)
{
	(void)unit_ns;
	for (int i = 0; i < COUNTER_ROUNDS; i++)
		clock_ticks();
	return true;
}

const struct work_kind work_kinds[] = {
	{"spin", WORK_USUAL, true, 0, 0, spin_unit},
	{"duty", WORK_USUAL, true, 0, 0, duty_unit},
	{"forker", WORK_USUAL, false, 10, 0, forker_unit},
	{"syscall", WORK_USUAL, false, 10, 0, syscall_unit},
	{"sleeper", WORK_USUAL, false, 10, 0, sleeper_unit},
	{"migrate", WORK_TRACED, false, 0, 0, migrate_unit},
	{"pipe", WORK_TRACED, false, 0, 0, pipe_unit},
	{"hog", WORK_TRACED, false, 5, 0, spin_unit},
	{"fifo", WORK_TRACED, false, 0, 10, fifo_unit},
	{"bursty", WORK_BY_NAME, false, 0, 0, bursty_unit},
	{"counter", WORK_BY_NAME, false, 0, 0, counter_unit},
};
const int n_work_kinds = ARRAY_SIZE(work_kinds);

const struct work_kind *work_kind_find(const char *name)
{
	for (int i = 0; i < n_work_kinds; i++) {
		if (!strcmp(work_kinds[i].name, name))
			return &work_kinds[i];
	}
	return NULL;
}
