/* SPDX-License-Identifier: MIT */
/*
 * desched calibrate against a process that knows what it costs: it looks like a VM of QEMU's whose
 * first vCPU is woken up 200 times a second for a little work, whose second one sleeps, and whose
 * main thread works, too. Then the simulator takes what was written. Exits are test_host_kvm.c, what
 * bad files get tests/unit/test_sim_planning.c. Needs root and BPF, else exits with 77.
 *
 *     test_calibrate DESCHED
 */
#include "base/clock.h"
#include "base/units.h"
#include "before_others.h"
#include "host/frame.h"
#include "host/host_ledger.h"
#include "scratch.h"

#include <jansson.h>
#include <math.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define PERIOD_US    5000
#define VCPU_WORK    (150 * NS_PER_US)
#define MONITOR_WORK (300 * NS_PER_US)

static const char *desched;

struct shared {
	_Atomic uint64_t ready;		  /* vCPUs */
	_Atomic uint64_t wakeups, worked; /* of the first vCPU: how often, ns of CPU time */
	_Atomic uint64_t monitor;	  /* ns of CPU time of the main thread */
	_Atomic uint64_t at;		  /* ns, when the main thread said so */
};

static struct shared *shared;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t halted = PTHREAD_COND_INITIALIZER;
static unsigned interrupts;

static void work(uint64_t ns)
{
	for (uint64_t start = clock_thread(); clock_thread() - start < ns;)
		;
}

/* As TCG's: halted, it waits on a condition. */
static void *first_vcpu(void *data)
{
	unsigned seen = 0;

	prctl(PR_SET_NAME, "CPU 0/TCG");
	shared->ready++;
	for (;;) {
		pthread_mutex_lock(&lock);
		while (interrupts == seen)
			pthread_cond_wait(&halted, &lock);
		seen = interrupts;
		pthread_mutex_unlock(&lock);
		work(VCPU_WORK);
		shared->wakeups++;
		shared->worked = clock_thread();
	}
	return data;
}

static void *second_vcpu(void *data)
{
	pthread_cond_t never = PTHREAD_COND_INITIALIZER;

	prctl(PR_SET_NAME, "CPU 1/TCG");
	pthread_mutex_lock(&lock);
	shared->ready++;
	for (;;)
		pthread_cond_wait(&never, &lock);
	return data;
}

static void be_vm(void)
{
	pthread_t t[2];

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	pthread_create(&t[0], NULL, first_vcpu, NULL);
	pthread_create(&t[1], NULL, second_vcpu, NULL);
	for (;;) {
		usleep(PERIOD_US);
		work(MONITOR_WORK);
		pthread_mutex_lock(&lock);
		interrupts++;
		pthread_cond_signal(&halted);
		pthread_mutex_unlock(&lock);
		shared->monitor = clock_thread();
		shared->at = clock_mono();
	}
}

static pid_t start(void (*be)(void))
{
	pid_t pid;

	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
		      0);
	pid = fork();
	if (!pid)
		be();
	for (int i = 0; i < 60000 && (shared->ready < 2 || shared->wakeups < 20); i++)
		usleep(1000);
	return pid;
}

static pid_t start_vm(void)
{
	return start(be_vm);
}

struct truth {
	double seconds, wakeups, worked, monitor;
};

static struct truth look(void)
{
	return (struct truth){ns_to_s(shared->at), (double)shared->wakeups, ns_to_s(shared->worked),
			      ns_to_s(shared->monitor)};
}

static json_t *load(const char *command, ...) __attribute__((format(printf, 1, 2)));
static json_t *load(const char *command, ...)
{
	char line[512];
	json_error_t e;
	va_list ap;
	json_t *o;
	FILE *p;

	va_start(ap, command);
	vsnprintf(line, sizeof(line), command, ap);
	va_end(ap);
	p = popen(line, "r");
	assert_non_null(p);
	o = json_loadf(p, 0, &e);
	if (!o)
		fail_msg("%s: %s", line, e.text);
	assert_int_equal(pclose(p), 0);
	return o;
}

static double mean_of(const json_t *owner, const char *name)
{
	const json_t *c = json_object_get(json_object_get(owner, "coefficients"), name);

	if (!json_is_number(json_object_get(c, "mean")))
		fail_msg("%s: %s", name, json_string_value(json_object_get(c, "missing")));
	return json_number_value(json_object_get(c, "mean"));
}

static void assert_about(const char *what, double value, double truth, double part)
{
	print_message("%s: %g, truth %g\n", what, value, truth);
	if (!(fabs(value - truth) <= part * truth))
		fail_msg("%s: more than %g %% off", what, 100 * part);
}

