/* SPDX-License-Identifier: MIT */
/*
 * vmdesched in bad weather: processes that live for microseconds, exec storms, thousands of
 * threads, one number for many processes, a ring that is full. Whatever comes: what is lost is
 * counted, the sums are kept, memory stays. What it does on other days is test_daemon.c. Needs root
 * and BPF.
 *
 *     test_storms VMDESCHED
 */
#include "base/clock.h"
#include "base/proc.h"
#include "base/units.h"
#include "needs_bpf.h"
#include "scratch.h"

#include <errno.h>
#include <jansson.h>
#include <linux/sched.h>
#include <math.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <time.h>

#include <cmocka.h>

#define STORM_S	     2
#define THREADS	     5000
#define LIVES	     300 /* of one number */
#define LIFE_NS	     (2 * NS_PER_MS)
#define RESIDENT_MAX (10 * 1024) /* KiB */

static const char *vmdesched;
static char path[96];
static pid_t daemon_pid;

/* What those who make the storm tell, and where they wait at its end. */
static struct {
	_Atomic uint64_t lives, done;
	_Atomic uint64_t cpu_us; /* of children, by the kernel */
} * shared;

static void sleep_ms(uint64_t ms)
{
	nanosleep(&(struct timespec){(time_t)(ms / 1000), (long)(ms % 1000) * 1000000}, NULL);
}

static json_t *snapshot(void)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};

	snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	for (int i = 0; i < 1200; i++) {
		int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
		json_t *o = NULL;
		FILE *f;

		if (connect(fd, (struct sockaddr *)&address, sizeof(address))) {
			close(fd);
			sleep_ms(50);
			continue;
		}
		f = fdopen(fd, "r+");
		fputs("{\"get\":\"snapshot\"}\n", f);
		fflush(f);
		o = json_loadf(f, JSON_DISABLE_EOF_CHECK, NULL);
		fclose(f);
		assert_non_null(o);
		return o;
	}
	fail_msg("vmdesched does not answer");
	return NULL;
}

static double number(const json_t *o, const char *key)
{
	return json_number_value(json_object_get(o, key));
}

static double counter(const json_t *snapshot, const char *key)
{
	return number(json_object_get(snapshot, "counters"), key);
}

/* Time on a CPU, whether it ran or not. */
static double occupied(const json_t *amounts)
{
	return number(amounts, "true_s") + number(amounts, "descheduled_s") +
	       number(amounts, "wait_s") + number(amounts, "unaccounted_s");
}

static const json_t *process(const json_t *snapshot, pid_t pid)
{
	const json_t *p;
	size_t i;

	json_array_foreach(json_object_get(snapshot, "processes"), i,
			   p) if (number(p, "pid") == pid) return p;
	return NULL;
}

/* All processes with their children are what the CPUs were busy for, which is true time and
 * vmdesched's; busy and idle are all the time that there was. */
static void check_sums(const json_t *s)
{
	const json_t *totals = json_object_get(s, "totals"), *o;
	double processes = occupied(json_object_get(s, "exited")), busy = 0, idle = 0, n;
	double time = number(totals, "true_s") + number(totals, "vmdesched_s") +
		      number(totals, "unaccounted_s");
	size_t i;

	json_array_foreach(json_object_get(s, "processes"), i, o)
		processes += occupied(o) + occupied(json_object_get(o, "children"));
	n = (double)i;
	json_array_foreach(json_object_get(s, "cpus"), i, o)
	{
		busy += number(o, "busy_s");
		idle += number(o, "idle_s");
	}
	if (fabs(processes - busy) > 1e-6 + n * 1e-8 || fabs(time - busy) > 1e-6)
		fail_msg("processes %.9f s, true and vmdesched %.9f s, busy %.9f s", processes,
			 time, busy);
	/* A switch may have been booked since the snapshot's instant. */
	if (fabs(busy + idle - number(s, "elapsed_s") * (double)i) > 0.05 * (double)i)
		fail_msg("busy %.6f s and idle %.6f s of %.6f s on each of %zu CPUs", busy, idle,
			 number(s, "elapsed_s"), i);
}

/* The daemon's memory, and what it cost since `began`: which is the machine's affair as well, and
 * only told. */
static void check_cost(const char *what, uint64_t began, uint64_t cpu)
{
	char name[32], text[4096], *line;
	uint64_t run, delay;
	long resident;

	snprintf(name, sizeof(name), "/proc/%d/status", daemon_pid);
	assert_true(file_read(name, text, sizeof(text)) > 0);
	line = strstr(text, "VmRSS:");
	assert_non_null(line);
	resident = atol(line + 6);
	assert_int_equal(proc_read_schedstat(daemon_pid, 0, &run, &delay), 0);
	print_message("%s: vmdesched used %.2f %% of a CPU, %ld KiB\n", what,
		      100 * (double)(run - cpu) / (double)(clock_mono() - began), resident);
#ifndef DESCHED_ASAN
	assert_true(resident <= RESIDENT_MAX);
#endif
}

