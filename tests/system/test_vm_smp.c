/* SPDX-License-Identifier: MIT */
/*
 * `desched vm --cpus N` on this machine's /dev/kvm: the source's story for each vCPU of a guest
 * with two that share one host CPU, and guests that mean no good. What a vCPU had is the host
 * kernel's word (/proc/PID/task/TID/schedstat), split by work units. One vCPU is in test_vm.c.
 *
 *     test_vm_smp DESCHED
 *
 * Exits with 77 where there is no /dev/kvm.
 */
#include "before_others.h"
#include "ticks/ticks_report.h"

#include <dirent.h>
#include <jansson.h>
#include <math.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#define PATIENCE 60 /* s, for what takes one or two */
#define CPUS	 2

static const char *desched;
static char directory[] = "/tmp/test-vm-smp.XXXXXX";

struct vm {
	pid_t pid;
	FILE *to, *from;
	char json[64], control[64];
	int tids[CPUS];
};

/* What the host's kernel says that a thread had, and when that was. `stolen` is what the machine
 * below this one took from the host CPU that all vCPUs share: that is in a thread's READY only as
 * far as it waited for its CPU then. */
struct had {
	double run, ready, stolen, at;
};

/* A report is made at some instant between these two. */
struct reading {
	struct ticks_report report;
	struct had before, had;
};

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void wait_a_little(void)
{
	nanosleep(&(struct timespec){.tv_nsec = 50000000}, NULL);
}

static int last_cpu(void)
{
	cpu_set_t set;
	int last = 0;

	sched_getaffinity(0, sizeof(set), &set);
	for (int i = 0; i < CPU_SETSIZE; i++)
		last = CPU_ISSET(i, &set) ? i : last;
	return last;
}

static void use_one_cpu(void)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(last_cpu(), &set);
	sched_setaffinity(0, sizeof(set), &set);
}

static void start(struct vm *v, const char *append)
{
	static int started; /* a test that failed may have left one behind */
	char json[128];
	int in[2], out[2];

	*v = (struct vm){0};
	snprintf(v->json, sizeof(v->json), "%s/json", directory);
	snprintf(v->control, sizeof(v->control), "%s/control%d", directory, started++);
	assert_int_equal(pipe(in) | pipe(out), 0);
	snprintf(json, sizeof(json), "--json=%s", v->json);
	v->pid = fork();
	if (!v->pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		use_one_cpu();
		dup2(in[0], STDIN_FILENO);
		dup2(out[1], STDOUT_FILENO);
		closefrom(3);
		execl(desched, "desched", "vm", "--memory", "4", "--cpus", "2", "--append", append,
		      json, "--control", v->control, NULL);
		_exit(127);
	}
	close(in[0]);
	close(out[1]);
	v->to = fdopen(in[1], "w");
	v->from = fdopen(out[0], "r");
}

/* Its figures, once it has ended. */
static json_t *end(struct vm *v, int by)
{
	json_t *o;
	int status;

	if (by)
		kill(v->pid, by);
	alarm(PATIENCE);
	assert_int_equal(waitpid(v->pid, &status, 0), v->pid);
	alarm(0);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	fclose(v->to);
	fclose(v->from);
	o = json_load_file(v->json, 0, NULL);
	assert_non_null(o);
	return o;
}

static void say(struct vm *v, char what)
{
	fputc(what, v->to);
	fflush(v->to);
}

static void line(struct vm *v, char *ret, int size)
{
	alarm(PATIENCE);
	assert_non_null(fgets(ret, size, v->from));
	alarm(0);
	ret[strcspn(ret, "\n")] = '\0';
}

/* The thread of a vCPU, by its name. */
static int find_thread(const struct vm *v, unsigned cpu)
{
	char path[300], name[32], expected[32];
	const struct dirent *d;
	int found = 0;
	DIR *dir;

	snprintf(expected, sizeof(expected), "CPU %u/KVM\n", cpu);
	snprintf(path, sizeof(path), "/proc/%d/task", (int)v->pid);
	dir = opendir(path);
	assert_non_null(dir);
	while (!found && (d = readdir(dir))) {
		FILE *f;

		snprintf(path, sizeof(path), "/proc/%d/task/%s/comm", (int)v->pid, d->d_name);
		f = fopen(path, "r");
		if (f && fgets(name, sizeof(name), f) && !strcmp(name, expected))
			found = atoi(d->d_name);
		if (f)
			fclose(f);
	}
	closedir(dir);
	assert_true(found);
	return found;
}

