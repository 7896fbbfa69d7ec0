/* SPDX-License-Identifier: MIT */
/*
 * desched correct, end to end: a guest under QEMU TCG shares a CPU with a busy process of its host.
 * It is recorded inside by `desched record` and by pidstat, outside by `desched ledger`, and all
 * pairs of them are corrected. The truth is what the host's kernel gave the vCPU's thread, split by
 * the units of work that the guest's processes counted (correct_work.c): neither is any figure of
 * ours. The guest's clock is 20 s ahead, so that the lag has to be found.
 *
 *     test_correct_vm DESCHED VMDESCHED WORK SOURCE-DIR SECONDS
 */
#include "host/find.h"
#include "near.h"
#include "tcg_guest.h"

#include "base/clock.h"
#include "base/proc.h"
#include "base/units.h"
#include "data/recording.h"
#include "lab/pages.h"

#include <math.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define KINDS	     4
#define AHEAD_S	     20
#define INTERVAL_S   2
#define READINGS_MAX 1000

enum { WAVE, TIDE, BURSTY, ALL };

static const char *desched, *vmdesched, *work, *source_dir;
static int seconds;

/* What the host's kernel had given the vCPU, and what the guest had done by then. */
struct reading {
	double time; /* s, the guest's clock */
	double run;  /* s */
	double units[KINDS];
};

static struct {
	struct tcg_guest guest;
	struct host_vm vm;
	struct pages *pages;
	pid_t spinner, ledger;
	struct reading readings[READINGS_MAX];
	int n_readings;
	struct reading *first, *last; /* of the recording's time */
	char json[128], rec[128], pidstat[128];
} test;

/* ---- what happens beside the guest ---- */

static void pin(pid_t pid, int cpu)
{
	char command[96];

	snprintf(command, sizeof(command), "taskset -apc %d %d >/dev/null", cpu, pid);
	assert_int_equal(system(command), 0);
}

static pid_t start_spinner(int cpu)
{
	pid_t pid = fork();

	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		for (;;)
			;
	}
	pin(pid, cpu);
	return pid;
}

static pid_t start_ledger(const char *to)
{
	char vm[16];
	pid_t pid;

	snprintf(vm, sizeof(vm), "%d", test.guest.pid);
	pid = fork();
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (!freopen(to, "w", stdout))
			_exit(126);
		execl(desched, desched, "ledger", "--json", vm, NULL);
		_exit(127);
	}
	return pid;
}

/* ---- the guest ---- */

static struct reading read_now(const char *line)
{
	struct reading r = {.run = NAN};
	unsigned long long u[KINDS] = {0};
	uint64_t run, delay;

	if (proc_read_schedstat(test.guest.pid, test.vm.vcpus[0].tid, &run, &delay) ||
	    sscanf(line, "UNITS %lf %llu %llu %llu", &r.time, &u[WAVE], &u[TIDE], &u[BURSTY]) != 4)
		fail_msg("no reading at '%s'", line);
	r.run = ns_to_s(run);
	for (int i = 0; i < ALL; i++)
		r.units[i] = (double)u[i];
	r.units[ALL] = r.units[WAVE] + r.units[TIDE] + r.units[BURSTY];
	return r;
}

static void start_guest(void)
{
	static const char conf[] = "";
	const char *programs[] = {desched, work, "/usr/bin/pidstat", NULL};
	char init[2048], line[TCG_LINE];
	struct failure f = {""};
	size_t size;
	int id;

	snprintf(init, sizeof(init),
		 "read now </sys/class/rtc/rtc0/since_epoch && date -s @$((now + %d)) >/dev/null\n"
		 "%s &\n"
		 "sleep 2\n"
		 "LC_ALL=C pidstat -hHu %d %d >/run/pidstat &\n"
		 "desched record -q -s page -d %d -n %d /run/rec\n"
		 "wait $!\n"
		 "echo END; cat /run/pidstat\n"
		 "echo REC; base64 -w 1000 /run/rec; echo DONE\n"
		 "sleep 1000\n",
		 AHEAD_S, strrchr(work, '/') + 1, INTERVAL_S, seconds / INTERVAL_S, INTERVAL_S,
		 seconds / INTERVAL_S + 1);
	/* Under load the kernel may find the counter unstable, and its scheduler's clock is then
	 * that of the ticks: what it bills to bursts is far off even without steal. */
	tcg_start(&test.guest, &(struct tcg_options){.append = "tsc=reliable",
						     .source_dir = source_dir,
						     .vmdesched = vmdesched,
						     .init = init,
						     .conf = conf,
						     .programs = programs});
	assert_int_equal(
		host_find_qmp_on(test.guest.qmp, test.guest.pid, 10 * NS_PER_SEC, &f, &test.vm), 0);
	assert_int_equal(pages_open(&f, &test.pages), 0);
	size = publisher_page_size(&test.vm);
	assert_true(size <= test.guest.page_size);
	assert_int_equal(pages_add(test.pages, &test.vm, test.guest.page, size, &f, &id), 0);
	tcg_wait(&test.guest, "UNITS", 120, line);
}

