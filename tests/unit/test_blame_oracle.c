/* SPDX-License-Identifier: MIT */
/*
 * Who ran while a vCPU waited, in random histories: threads come and go on CPUs, vCPUs wait, are
 * woken and taken from queue to queue, and readings are taken at any time. Each history is held
 * against an oracle that knows nothing of intervals: it notes for each nanosecond who is on the CPU
 * for which each vCPU waits. test_blame.c has the examples.
 */
#include "host/blame.h"
#include "random.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define HISTORIES 3000
#define BEGIN	  1000 /* ns */
#define LENGTH	  400
#define CPUS	  3
#define VCPUS	  4
#define LOG_MAX	  2000

/* Threads: four vCPUs of two VMs, each VM's I/O thread, two processes, a kernel thread's two
 * workers, and the idle task. */
enum { IO_A = VCPUS, IO_B, HOG, OTHER, WORKER_0, WORKER_1, IDLE, THREADS };
/* Culprits of a vCPU. */
enum { BY_VCPUS, BY_IO, BY_VM, BY_HOG, BY_OTHER, BY_WORKERS, BY_IDLE, CULPRITS_HERE };

static const char *const names[] = {
	"itself (vCPUs)", "itself (other threads)", NULL, "hog", "other", "kworker", "idle"};
static const char *const vm_names[] = {"A", "B"};

enum where { BLOCKED, WAITING, RUNNING };

struct record {
	bool is_wait;
	struct host_run run;
	struct host_wait wait;
};

static struct {
	struct random random;
	struct blame *b;
	struct blame_vm *vms[2];
	uint64_t time;
	int on[CPUS]; /* thread */
	uint64_t on_since[CPUS];
	enum where where[VCPUS];
	uint32_t cpu[VCPUS]; /* where it waits or runs */
	uint64_t since[VCPUS];
	uint64_t ready[VCPUS], culprits[VCPUS][CULPRITS_HERE]; /* ns: the oracle */
	struct record log[CPUS][LOG_MAX];
	size_t n[CPUS];
} h;

static bool one_in(uint64_t n)
{
	return !random_below(&h.random, n);
}

static int vm_of(int thread)
{
	if (thread < VCPUS)
		return thread / 2;
	return thread == IO_A ? 0 : thread == IO_B ? 1 : -1;
}

static struct host_run run_of(uint32_t cpu, uint64_t end)
{
	static const char *const comms[] = {"vcpu",	   "vcpu",	  "vcpu", "vcpu",
					    "io",	   "io",	  "hog",  "other",
					    "kworker/0:1", "kworker/1:0", ""};
	int thread = h.on[cpu], vm = vm_of(thread);
	struct host_run run = {.start = h.on_since[cpu],
			       .end = end,
			       .cpu = cpu,
			       .vm = vm,
			       .vcpu = thread < VCPUS ? thread % 2 : -1,
			       .kernel = thread == WORKER_0 || thread == WORKER_1,
			       .tid = thread == IDLE ? 0 : 4000000 + thread,
			       .pid = thread == IDLE ? 0
				      : vm >= 0	     ? 4000100 + vm
						     : 4000000 + thread};

	snprintf(run.name, sizeof(run.name), "%s", comms[thread]);
	return run;
}

static void put_wait(int v, uint32_t log, bool over)
{
	if (h.since[v] < h.time)
		h.log[log][h.n[log]++] = (struct record){.is_wait = true,
							 .wait = {.start = h.since[v],
								  .end = h.time,
								  .cpu = h.cpu[v],
								  .vm = v / 2,
								  .vcpu = (uint32_t)v % 2,
								  .over = over}};
}

static void begin_wait(int v, uint32_t cpu)
{
	h.where[v] = WAITING;
	h.cpu[v] = cpu;
	h.since[v] = h.time;
}

static void move(int v, uint32_t cpu)
{
	put_wait(v, (uint32_t)random_below(&h.random, CPUS), false);
	begin_wait(v, cpu);
}

static bool is_on_a_cpu(int thread)
{
	for (uint32_t c = 0; c < CPUS; c++)
		if (h.on[c] == thread && thread != IDLE)
			return true;
	return false;
}

static void switch_to(uint32_t cpu, int next)
{
	int prev = h.on[cpu];

	if (is_on_a_cpu(next) || next == prev)
		return;
	if (next < VCPUS && h.where[next] == BLOCKED)
		return; /* it is woken first */
	if (next < VCPUS && h.cpu[next] != cpu)
		move(next, cpu);
	h.log[cpu][h.n[cpu]++] = (struct record){.run = run_of(cpu, h.time)};
	if (prev < VCPUS && one_in(2))
		begin_wait(prev, cpu);
	else if (prev < VCPUS)
		h.where[prev] = BLOCKED;
	if (next < VCPUS) {
		put_wait(next, cpu, true);
		h.where[next] = RUNNING;
	}
	h.on[cpu] = next;
	h.on_since[cpu] = h.time;
}

static void happen(void)
{
	for (uint32_t c = 0; c < CPUS; c++)
		if (one_in(6))
			switch_to(c, (int)random_below(&h.random, THREADS));
	for (int v = 0; v < VCPUS; v++) {
		uint32_t cpu = (uint32_t)random_below(&h.random, CPUS);

		if (h.where[v] == BLOCKED && one_in(8))
			begin_wait(v, cpu);
		else if (h.where[v] == WAITING && one_in(20) && h.cpu[v] != cpu)
			move(v, cpu);
	}
}

