/* SPDX-License-Identifier: MIT */
/*
 * `desched vm` and `desched ticks` on this machine's /dev/kvm: the source's story in a short form,
 * ends, bad input, guests that mean no good. The machine may be busy, so tolerances are wide; what
 * desched-ticks(1) measures at full length is in `make bench`.
 *
 *     test_vm DESCHED
 *
 * Exits with 77 where there is no /dev/kvm.
 */
#include <fcntl.h>
#include <jansson.h>
#include <math.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

static const char *desched;
static char directory[] = "/tmp/test-vm.XXXXXX";

/* Runs the shell's command, whose first word is $D; returns its exit status. */
static int shell(const char *format, ...) __attribute__((format(printf, 1, 2)));
static int shell(const char *format, ...)
{
	char command[2048];
	va_list ap;
	int status;

	va_start(ap, format);
	vsnprintf(command, sizeof(command), format, ap);
	va_end(ap);
	status = system(command);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static json_t *load(const char *name)
{
	char path[256];
	json_t *o;

	snprintf(path, sizeof(path), "%s/%s", directory, name);
	o = json_load_file(path, 0, NULL);
	if (!o)
		fail_msg("%s: no JSON there", path);
	return o;
}

static double number(const json_t *o, const char *key)
{
	const json_t *v = json_object_get(o, key);

	if (!json_is_number(v))
		fail_msg("no number '%s'", key);
	return json_number_value(v);
}

static const json_t *ticks_of(const json_t *o)
{
	return json_object_get(o, "ticks");
}

static void guest_reports_and_ends(void **state)
{
	json_t *o;

	(void)state;
	assert_int_equal(
		shell("(sleep 1; printf r; sleep 1; printf q) | timeout 60 \"$D\" vm "
		      "--memory 4 --json $T/a > $T/a.txt && grep -q 'tickos: 100 Hz' $T/a.txt "
		      "&& grep -q 'tickos: report clock=' $T/a.txt"),
		0);
	o = load("a");
	assert_string_equal(json_string_value(json_object_get(o, "state")), "power-off");
	assert_true(number(ticks_of(o), "delivered") >= 50);
	assert_true(fabs(number(ticks_of(o), "period_s") - 0.01) < 1e-5);
	assert_true(fabs(number(ticks_of(o), "due") - number(ticks_of(o), "delivered") -
			 number(ticks_of(o), "backlog") - number(ticks_of(o), "lost")) < 0.5);
	json_decref(o);
}

/* Reset by the keyboard controller, then by a triple fault: each time the guest begins anew, and
 * counts from nothing. */
static void guest_resets(void **state)
{
	json_t *o;

	(void)state;
	assert_int_equal(
		shell("(sleep 1; printf b; sleep 1; printf f; sleep 1; printf r; sleep 1; "
		      "printf q) | timeout 60 \"$D\" vm --memory 4 --json $T/z > $T/z.txt && "
		      "[ $(grep -c 'tickos: 100 Hz' $T/z.txt) = 3 ] && "
		      "[ $(sed -n 's/.*report clock=\\([0-9]*\\).*/\\1/p' $T/z.txt) -lt 250 ]"),
		0);
	o = load("z");
	assert_string_equal(json_string_value(json_object_get(o, "state")), "power-off");
	assert_true(number(o, "resets") == 2);
	json_decref(o);
}

static void reset_is_the_end(void **state)
{
	json_t *o;

	(void)state;
	assert_int_equal(shell("(sleep 1; printf b) | timeout 60 \"$D\" vm --no-reboot --memory 4 "
			       "--json $T/n > /dev/null"),
			 0);
	o = load("n");
	assert_string_equal(json_string_value(json_object_get(o, "state")), "reset");
	assert_true(number(o, "resets") == 0);
	json_decref(o);
	assert_int_equal(shell("(sleep 1; printf f) | timeout 60 \"$D\" vm --no-reboot --memory 4 "
			       "--json $T/n > /dev/null"),
			 0);
	o = load("n");
	assert_string_equal(json_string_value(json_object_get(o, "state")), "triple fault");
	json_decref(o);
}

/* A user who may open /dev/kvm by his group, and has no capability: all else is as for root. In a
 * mount namespace of its own, where the device has that group; without the group there is one line.
 */
static void nobody_runs_it(void **state)
{
	static const char enter[] =
		"mkdir $T/u; cp \"$D\" $T/u/desched; chmod 755 $T $T/u; chown 65534 $T/u; "
		"unshare -m sh -ec 'mknod $T/kvm c 10 232; chgrp 4242 $T/kvm; chmod 660 $T/kvm; "
		"mount --bind $T/kvm /dev/kvm; cd $T/u; "
		"N=\"setpriv --reuid 65534 --regid 65534 --bounding-set -all --inh-caps -all\"; "
		"(sleep 1; printf r; sleep 1; printf q) | timeout 60 $N --groups 4242 ./desched vm "
		"--memory 4 --json j --control c > o; grep -q \"report clock\" o; "
		"! $N --clear-groups ./desched vm > o 2> e < /dev/null; grep -q \"join its group\" "
		"e; "
		"[ $(wc -l < e) = 1 ]'; R=$?; mv $T/u/j $T/u.json; exit $R";
	json_t *o;

	(void)state;
	if (geteuid() || system("unshare -m true 2> /dev/null"))
		skip();
	assert_int_equal(shell("%s", enter), 0);
	o = load("u.json");
	assert_string_equal(json_string_value(json_object_get(o, "state")), "power-off");
	assert_true(number(ticks_of(o), "delivered") >= 50);
	json_decref(o);
}

/* Nothing to run: the vCPU halts, and does not burn the host's CPU. */
static void idle_guest(void **state)
{
	json_t *o;

	(void)state;
	assert_int_equal(shell("(sleep 2; printf q) | timeout 60 \"$D\" vm --memory 4 --json $T/i "
			       "--append 'a=0 b=0' > /dev/null"),
			 0);
	o = load("i");
	assert_true(number(o, "idle_s") > number(o, "run_s"));
	json_decref(o);
}

/* One SIGSTOP of a second: a hundred ticks of backlog, which are gone soon after. */
static void backlog_of_a_pause(void **state)
{
	json_t *o;

	(void)state;
	assert_int_equal(
		shell("(sleep 4; printf q) | timeout 60 \"$D\" vm --memory 4 --json $T/p > "
		      "/dev/null & "
		      "sleep 1; P=$(pgrep -n -f \"vm --memory 4 --json $T/p\"); kill -STOP $P; "
		      "sleep 1; kill -CONT $P; wait"),
		0);
	o = load("p");
	assert_true(number(ticks_of(o), "worst_backlog") >= 99);
	assert_true(number(ticks_of(o), "worst_catchup_s") < 1);
	assert_true(number(ticks_of(o), "backlog") < 50);
	assert_true(number(ticks_of(o), "lost") < 0.5);
	json_decref(o);
}

static const json_t *first_policy(const json_t *o)
{
	return json_array_get(json_object_get(o, "policies"), 0);
}

static double worst_error(const json_t *policy)
{
	const json_t *list = json_object_get(policy, "processes"), *p;
	double worst = 0;
	size_t i;

	assert_true(json_array_size(list) > 0);
	json_array_foreach(list, i, p) worst = fmax(worst, fabs(number(p, "error")));
	return worst;
}

/* The source's story: VMDesched pays for what nobody had, and nobody else does. */
static void desched_bills_vmdesched(void **state)
{
	const json_t *p;
	json_t *o;

	(void)state;
	assert_int_equal(shell("\"$D\" ticks --vms 3 -d 3 --no-pauses --policy desched --json $T/d "
			       "> /dev/null"),
			 0);
	o = load("d");
	p = first_policy(o);
	assert_true(number(p, "ready_s") > 3);
	assert_true(worst_error(p) < 0.1);
	assert_true(fabs(number(p, "vmdesched_s") / number(p, "ready_s") - 1) < 0.1);
	json_decref(o);
}

static void catchup_bills_the_innocent(void **state)
{
	const json_t *p;
	json_t *o;

	(void)state;
	assert_int_equal(shell("\"$D\" ticks --vms 3 -d 3 --no-pauses --policy catchup --json $T/c "
			       "> /dev/null"),
			 0);
	o = load("c");
	p = first_policy(o);
	assert_true(worst_error(p) > 1);
	assert_true(number(p, "vmdesched_s") == 0);
	json_decref(o);
}

/* Faster than any clock, and deaf to the end: it gets what a guest may have, and ends when told. */
static void hostile_guests(void **state)
{
	json_t *o;

	(void)state;
	assert_int_equal(shell("timeout -s TERM 2 \"$D\" vm --memory 4 --json $T/h "
			       "--append hz=1000000 < /dev/null > /dev/null; [ $? = 124 ]"),
			 0);
	o = load("h");
	assert_true(number(ticks_of(o), "period_s") >= 0.0005);
	json_decref(o);
	assert_int_equal(shell("timeout -s TERM 2 \"$D\" vm --memory 4 --json $T/m --append mute=1 "
			       "< /dev/null > /dev/null; [ $? = 124 ]"),
			 0);
	o = load("m");
	assert_true(number(ticks_of(o), "delivered") == 1);
	json_decref(o);
}

/* Each is refused with one line and status 1. */
static void bad_input(void **state)
{
	static const char *const options[] = {
		"--kernel /no/such/file",  "--kernel /etc/passwd", "--kernel $T",
		"--kernel $T/cut",	   "--initrd /no/such",	   "--json /no/such/directory/x",
		"--control /no/such/sock", "--kernel $T/empty",	   "--disk /no/such/disk",
	};

	(void)state;
	assert_int_equal(shell("head -c 200 \"$D\" > $T/cut; : > $T/empty"), 0);
	for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++) {
		if (shell("timeout 20 \"$D\" vm %s < /dev/null > $T/o 2> $T/e; [ $? = 1 ] && "
			  "[ $(wc -l < $T/e) = 1 ] && [ ! -s $T/o ]",
			  options[i]))
			fail_msg("desched vm %s", options[i]);
	}
	assert_int_equal(shell("\"$D\" vm --tick-policy x 2> /dev/null < /dev/null"), 2);
}