/* A reading whenever the guest tells its units, until its recordings have ended. */
static void follow(void)
{
	char line[TCG_LINE];

	do {
		tcg_line(&test.guest, 60, line);
		if (!strncmp(line, "UNITS", 5) && test.n_readings < READINGS_MAX)
			test.readings[test.n_readings++] = read_now(line);
	} while (strcmp(line, "END") != 0);
}

static struct reading *reading_at(double time)
{
	struct reading *best = test.readings;

	for (int i = 1; i < test.n_readings; i++)
		if (fabs(test.readings[i].time - time) < fabs(best->time - time))
			best = &test.readings[i];
	return best;
}

/* The readings that are nearest to the first frame and to the last one. */
static void choose_window(void)
{
	struct failure f = {""};
	struct recording *r;
	size_t n;

	assert_int_equal(recording_open(test.rec, &f, &r), 0);
	n = recording_frames(r);
	assert_int_equal(n, seconds / INTERVAL_S + 1);
	test.first = reading_at(ns_to_s(recording_mark(r, 0)->time));
	test.last = reading_at(ns_to_s(recording_mark(r, n - 1)->time));
	recording_close(r);
}

/* What the guest sends of its files, into files. */
static void fetch(void)
{
	char line[TCG_LINE], command[300];
	FILE *text = fopen(test.pidstat, "w"), *rec;

	for (tcg_line(&test.guest, 60, line); strcmp(line, "REC") != 0;
	     tcg_line(&test.guest, 60, line))
		if (strncmp(line, "UNITS", 5) != 0)
			fprintf(text, "%s\n", line);
	fclose(text);
	snprintf(command, sizeof(command), "base64 -d >%s", test.rec);
	rec = popen(command, "w");
	for (tcg_line(&test.guest, 60, line); strcmp(line, "DONE") != 0;
	     tcg_line(&test.guest, 60, line))
		if (strncmp(line, "UNITS", 5) != 0)
			fprintf(rec, "%s\n", line);
	assert_int_equal(pclose(rec), 0);
}

static int measure(void **state)
{
	int cpu = (int)sysconf(_SC_NPROCESSORS_ONLN) - 1;

	(void)state;
	start_guest();
	snprintf(test.json, sizeof(test.json), "%s/ledger.json", test.guest.dir);
	snprintf(test.rec, sizeof(test.rec), "%s/guest.rec", test.guest.dir);
	snprintf(test.pidstat, sizeof(test.pidstat), "%s/pidstat", test.guest.dir);
	pin(test.guest.pid, cpu);
	test.spinner = start_spinner(cpu);
	test.ledger = start_ledger(test.json);
	follow();
	kill(test.spinner, SIGKILL);
	waitpid(test.spinner, NULL, 0);
	kill(test.ledger, SIGINT);
	waitpid(test.ledger, NULL, 0);
	fetch();
	choose_window();
	return 0;
}

static int end(void **state)
{
	const char *keep = getenv("DESCHED_KEEP");
	char command[512];

	(void)state;
	if (keep) {
		snprintf(command, sizeof(command), "mkdir -p %s && cp %s %s %s %s", keep, test.json,
			 test.rec, test.pidstat, keep);
		assert_int_equal(system(command), 0);
	}
	pages_close(test.pages);
	host_vm_done(&test.vm);
	tcg_end(&test.guest);
	return 0;
}

/* ---- the correction ---- */

static json_t *correct(const char *guest, const char *host)
{
	char command[512];
	json_error_t error;
	json_t *o;
	FILE *p;

	snprintf(command, sizeof(command), "%s correct --json --hz 0 %s %s", desched, guest, host);
	p = popen(command, "r");
	o = json_loadf(p, 0, &error);
	assert_int_equal(pclose(p), 0);
	assert_non_null(o);
	return o;
}