static int culprit_of(int v, int thread)
{
	if (thread == IDLE)
		return BY_IDLE;
	if (vm_of(thread) == v / 2)
		return thread < VCPUS ? BY_VCPUS : BY_IO;
	if (vm_of(thread) >= 0)
		return BY_VM;
	return thread == HOG ? BY_HOG : thread == OTHER ? BY_OTHER : BY_WORKERS;
}

/* The oracle: the nanosecond that begins now. */
static void write_down(void)
{
	for (int v = 0; v < VCPUS; v++) {
		if (h.where[v] != WAITING)
			continue;
		h.ready[v]++;
		h.culprits[v][culprit_of(v, h.on[h.cpu[v]])]++;
	}
}

/* A nanosecond. */
static void pass(void)
{
	happen();
	write_down();
	h.time++;
}

static void read_vcpu(int v)
{
	const struct host_wait wait = {.start = h.since[v],
				       .end = h.time,
				       .cpu = h.cpu[v],
				       .vm = v / 2,
				       .vcpu = (uint32_t)v % 2};

	blame_reading(h.vms[v / 2], (uint32_t)v % 2, h.time, h.ready[v],
		      h.where[v] == WAITING ? &wait : NULL);
}

static void drain(void)
{
	for (uint32_t c = 0; c < CPUS; c++) {
		struct host_run run = run_of(c, h.time);

		for (size_t i = 0; i < h.n[c]; i++) {
			const struct record *r = &h.log[c][i];

			if (r->is_wait)
				blame_fns.wait(&r->wait, h.b);
			else
				blame_fns.run(&r->run, h.b);
		}
		h.n[c] = 0;
		run.name[0] = '\0';
		blame_fns.now(&run, h.b);
	}
}

static uint64_t sum_of(int v)
{
	struct host_frame_blame rows[BLAME_ROWS];
	size_t n = blame_copy(h.vms[v / 2], v % 2, false, rows);
	uint64_t sum = 0;

	for (size_t i = 0; i < n; i++)
		sum += rows[i].ns;
	return sum;
}

/* Some readings; what happens until the logs are read is in those, too. */
static void look(bool all)
{
	uint64_t later = random_below(&h.random, 8);
	uint64_t ready[VCPUS];

	for (int v = 0; v < VCPUS; v++) {
		ready[v] = UINT64_MAX;
		if (!all && one_in(2))
			continue;
		ready[v] = h.ready[v];
		read_vcpu(v);
	}
	while (!all && later--)
		pass();
	drain();
	blame_settle(h.b);
	for (int v = 0; v < VCPUS; v++)
		if (ready[v] != UINT64_MAX)
			assert_int_equal(sum_of(v), ready[v]);
}

static uint64_t booked(int v, int culprit)
{
	struct host_frame_blame rows[BLAME_ROWS];
	size_t n = blame_copy(h.vms[v / 2], v % 2, false, rows);
	const char *name = names[culprit] ? names[culprit] : vm_names[1 - v / 2];

	for (size_t i = 0; i < n; i++)
		if (!strcmp(rows[i].name, name))
			return rows[i].ns;
	return 0;
}

static void compare(uint64_t seed)
{
	for (int v = 0; v < VCPUS; v++)
		for (int c = 0; c < CULPRITS_HERE; c++)
			if (booked(v, c) != h.culprits[v][c])
				fail_msg("history %lu, vCPU %d, %s: %lu ns, the oracle has %lu",
					 (unsigned long)seed, v,
					 names[c] ? names[c] : "the other VM",
					 (unsigned long)booked(v, c),
					 (unsigned long)h.culprits[v][c]);
}

static void begin(uint64_t seed)
{
	memset(&h, 0, sizeof(h));
	h.random.state = seed;
	h.time = BEGIN;
	assert_int_equal(blame_new(CPUS, &h.b), 0);
	for (int i = 0; i < 2; i++)
		assert_int_equal(blame_add(h.b, i, 4000100 + i, vm_names[i], 2, &h.vms[i]), 0);
	/* Once everybody was there: their names are known. */
	for (int t = 0; t < THREADS; t++) {
		h.on[0] = t;
		h.on_since[0] = 900 + (uint64_t)t;
		blame_fns.run(&(struct host_run){0}, h.b);
		blame_fns.run(&(const struct host_run[]){run_of(0, 901 + (uint64_t)t)}[0], h.b);
	}
	for (uint32_t c = 0; c < CPUS; c++) {
		h.on[c] = IDLE;
		h.on_since[c] = BEGIN;
	}
	for (int v = 0; v < VCPUS; v++)
		read_vcpu(v);
	blame_settle(h.b);
}

static void random_histories(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= HISTORIES; seed++) {
		begin(seed);
		while (h.time < BEGIN + LENGTH) {
			if (one_in(30))
				look(false);
			else if (one_in(30))
				drain();
			pass();
		}
		look(true);
		compare(seed);
		for (int i = 0; i < 2; i++)
			blame_remove(h.b, h.vms[i]);
		blame_free(h.b);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(random_histories),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