static void boot(struct vm *v, const char *append)
{
	char text[1024];

	start(v, append);
	line(v, text, sizeof(text));
	assert_memory_equal(text, "tickos: ", 8);
	for (unsigned i = 0; i < CPUS; i++)
		v->tids[i] = find_thread(v, i);
}

/* s of steal of the CPU that use_one_cpu() uses. */
static double stolen(void)
{
	char name[16], text[256];
	double ticks = -1;
	FILE *f = fopen("/proc/stat", "r");

	assert_non_null(f);
	snprintf(name, sizeof(name), "cpu%d ", last_cpu());
	while (ticks < 0 && fgets(text, sizeof(text), f))
		if (!strncmp(text, name, strlen(name)))
			sscanf(text, "%*s %*s %*s %*s %*s %*s %*s %*s %lf", &ticks);
	fclose(f);
	assert_true(ticks >= 0);
	return ticks / (double)sysconf(_SC_CLK_TCK);
}

static struct had had(const struct vm *v, int tid)
{
	struct had h;
	char path[64];
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/task/%d/schedstat", (int)v->pid, tid);
	do { /* all of it at one instant */
		h.stolen = stolen();
		h.at = now();
		f = fopen(path, "r");
		assert_non_null(f);
		assert_int_equal(fscanf(f, "%lf %lf", &h.run, &h.ready), 2);
		fclose(f);
	} while (now() - h.at > 0.002);
	h.run /= 1e9;
	h.ready /= 1e9;
	return h;
}

/* Each vCPU's report, and what it had when that came. */
static void read_all(struct vm *v, struct reading *ret)
{
	char text[1024];

	for (unsigned i = 0; i < CPUS; i++)
		ret[i].before = had(v, v->tids[i]);
	say(v, 'r');
	for (unsigned i = 0; i < CPUS; i++) {
		line(v, text, sizeof(text));
		ret[i].had = had(v, v->tids[i]);
		assert_int_equal(ticks_report_parse(text, &ret[i].report), 0);
		assert_int_equal(ret[i].report.cpu, i);
	}
}

/* Until each vCPU had so much. */
static void run_for(const struct vm *v, double seconds)
{
	double before[CPUS], until = now() + PATIENCE;

	for (unsigned i = 0; i < CPUS; i++)
		before[i] = had(v, v->tids[i]).run;
	for (unsigned i = 0; i < CPUS; i++)
		while (had(v, v->tids[i]).run - before[i] < seconds) {
			if (now() > until)
				fail_msg("vCPU %u did not get %g s in %d s", i, seconds, PATIENCE);
			wait_a_little();
		}
}

/* What it should be is known but for when the two reports were made. */
static void assert_near(const char *what, unsigned cpu, double is, double least, double most)
{
	if (!(is > 0.9 * least && is < 1.1 * most))
		fail_msg("vCPU %u: %s: %f s, should be %f to %f s", cpu, what, is, least, most);
}

static double away(const struct had *h)
{
	return h->at - h->run;
}

/* Nobody had what passed and the thread did not run, since the guest never halts. That was READY,
 * but for what was stolen from the vCPU's host: it waited for nothing else. */
static void judge_vmdesched(unsigned cpu, const struct reading *a, const struct reading *b,
			    double charged, double own)
{
	double ready = b->had.ready - a->before.ready;

	assert_near("VMDesched against the time that nobody had", cpu, charged - own,
		    away(&b->before) - away(&a->had), away(&b->had) - away(&a->before));
	assert_near("VMDesched against READY", cpu, charged - own, b->before.ready - a->had.ready,
		    ready + b->had.stolen - a->before.stolen);
	assert_true(ready > 1);
}

static void judge(unsigned cpu, const struct reading *a, const struct reading *b)
{
	double period = (double)b->report.period_ns / 1e9, units[TICKS_PROCESSES], all;
	double charged[TICKS_PROCESSES], ran[2], vmdesched;

	for (int i = 0; i < TICKS_PROCESSES; i++) {
		units[i] = (double)(b->report.processes[i].units - a->report.processes[i].units);
		charged[i] = period * (double)(b->report.processes[i].charged -
					       a->report.processes[i].charged);
	}
	vmdesched = (double)(b->report.vmdesched_ns - a->report.vmdesched_ns) / 1e9;
	ran[0] = b->before.run - a->had.run - vmdesched;
	ran[1] = b->had.run - a->before.run - vmdesched;
	all = units[TICKS_A] + units[TICKS_B];
	assert_near("A", cpu, charged[TICKS_A], ran[0] * units[TICKS_A] / all,
		    ran[1] * units[TICKS_A] / all);
	assert_near("B", cpu, charged[TICKS_B], ran[0] * units[TICKS_B] / all,
		    ran[1] * units[TICKS_B] / all);
	judge_vmdesched(cpu, a, b, charged[TICKS_VMDESCHED], vmdesched);
	/* The bounds say something. */
	assert_true(ran[1] - ran[0] < 0.2 * ran[1]);
}

