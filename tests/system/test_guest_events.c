/* SPDX-License-Identifier: MIT */
/*
 * What befalls a guest while vmdesched keeps its account: its clock is set by an hour, forward and
 * back, a CPU is taken offline and comes back, and it is suspended to RAM and to idle. After each
 * of them a snapshot is held to the one before: nothing negative, nothing that falls, no time that
 * nobody has lived through, no descheduled time that the host's kernel did not measure; and what
 * has happened is counted and named.
 *
 * A guest of two CPUs under QEMU TCG, with the page; a process is busy on each CPU.
 *
 *     test_guest_events VMDESCHED GUEST-ASK SOURCE-DIR [short]
 */
#include "host/find.h"
#include "near.h"
#include "snapshot_checks.h"
#include "tcg_guest.h"

#include "base/clock.h"
#include "base/proc.h"
#include "base/units.h"
#include "lab/pages.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#define ASLEEP_S 5

static const char *vmdesched, *ask, *source_dir;

/* A snapshot, and what the host knew when it came. */
struct shot {
	json_t *json;
	double page;  /* s, of the host: the page's last word in it, so that it is not earlier */
	double mono;  /* s, of the host: it isn't later */
	double ready; /* s, of both vCPUs' threads, by schedstat */
};

static struct {
	struct tcg_guest guest;
	struct host_vm vm;
	struct pages *pages;
	struct shot last;
	json_t *first; /* snapshot, and `ready` then */
	double ready;
	int said_sets, said_suspends; /* lines of vmdesched */
} test;

static const char init[] =
	"vmdesched --config /bin/work &\n"
	"until guest_ask version >/dev/null; do sleep 1; done\n"
	"for cpu in 0 1; do taskset -p $((1 << cpu)) $$ >/dev/null; while :; do :; done & done\n"
	"taskset -p 3 $$ >/dev/null\n"
	"shot() { sleep 2\n"
	"while s=$(guest_ask snapshot); case $s in *'\"complete\":true'*) false;; esac; do :; "
	"done\n"
	"echo \"SHOT $s\"; }\n"
	"set_clock() { date -s @$(($(date +%s) + $1)) >/dev/null; shot; }\n"
	"online() { echo $1 >/sys/devices/system/cpu/cpu1/online; shot; }\n"
	"suspend() { echo SUSPENDING; echo $1 >/sys/power/state; shot; }\n"
	"echo UP; read go </dev/ttyS0\n"
	"shot\n"
	"set_clock 3600\n"
	"online 0; online 1\n"
	"suspend mem\n"
	"echo \"METRICS $(guest_ask metrics)\"\n"
	"set_clock -7200\n"
	"echo +5 >/sys/class/rtc/rtc0/wakealarm; suspend mem\n"
	"echo enabled >/sys/class/tty/ttyS0/power/wakeup; suspend freeze\n"
	"sleep 1000\n";

static const char conf[] = "[vmdesched]\nsource = page\n[gaps]\nthreshold = 0\n";

/* ---- the guest ---- */

static double ready_of_vcpus(void)
{
	double sum = 0;

	for (uint32_t i = 0; i < test.vm.n_vcpus; i++) {
		uint64_t run, delay;

		assert_int_equal(
			proc_read_schedstat(test.vm.pid, test.vm.vcpus[i].tid, &run, &delay), 0);
		sum += ns_to_s(delay);
	}
	return sum;
}

/* The next line that begins so; what vmdesched says on the way is counted. */
static void wait_for(const char *prefix, char line[TCG_LINE])
{
	do {
		tcg_line(&test.guest, 300, line);
		test.said_sets += strstr(line, "vmdesched: clock: set ") != NULL;
		test.said_suspends += strstr(line, "vmdesched: suspended for ") != NULL;
		if (!strncmp(line, "vmdesched:", 10))
			print_message("guest: %s\n", line);
	} while (strncmp(line, prefix, strlen(prefix)) != 0);
}

static struct shot next_shot(void)
{
	static char line[TCG_LINE];
	struct shot s = {.json = NULL};
	const json_t *vcpu;

	wait_for("SHOT ", line);
	s.mono = ns_to_s(clock_mono());
	s.ready = ready_of_vcpus();
	s.json = json_loads(line + strlen("SHOT "), 0, NULL);
	if (!s.json)
		fail_msg("no snapshot: %s", line);
	vcpu = json_array_get(json_object_get(json_object_get(s.json, "page"), "vcpus"), 0);
	s.page = number(vcpu, NULL, "at") / NS_PER_SEC;
	return s;
}