/* Of one kind, by the correction: seconds. */
static double figure(const json_t *o, const char *kind, const char *which)
{
	const json_t *p;
	size_t i, len = strlen(kind);

	json_array_foreach(json_object_get(o, "processes"), i, p)
	{
		const char *name = json_string_value(json_object_get(p, "name"));

		if (!strncmp(name, kind, len) && name[len] == ' ')
			return json_number_value(json_object_get(p, which));
	}
	fail_msg("no process %s", kind);
	return NAN;
}

/* What the others in the guest had is known by the correction only; the units split the rest. */
static void check_kind(const json_t *o, const char *what, int kind, double ours)
{
	static const char *const kinds[] = {"wave", "tide", "bursty"};
	/* A process that is busy for long, and the bias that is stated for bursts. */
	static const double most[] = {0.15, 0.15, 0.75};
	double truth = ours * (test.last->units[kind] - test.first->units[kind]) /
		       (test.last->units[ALL] - test.first->units[ALL]);
	double reported = figure(o, kinds[kind], "reported") / truth - 1;
	double corrected = figure(o, kinds[kind], "corrected") / truth - 1;

	print_message("    %-8s truth %6.2f s, reported %+6.1f %%, corrected %+6.1f %%, bounds "
		      "%.2f to %.2f s\n",
		      kinds[kind], truth, 100 * reported, 100 * corrected,
		      figure(o, kinds[kind], "least"), figure(o, kinds[kind], "most"));
	if (fabs(corrected) > most[kind])
		fail_msg("%s: %s is off by %+.3f", what, kinds[kind], corrected);
}

static void check(const char *guest, const char *host, const char *what)
{
	json_t *o = correct(guest, host);
	double measured = json_number_value(json_object_get(o, "measured"));
	double lag = json_number_value(json_object_get(o, "lag_seconds"));
	double ours = figure(o, "wave", "corrected") + figure(o, "tide", "corrected") +
		      figure(o, "bursty", "corrected");

	print_message("%s: lag %.2f s, correlation %.2f, w %.3f, others %.1f %%\n", what, lag,
		      json_number_value(json_object_get(o, "correlation")),
		      json_number_value(json_object_get(o, "w")), 100 * (1 - ours / measured));
	for (int kind = 0; kind < ALL; kind++)
		check_kind(o, what, kind, ours);
	assert_near(lag, host == guest ? 0 : AHEAD_S, 2.5);
	assert_true(json_number_value(json_object_get(o, "seconds")) > 0.8 * seconds);
	json_decref(o);
}

static void a_recording_and_the_ledger(void **state)
{
	(void)state;
	check(test.rec, test.json, "desched record, desched ledger");
}

static void a_recording_and_its_page(void **state)
{
	(void)state;
	check(test.rec, test.rec, "desched record, its page");
}

static void pidstat_and_the_ledger(void **state)
{
	(void)state;
	check(test.pidstat, test.json, "pidstat, desched ledger");
}

static void pidstat_and_the_page(void **state)
{
	json_t *o = correct(test.pidstat, test.rec);

	(void)state;
	/* One clock for both. */
	assert_near(json_number_value(json_object_get(o, "lag_seconds")), 0, 2.5);
	json_decref(o);
}

/* The host's figure is the kernel's: over windows whose ends are within a second. */
static void the_sum(void **state)
{
	json_t *o = correct(test.rec, test.json);
	double truth = (test.last->run - test.first->run) / (test.last->time - test.first->time);
	double measured = json_number_value(json_object_get(o, "measured")) /
			  json_number_value(json_object_get(o, "seconds"));

	(void)state;
	print_message("the vCPU ran %.3f of the time by its thread's schedstat, %.3f by the "
		      "ledger\n",
		      truth, measured);
	assert_near(measured / truth, 1, 0.1);
	json_decref(o);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_recording_and_the_ledger),
		cmocka_unit_test(a_recording_and_its_page),
		cmocka_unit_test(pidstat_and_the_ledger),
		cmocka_unit_test(pidstat_and_the_page),
		cmocka_unit_test(the_sum),
	};

	if (argc != 6)
		return 2;
	if (geteuid() != 0 || access("/usr/bin/pidstat", X_OK))
		return 77;
	desched = argv[1];
	vmdesched = argv[2];
	work = argv[3];
	source_dir = argv[4];
	seconds = atoi(argv[5]);
	return cmocka_run_group_tests(tests, measure, end);
}