/* What the daemon used so far, and the time. */
static uint64_t begin_cost(uint64_t *ret_began)
{
	uint64_t run, delay;

	assert_int_equal(proc_read_schedstat(daemon_pid, 0, &run, &delay), 0);
	*ret_began = clock_mono();
	return run;
}

static pid_t start(void (*work)(void))
{
	pid_t pid = fork();

	if (pid)
		return pid;
	scratch_join();
	work();
	shared->done++;
	for (;;)
		pause();
}

static void await_done(uint64_t n)
{
	for (int i = 0; i < 6000 && shared->done < n; i++)
		sleep_ms(10);
	assert_true(shared->done >= n);
}

static void end(pid_t pid)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

/* ---- lives of microseconds ---- */

#define LIFE_CUT_S 3e-6 /* a life, at most */

/* By the kernel's sum_exec_runtime, not by ticks. */
static uint64_t cpu_of_children(void)
{
	struct rusage u;

	getrusage(RUSAGE_CHILDREN, &u);
	return (uint64_t)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1000000 +
	       (uint64_t)(u.ru_utime.tv_usec + u.ru_stime.tv_usec);
}

static void live_and_die(bool by_exec)
{
	uint64_t until = clock_mono() + STORM_S * NS_PER_SEC;
	char *argv[] = {"true", NULL};

	while (clock_mono() < until) {
		pid_t child = vfork(); // NOLINT: the fastest there is

		if (child == 0) {
			if (by_exec)
				execv("/bin/true", argv);
			_exit(0);
		}
		waitpid(child, NULL, 0);
		shared->lives++;
	}
	shared->cpu_us += cpu_of_children(); /* both at once: in one step */
}

static void fork_storm(void)
{
	live_and_die(false);
}

static void exec_storm(void)
{
	live_and_die(true);
}

static void ride_out(const char *what, void (*storm)(void))
{
	uint64_t began, cpu = begin_cost(&began);
	double ours = 0, kernels;
	pid_t pids[2];
	json_t *s;

	for (int i = 0; i < 2; i++)
		pids[i] = start(storm);
	await_done(2);
	s = snapshot();
	print_message("%.0f lives a second, %.0f records lost\n", (double)shared->lives / STORM_S,
		      counter(s, "lost_switches") + counter(s, "lost_lives"));
	check_sums(s);
	for (int i = 0; i < 2; i++) {
		const json_t *p = process(s, pids[i]);

		assert_non_null(p);
		ours += occupied(json_object_get(p, "children"));
		end(pids[i]);
	}
	/* A life of some 16 us is cut elsewhere by the kernel's clock than by its switches, by 1 to
	 * 2 us as measured; a hypervisor's steal is in ours alone. */
	ours += counter(s, "lost_run_s");
	kernels = (double)shared->cpu_us / 1e6;
	if (ours < 0.95 * kernels - (double)shared->lives * LIFE_CUT_S ||
	    ours > 1.3 * kernels + counter(s, "lost_run_s"))
		fail_msg("children had %.3f s, by the kernel %.3f s", ours, kernels);
	json_decref(s);
	check_cost(what, began, cpu);
}

static void lives_of_microseconds(void **state)
{
	(void)state;
	ride_out("lives of microseconds", fork_storm);
}

static void exec_storms(void **state)
{
	(void)state;
	ride_out("exec storm", exec_storm);
}

/* ---- many threads ---- */

static void *wake_up_now_and_then(void *data)
{
	for (int i = 0; i < 20; i++)
		sleep_ms(100);
	pause();
	return data;
}

static void thousands_of_threads(void)
{
	pthread_attr_t small;
	pthread_t t;

	pthread_attr_init(&small);
	pthread_attr_setstacksize(&small, 64 * KIB);
	for (int i = 1; i < THREADS; i++)
		if (pthread_create(&t, &small, wake_up_now_and_then, NULL))
			_exit(1);
	wake_up_now_and_then(NULL);
}

static void five_thousand_threads(void **state)
{
	uint64_t began, cpu = begin_cost(&began);
	pid_t pid = start(thousands_of_threads);
	size_t n = 0;

	(void)state;
	for (int i = 0; i < 600 && n < THREADS; i++) {
		json_t *s = snapshot();
		const json_t *p = process(s, pid);

		n = json_array_size(json_object_get(p, "threads"));
		check_sums(s);
		json_decref(s);
		sleep_ms(100);
	}
	end(pid);
	assert_int_equal(n, THREADS);
	check_cost("5,000 threads", began, cpu);
}

/* ---- one number for many ---- */