/* Two vCPUs on one host CPU: on each of them VMDesched pays for what nobody had. */
static void story(const char *append)
{
	struct reading first[CPUS], last[CPUS];
	struct vm v;
	json_t *o;

	boot(&v, append);
	run_for(&v, 0.2);
	read_all(&v, first);
	run_for(&v, 1.2);
	read_all(&v, last);
	for (unsigned i = 0; i < CPUS; i++)
		judge(i, &first[i], &last[i]);
	say(&v, 'q');
	o = end(&v, 0);
	assert_string_equal(json_string_value(json_object_get(o, "state")), "power-off");
	assert_int_equal(json_array_size(json_object_get(o, "vcpus")), CPUS);
	json_decref(o);
}

static void ticks_by_8254(void **state)
{
	(void)state;
	story("");
}

static void ticks_by_apic(void **state)
{
	(void)state;
	story("apic=1");
}

static double tick_figure(const json_t *o, unsigned cpu, const char *name)
{
	const json_t *vcpu = json_array_get(json_object_get(o, "vcpus"), cpu);
	const json_t *v = json_object_get(json_object_get(vcpu, "ticks"), name);

	assert_true(json_is_number(v));
	return json_number_value(v);
}

static void assert_sums(const json_t *o)
{
	for (unsigned i = 0; i < CPUS; i++)
		assert_true(fabs(tick_figure(o, i, "due") - tick_figure(o, i, "delivered") -
				 tick_figure(o, i, "backlog") - tick_figure(o, i, "lost")) < 0.5);
}

/* The other CPU is taken out and started again while it runs: the story goes on from there. */
static void started_again(void **state)
{
	struct reading r[CPUS], later[CPUS];
	struct vm v;
	json_t *o;

	(void)state;
	boot(&v, "apic=1");
	read_all(&v, r);
	for (int i = 0; i < 5; i++) {
		say(&v, 'i');
		run_for(&v, 0.05);
	}
	read_all(&v, later);
	assert_true(later[0].report.real_ns > r[0].report.real_ns);
	assert_true(later[1].report.processes[TICKS_A].units >
		    r[1].report.processes[TICKS_A].units);
	assert_true((double)later[1].report.real_ns <
		    (double)later[0].report.real_ns); /* its timer has begun anew */
	say(&v, 'q');
	o = end(&v, 0);
	assert_sums(o);
	json_decref(o);
}

/* A reset by one vCPU stops the others wherever they are, and all of it comes up again: after a
 * request of vCPU 0, and after a triple fault; in the end it is turned off. */
static void begins_anew(void **state)
{
	struct reading r[CPUS];
	char text[1024];
	struct vm v;
	json_t *o;

	(void)state;
	boot(&v, "apic=1");
	for (const char *how = "bf"; *how; how++) {
		run_for(&v, 0.1);
		say(&v, *how);
		line(&v, text, sizeof(text));
		assert_memory_equal(text, "tickos: ", 8);
	}
	run_for(&v, 0.1);
	read_all(&v, r);
	for (unsigned i = 0; i < CPUS; i++)
		assert_true(r[i].report.processes[TICKS_A].units > 0);
	say(&v, 'q');
	o = end(&v, 0);
	assert_string_equal(json_string_value(json_object_get(o, "state")), "power-off");
	assert_int_equal(json_integer_value(json_object_get(o, "resets")), 2);
	json_decref(o);
}

/* One SIGSTOP of a second: a hundred ticks of backlog on each of them, none lost. */
static void pause_of_a_second(void **state)
{
	struct timespec second = {.tv_sec = 1};
	struct vm v;
	json_t *o;

	(void)state;
	boot(&v, "apic=1");
	run_for(&v, 0.1);
	kill(v.pid, SIGSTOP);
	assert_int_equal(waitpid(v.pid, NULL, WUNTRACED), v.pid); /* all its threads stand */
	nanosleep(&second, NULL);
	kill(v.pid, SIGCONT);
	run_for(&v, 0.1);
	o = end(&v, SIGTERM);
	for (unsigned i = 0; i < CPUS; i++) {
		assert_true(tick_figure(o, i, "backlog_max") >= 99);
		assert_true(tick_figure(o, i, "lost") == 0);
	}
	assert_sums(o);
	json_decref(o);
}