/* Control socket: another policy, nonsense, a line without end. */
static void control(void **state)
{
	(void)state;
	assert_int_equal(
		shell("(sleep 3; printf q) | timeout 60 \"$D\" vm --memory 4 --control $T/s > "
		      "/dev/null & "
		      "while [ ! -S $T/s ]; do sleep 0.1; done; "
		      "python3 -c 'import socket,sys,json\n"
		      "def ask(b):\n"
		      "    s=socket.socket(socket.AF_UNIX); s.connect(sys.argv[1]); s.sendall(b)\n"
		      "    f=s.makefile(); return f.readline()\n"
		      "assert json.loads(ask(b\"policy "
		      "discard\\n\"))[\"ticks\"][\"policy\"]==\"discard\"\n"
		      "assert \"error\" in json.loads(ask(b\"policy\\n\"))\n"
		      "assert \"error\" in json.loads(ask(b\"\\n\"))\n"
		      "try: assert ask(b\"x\"*5000)==\"\"\n"
		      "except OSError: pass\n"
		      "assert json.loads(ask(b\"figures\\n\"))[\"state\"]==\"runs\"' $T/s && wait"),
		0);
}

static int set_up(void **state)
{
	(void)state;
	setenv("D", desched, 1);
	if (!mkdtemp(directory))
		return -1;
	return setenv("T", directory, 1);
}

static int tear_down(void **state)
{
	(void)state;
	return shell("rm -rf \"$T\"");
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(guest_reports_and_ends),
		cmocka_unit_test(guest_resets),
		cmocka_unit_test(reset_is_the_end),
		cmocka_unit_test(nobody_runs_it),
		cmocka_unit_test(idle_guest),
		cmocka_unit_test(backlog_of_a_pause),
		cmocka_unit_test(desched_bills_vmdesched),
		cmocka_unit_test(catchup_bills_the_innocent),
		cmocka_unit_test(hostile_guests),
		cmocka_unit_test(bad_input),
		cmocka_unit_test(control),
	};

	if (argc != 2)
		return 2;
	desched = argv[1];
	if (access("/dev/kvm", R_OK | W_OK)) {
		fprintf(stderr, "no /dev/kvm that may be used\n");
		return 77;
	}
	return cmocka_run_group_tests_name("vm", tests, set_up, tear_down);
}