static void spin(uint64_t ns)
{
	struct timespec t;

	do {
		clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	} while ((uint64_t)t.tv_sec * NS_PER_SEC + (uint64_t)t.tv_nsec < ns);
}

/* fork() with a number of our choice. */
static pid_t fork_as(pid_t pid)
{
	struct clone_args args = {
		.exit_signal = SIGCHLD, .set_tid = (uint64_t)(uintptr_t)&pid, .set_tid_size = 1};

	return (pid_t)syscall(SYS_clone3, &args, sizeof(args));
}

#define NUMBER 31999 /* below any pid_max, and hardly ever in use */

static void lives_of_one_number(void)
{
	for (int i = 0; i <= LIVES; i++) {
		pid_t child = fork_as(NUMBER);

		if (child == 0) {
			spin(i < LIVES ? LIFE_NS : 10 * LIFE_NS);
			if (i < LIVES)
				_exit(0);
			shared->done++;
			for (;;)
				pause();
		}
		if (child != NUMBER)
			_exit(1);
		if (i < LIVES)
			waitpid(child, NULL, 0);
	}
}

static void one_number_for_many(void **state)
{
	pid_t pid, probe = fork_as(NUMBER);
	double last, before;
	json_t *s;

	(void)state;
	if (probe == 0)
		_exit(0);
	if (probe < 0) {
		print_message("skipped: no process can be given a number here\n");
		skip();
	}
	waitpid(probe, NULL, 0);
	pid = start(lives_of_one_number);
	await_done(2);
	s = snapshot();
	check_sums(s);
	last = occupied(process(s, NUMBER));
	before = occupied(json_object_get(process(s, pid), "children"));
	json_decref(s);
	kill(NUMBER, SIGKILL);
	end(pid);
	/* The last one has its own time, not that of the 300 before it. */
	assert_true(last >= 0.019 && last < 0.3);
	assert_true(before >= 0.99 * LIVES * 0.002);
}

/* ---- a ring that is full ---- */

static void pass_bytes(int from, int to)
{
	char byte;

	while (read(from, &byte, 1) == 1 && write(to, &byte, 1) == 1)
		;
}

static void ping_pong(void)
{
	int there[2], back[2];

	if (pipe(there) || pipe(back) || write(there[1], "", 1) != 1)
		_exit(1);
	if (fork() == 0)
		pass_bytes(there[0], back[1]);
	pass_bytes(back[0], there[1]);
}

static void spin_half_a_second(void)
{
	spin(500 * NS_PER_MS);
}

/* While the daemon stands still, more is told than fits. That is counted, and so is what has no
 * owner then: little, since tasks have a clock of their own. Those who come later have theirs. */
static void a_ring_that_is_full(void **state)
{
	uint64_t began, cpu = begin_cost(&began);
	pid_t pid = start(ping_pong), later;
	json_t *s;
	double had;

	(void)state;
	kill(daemon_pid, SIGSTOP);
	sleep_ms(3000);
	kill(daemon_pid, SIGCONT);
	end(pid);
	s = snapshot();
	check_sums(s);
	print_message("%.0f records lost, %.3f s without an owner\n", counter(s, "lost_switches"),
		      counter(s, "lost_run_s"));
	assert_true(counter(s, "lost_switches") > 0);
	assert_true(counter(s, "mismatches") > 0);
	json_decref(s);
	later = start(spin_half_a_second);
	await_done(1);
	s = snapshot();
	check_sums(s);
	had = occupied(process(s, later));
	json_decref(s);
	end(later);
	assert_true(had >= 0.49 && had < 2);
	check_cost("a ring that is full", began, cpu);
}

/* ---- */

static int setup(void **state)
{
	(void)state;
	memset(shared, 0, sizeof(*shared));
	daemon_pid = fork();
	if (daemon_pid == 0) {
		scratch_join();
		execl(vmdesched, vmdesched, "--socket", path, NULL);
		_exit(127);
	}
	json_decref(snapshot());
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	kill(daemon_pid, SIGTERM);
	waitpid(daemon_pid, NULL, 0);
	return 0;
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(lives_of_microseconds, setup, teardown),
		cmocka_unit_test_setup_teardown(exec_storms, setup, teardown),
		cmocka_unit_test_setup_teardown(five_thousand_threads, setup, teardown),
		cmocka_unit_test_setup_teardown(one_number_for_many, setup, teardown),
		cmocka_unit_test_setup_teardown(a_ring_that_is_full, setup, teardown),
	};

	if (argc < 2)
		return 2;
	vmdesched = argv[1];
	if (!bpf_is_here())
		return SKIPPED;
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
		      0);
	if (shared == MAP_FAILED)
		return 1;
	snprintf(path, sizeof(path), "%s/socket", scratch_dir("test-storms"));
	return cmocka_run_group_tests(tests, NULL, NULL);
}