static int start(void **state)
{
	static char line[TCG_LINE];
	const char *programs[] = {ask, NULL};
	struct tcg_options o = {.source_dir = source_dir,
				.vmdesched = vmdesched,
				.init = init,
				.conf = conf,
				.programs = programs,
				.append = "tsc=reliable no_console_suspend",
				.cpus = 2};
	struct failure f = {""};
	int id;

	(void)state;
	tcg_start(&test.guest, &o);
	if (host_find_qmp_on(test.guest.qmp, test.guest.pid, 10 * NS_PER_SEC, &f, &test.vm) ||
	    pages_open(&f, &test.pages) ||
	    pages_add(test.pages, &test.vm, test.guest.page, test.guest.page_size, &f, &id))
		fail_msg("%s", f.text);
	wait_for("UP", line);
	test.ready = ready_of_vcpus();
	assert_int_equal(write(test.guest.console, "go\n", 3), 3);
	test.last = next_shot();
	test.first = json_incref(test.last.json);
	return 0;
}

static int end(void **state)
{
	(void)state;
	json_decref(test.last.json);
	json_decref(test.first);
	pages_close(test.pages);
	host_vm_done(&test.vm);
	tcg_end(&test.guest);
	return 0;
}

/* ---- what holds of every snapshot ---- */

/* Two vCPUs cannot have been away for longer than the host's kernel says. The slack is for what
 * lies between the guest's reading and the host's. */
static void nothing_invented(const struct shot *now)
{
	double found = away(now->json) - away(test.first);
	double measured = now->ready - test.ready;

	print_message("descheduled: %.3f s found in the guest, %.3f s by the host's schedstat\n",
		      found, measured);
	assert_true(found <= 1.05 * measured + 1.5);
}

/* Of the guest's clock, whether it is told or not. */
static double since_start(const json_t *o)
{
	return number(o, NULL, "elapsed_s") + number(o, NULL, "lag_s");
}

/* Takes the next snapshot; *ret_wall and *ret_elapsed are how long it was since the last one, by
 * the host at most and by vmdesched. The caller has the snapshot until the next call. */
static const json_t *follow(double *ret_wall, double *ret_elapsed)
{
	struct shot now = next_shot(), *last = &test.last;

	check_snapshots(last->json, now.json);
	nothing_invented(&now);
	assert_string_equal(json_string_value(json_object_get(now.json, "session")),
			    json_string_value(json_object_get(last->json, "session")));
	print_message("told up to %.3f s before\n", number(now.json, NULL, "lag_s"));
	*ret_wall = now.mono - last->page;
	*ret_elapsed = since_start(now.json) - since_start(last->json);
	assert_true(*ret_elapsed < *ret_wall + 2);
	json_decref(last->json);
	*last = now;
	return now.json;
}

static double busy_of_cpu(const json_t *o, size_t cpu)
{
	return number(json_array_get(json_object_get(o, "cpus"), cpu), NULL, "busy_s");
}

/* ---- what happens ---- */

/* Left alone: it was somebody's will. */
static void clock_is_set(double by)
{
	double wall, elapsed, sets = number(test.last.json, "host_clock", "sets");
	double far = number(test.last.json, "host_clock", "set_s");
	double lag = number(test.last.json, "host_clock", "lag_s");
	const json_t *o = follow(&wall, &elapsed);

	assert_int_equal(number(o, "host_clock", "sets"), sets + 1);
	assert_near(number(o, "host_clock", "set_s") - far, fabs(by), 2);
	assert_int_equal(test.said_sets, sets + 1);
	assert_int_equal(number(o, "host_clock", "steps"), 0);
	assert_near(number(o, "host_clock", "lag_s") - lag, -by, 2);
}

static void set_forward(void **state)
{
	(void)state;
	clock_is_set(3600);
}

static void set_back(void **state)
{
	(void)state;
	clock_is_set(-7200);
}

static void a_cpu_goes_and_comes(void **state)
{
	double wall, elapsed, busy;

	(void)state;
	follow(&wall, &elapsed); /* the CPU went in the middle of it */
	busy = busy_of_cpu(test.last.json, 1);
	follow(&wall, &elapsed); /* it was gone for some of it */
	assert_true(busy_of_cpu(test.last.json, 1) - busy < elapsed);
	/* The last switch of a CPU that goes may not be seen, and a record whose writer was
	 * descheduled comes after the time was cut: both are counted, and nobody pays for them. */
	print_message("%.0f mismatches, %.0f records late, %.3f s lost\n",
		      number(test.last.json, "counters", "mismatches"),
		      number(test.last.json, "counters", "backwards"),
		      number(test.last.json, "counters", "lost_run_s"));
	/* A busy host makes more of them, but hardly any time. */
	assert_true(number(test.last.json, "counters", "lost_run_s") < 0.5);
	/* Both CPUs are in use again. */
	assert_true(busy_of_cpu(test.last.json, 1) > busy);
}