/* Neither CPU ever acknowledges: each gets one tick and no second one, and ends when told. */
static void never_acknowledged(void **state)
{
	struct vm v;
	json_t *o;

	(void)state;
	boot(&v, "apic=1 mute=1");
	run_for(&v, 0.2);
	o = end(&v, SIGTERM);
	for (unsigned i = 0; i < CPUS; i++)
		assert_true(tick_figure(o, i, "delivered") == 1);
	assert_sums(o);
	json_decref(o);
}

static void million_a_second(void **state)
{
	struct vm v;
	json_t *o;

	(void)state;
	boot(&v, "apic=1 hz=1000000");
	run_for(&v, 0.2);
	o = end(&v, SIGTERM);
	for (unsigned i = 0; i < CPUS; i++)
		assert_true(tick_figure(o, i, "period_s") >= 0.0005);
	assert_sums(o);
	json_decref(o);
}

/* Asks for the figures; false if there is no answer. */
static bool answers(const struct vm *v)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);
	char text[8192];
	ssize_t n = -1;

	snprintf(a.sun_path, sizeof(a.sun_path), "%s", v->control);
	alarm(PATIENCE);
	if (!connect(fd, (struct sockaddr *)&a, sizeof(a)) && write(fd, "figures\n", 8) == 8)
		n = read(fd, text, sizeof(text));
	alarm(0);
	close(fd);
	return n > 0 && text[0] == '{';
}

/* CPU 1 does nothing but interrupt CPU 0. It pays for that itself: CPU 0 has its ticks and does its
 * work, the monitor answers, and no other thread of it has anything to do. */
static void flood(void **state)
{
	struct reading r[CPUS], later[CPUS];
	struct had before, after;
	struct vm v;
	json_t *o;

	(void)state;
	boot(&v, "flood=1");
	read_all(&v, r);
	before = had(&v, v.pid);
	run_for(&v, 0.5);
	assert_true(answers(&v));
	after = had(&v, v.pid);
	read_all(&v, later);
	assert_true(later[0].report.processes[TICKS_A].units >
		    r[0].report.processes[TICKS_A].units);
	assert_true(later[0].report.taken > r[0].report.taken);
	assert_true(after.run - before.run < 0.1 * (later[1].had.run - r[1].had.run));
	o = end(&v, SIGTERM);
	assert_sums(o);
	json_decref(o);
}

static void bad_numbers(void **state)
{
	static const char *const numbers[] = {"0", "17", "-1", "x", "1.5"};
	char command[512];

	(void)state;
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		snprintf(command, sizeof(command),
			 "\"%s\" vm --cpus %s < /dev/null > %s/o 2>&1; [ $? = 2 ] && "
			 "[ $(wc -l < %s/o) = 1 ]",
			 desched, numbers[i], directory, directory);
		if (system(command))
			fail_msg("--cpus %s", numbers[i]);
	}
}

static int set_up(void **state)
{
	struct sched_param p = {.sched_priority = 1};

	(void)state;
	before_others();
	/* So that a report and what the host's kernel says are of one instant, if that is
	 * allowed. */
	sched_setscheduler(0, SCHED_FIFO | SCHED_RESET_ON_FORK, &p);
	signal(SIGPIPE, SIG_IGN);
	return mkdtemp(directory) ? 0 : -1;
}

static int tear_down(void **state)
{
	char command[64];

	(void)state;
	snprintf(command, sizeof(command), "rm -rf %s", directory);
	return system(command);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ticks_by_8254),      cmocka_unit_test(ticks_by_apic),
		cmocka_unit_test(started_again),      cmocka_unit_test(flood),
		cmocka_unit_test(never_acknowledged), cmocka_unit_test(million_a_second),
		cmocka_unit_test(begins_anew),	      cmocka_unit_test(pause_of_a_second),
		cmocka_unit_test(bad_numbers),
	};

	if (argc != 2)
		return 2;
	desched = argv[1];
	if (access("/dev/kvm", R_OK | W_OK)) {
		fprintf(stderr, "no /dev/kvm that may be used\n");
		return 77;
	}
	return cmocka_run_group_tests_name("vm_smp", tests, set_up, tear_down);
}