static void idle_vm_costs_what_it_says(void **state)
{
	pid_t vm = start_vm();
	struct truth a = look(), b;
	const json_t *v;
	json_t *o;

	(void)state;
	o = load("%s calibrate -d 3 --json %d", desched, vm);
	b = look();
	kill(vm, SIGKILL);
	waitpid(vm, NULL, 0);
	v = json_array_get(json_object_get(o, "vms"), 0);
	b.seconds -= a.seconds;
	b.wakeups -= a.wakeups;
	/* The mean of both vCPUs, of which one is never awake. */
	assert_about("idle_vcpu", 2 * mean_of(v, "idle_vcpu"), (b.worked - a.worked) / b.seconds,
		     0.15);
	assert_about("idle_wakeups", 2 * mean_of(v, "idle_wakeups"), b.wakeups / b.seconds, 0.15);
	assert_about("wakeup", mean_of(v, "wakeup"), (b.worked - a.worked) / b.wakeups, 0.15);
	assert_about("overhead", mean_of(v, "overhead"), (b.monitor - a.monitor) / b.seconds, 0.15);
	assert_about("idle_overhead", mean_of(v, "idle_overhead"), mean_of(v, "overhead"), 0.15);
	assert_string_equal(
		json_string_value(json_object_get(
			json_object_get(json_object_get(v, "coefficients"), "exit"), "missing")),
		"no KVM: none of its vCPUs was seen in KVM_RUN");
	json_decref(o);
}

static double cpu_of_first_vm(const json_t *simulated)
{
	const json_t *run = json_array_get(json_object_get(simulated, "runs"), 0);
	const json_t *vm = json_array_get(json_object_get(run, "vms"), 0);

	return json_number_value(json_object_get(vm, "cpu"));
}

/* What it wrote is what the simulated host costs. */
static void simulator_takes_it(void **state)
{
	const char *directory = scratch_dir("test-calibrate");
	char path[80];
	pid_t vm = start_vm();
	json_t *o, *written;
	double idle;
	FILE *f;

	(void)state;
	snprintf(path, sizeof(path), "%s/t.ini", directory);
	f = fopen(path, "w");
	assert_non_null(f);
	fprintf(f,
		"[host]\ncpus = 4\ncalibration = c.json\n[vm a]\nworkload = idle\nvcpus = 2\n"
		"calibrated = pid %d\n",
		vm);
	assert_int_equal(fclose(f), 0);
	json_decref(
		load("%s calibrate -d 1 --json=%s/c.json %d && echo {}", desched, directory, vm));
	kill(vm, SIGKILL);
	waitpid(vm, NULL, 0);
	written = load("cat %s/c.json", directory);
	idle = mean_of(json_array_get(json_object_get(written, "vms"), 0), "idle_vcpu");
	assert_true(mean_of(json_object_get(written, "host"), "switch") > 1e-7);
	o = load("%s sim --json %s", desched, path);
	assert_about("simulated", cpu_of_first_vm(o), 2 * idle, 0.02);
	json_decref(o);
	json_decref(written);
}

/* ---- vCPUs in a loop ---- */

static char notes[4096];

static void note(const char *text, void *data)
{
	size_t used = strlen(notes);

	(void)data;
	snprintf(notes + used, sizeof(notes) - used, "%s\n", text);
}

static void *loop(void *data)
{
	prctl(PR_SET_NAME, "CPU 0/TCG");
	shared->ready = 2;
	shared->wakeups = 20;
	for (;;)
		;
	return data;
}

static void be_looping_vm(void)
{
	pthread_t t;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	pthread_create(&t, NULL, loop, NULL);
	for (;;)
		pause();
}

/* The one that loops is said once; the one that is idle is not. */
static void a_loop_is_named(void **state)
{
	pid_t loops = start(be_looping_vm), idles = start_vm();
	char pids[2][16], expected[64], *operands[] = {pids[0], pids[1]};
	const struct measure_setup setup = {.operands = operands,
					    .n_operands = 2,
					    .no_pages = true,
					    .runaway = NS_PER_SEC,
					    .note = note};
	struct measurement *m = NULL;
	struct host_frame frame;
	struct failure f = {""};

	(void)state;
	snprintf(pids[0], sizeof(pids[0]), "%d", loops);
	snprintf(pids[1], sizeof(pids[1]), "%d", idles);
	if (measure_open(&setup, &f, &m))
		fail_msg("%s", f.text);
	for (uint64_t end = clock_mono() + 60 * NS_PER_SEC; !notes[0] && clock_mono() < end;) {
		usleep(5000);
		measure_step(m);
	}
	for (int i = 0; i < 100; i++) { /* half a second more */
		usleep(5000);
		measure_step(m);
	}
	measure_read(m);
	snprintf(expected, sizeof(expected), "(pid %d): vCPU 0 may loop: for ", loops);
	assert_non_null(strstr(notes, expected));
	assert_null(strchr(strchr(notes, '\n') + 1, '\n'));
	assert_int_equal(host_frame_take(m, &frame), 0);
	assert_true(frame.vms[0].vcpus[0].runaway && frame.vms[0].vcpus[0].busy > NS_PER_SEC);
	assert_false(frame.vms[1].vcpus[0].runaway || frame.vms[1].vcpus[0].busy);
	host_frame_done(&frame);
	measure_close(m);
	kill(loops, SIGKILL);
	kill(idles, SIGKILL);
	waitpid(loops, NULL, 0);
	waitpid(idles, NULL, 0);
}

int main(int argc, char **argv)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(idle_vm_costs_what_it_says),
		cmocka_unit_test(simulator_takes_it),
		cmocka_unit_test(a_loop_is_named),
	};
	struct host_ledger *h;
	struct failure f;

	if (argc < 2)
		return 2;
	desched = argv[1];
	before_others();
	if (host_ledger_open("bpf", &f, &h)) {
		printf("skipped: %s\n", f.text);
		return 77;
	}
	host_ledger_close(h);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