/* When the monitor first says that the machine is suspended, or runs. */
static double when_it_is(const char *expected)
{
	uint64_t until = clock_mono() + 120 * NS_PER_SEC;

	while (clock_mono() < until) {
		json_t *o = tcg_command(&test.guest, "query-status", NULL);
		bool is = !strcmp(json_string_value(json_object_get(o, "status")), expected);

		json_decref(o);
		if (is)
			return ns_to_s(clock_mono());
		nanosleep(&(struct timespec){.tv_nsec = 50 * NS_PER_MS}, NULL);
	}
	fail_msg("the machine is not '%s'", expected);
	return 0;
}

/* Suspended to RAM for some seconds, until its own alarm or, where there is one, a command of the
 * monitor wakes it. */
static void suspended(const char *wake)
{
	static char line[TCG_LINE];
	double before = number(test.last.json, "host_clock", "suspend_s");
	double times = number(test.last.json, "host_clock", "suspends") + 1;
	double sets = number(test.last.json, "host_clock", "sets"), wall, elapsed, asleep, was;
	const json_t *o;

	wait_for("SUSPENDING", line);
	was = when_it_is("suspended");
	if (wake) {
		sleep(ASLEEP_S);
		json_decref(tcg_command(&test.guest, wake, NULL));
	}
	was = when_it_is("running") - was;
	o = follow(&wall, &elapsed);
	asleep = number(o, "host_clock", "suspend_s") - before;
	print_message("%.1f s by the host, %.1f s by vmdesched, %.1f s asleep, %.1f s by QEMU\n",
		      wall, elapsed, asleep, was);
	assert_int_equal(number(o, "host_clock", "suspends"), times);
	/* It takes a moment until it sleeps; the RTC counts seconds. */
	assert_near(asleep, was, 2.5);
	assert_true(elapsed < wall - was + 2.5);
	assert_int_equal(test.said_suspends, times);
	assert_int_equal(number(o, "host_clock", "sets"), sets);
}

static void woken_by_its_alarm(void **state)
{
	(void)state;
	suspended(NULL);
}

static void woken_from_outside(void **state)
{
	(void)state;
	suspended("system_wakeup");
}

/* Suspended to idle, from which a line on the console wakes it. Its clock stops only where the
 * kernel has a driver of its own for idle CPUs: then that time was a suspension, else they were
 * idle. */
static void suspended_to_idle(void **state)
{
	static char line[TCG_LINE];
	double asleep = number(test.last.json, "host_clock", "suspend_s"), wall, elapsed;
	const json_t *o;

	(void)state;
	wait_for("SUSPENDING", line);
	sleep(ASLEEP_S);
	assert_int_equal(write(test.guest.console, "\n", 1), 1);
	o = follow(&wall, &elapsed);
	asleep = number(o, "host_clock", "suspend_s") - asleep;
	print_message("%.1f s by the host, %.1f s by vmdesched, %.1f s asleep\n", wall, elapsed,
		      asleep);
	assert_true(wall > ASLEEP_S);
	assert_near(elapsed + asleep, wall, 2.5);
	assert_int_equal(test.said_suspends, number(o, "host_clock", "suspends"));
}

static void the_metrics_have_it(void **state)
{
	static char line[TCG_LINE];

	(void)state;
	wait_for("METRICS ", line);
	assert_non_null(strstr(line, "\\ndesched_suspends_total 1\\n"));
	assert_non_null(strstr(line, "\\ndesched_clock_sets_total 1\\n"));
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(set_forward),
		cmocka_unit_test(a_cpu_goes_and_comes),
		cmocka_unit_test(woken_from_outside),
		cmocka_unit_test(the_metrics_have_it),
	};
	const struct CMUnitTest all[] = {
		cmocka_unit_test(set_forward),	      cmocka_unit_test(a_cpu_goes_and_comes),
		cmocka_unit_test(woken_from_outside), cmocka_unit_test(the_metrics_have_it),
		cmocka_unit_test(set_back),	      cmocka_unit_test(woken_by_its_alarm),
		cmocka_unit_test(suspended_to_idle),
	};

	if (argc < 4)
		return 2;
	if (geteuid() != 0)
		return 77;
	vmdesched = argv[1];
	ask = argv[2];
	source_dir = argv[3];
	if (argc > 4)
		return cmocka_run_group_tests(tests, start, end);
	return cmocka_run_group_tests(all, start, end);
}
