/* SPDX-License-Identifier: MIT */
/*
 * `desched vm` and `desched ticks` on this machine's /dev/kvm: the source's story in a short form,
 * ends, bad input, guests that mean no good. The machine may be busy, so tolerances are wide; what
 * desched-ticks(1) measures at full length is in `make bench`.
 *
 *     test_vm DESCHED TICKOS
 *
 * Exits with 77 where there is no /dev/kvm.
 */
#include "before_others.h"

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

static const char *desched, *tickos;
static char directory[] = "/tmp/test-vm.XXXXXX";

/* What the shell's commands wait with, for two minutes. await COMMAND...: until it succeeds. up
 * FILE [N]: until the guest whose output that is has come up, for the nth time. talk FILE: asks it
 * for reports until one is of its 100th tick or later. figures SOCKET CONDITION: until the machine
 * with this control socket has figures `f` that Python finds so. stop PROCESS: all of it stands. */
static const char functions[] =
	"await() { end=$(($(date +%s) + 120)); until \"$@\"; do "
	"[ $(date +%s) -lt $end ] || return 1; sleep 0.2; done; }; "
	"count() { [ $(grep -c \"$2\" $T/$1) -ge $3 ]; }; "
	"up() { await count $1 'tickos: [0-9]' ${2:-1}; }; "
	"asked() { printf r; grep -Eq 'report cpu=0 clock=[1-9][0-9]{2}' $T/$1; }; "
	"talk() { up $1 && await asked $1; }; "
	"has() { python3 -c 'import json, socket, sys\n"
	"s = socket.socket(socket.AF_UNIX)\n"
	"s.connect(sys.argv[1])\n"
	"s.sendall(b\"figures\\n\")\n"
	"f = json.loads(s.makefile().readline())\n"
	"sys.exit(not eval(sys.argv[2]))' $T/$1 \"$2\" 2> /dev/null; }; "
	"all_stopped() { ! grep -L 'State:.T' /proc/$1/task/*/status | grep -q .; }; "
	"stop() { kill -STOP $1; await all_stopped $1; }; "
	"figures() { await has \"$@\"; }; ";

/* Runs the shell's command; $D is desched, $T the directory. Returns its exit status. */
static int shell(const char *format, ...) __attribute__((format(printf, 1, 2)));
static int shell(const char *format, ...)
{
	char command[4096];
	int n = snprintf(command, sizeof(command), "%s", functions), status;
	va_list ap;

	va_start(ap, format);
	vsnprintf(command + n, sizeof(command) - (size_t)n, format, ap);
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
	assert_int_equal(shell(": > $T/a.txt; (talk a.txt; printf q) | timeout 120 \"$D\" vm "
			       "--memory 4 --json=$T/a > $T/a.txt "
			       "&& grep -q 'tickos: 100 Hz' $T/a.txt "
			       "&& grep -q 'tickos: report cpu=0 clock=' $T/a.txt"),
			 0);
	o = load("a");
	assert_string_equal(json_string_value(json_object_get(o, "state")), "power-off");
	assert_true(number(ticks_of(o), "delivered") >= 50);
	assert_true(fabs(number(ticks_of(o), "period_s") - 0.01) < 1e-5);
	assert_true(fabs(number(ticks_of(o), "due") - number(ticks_of(o), "delivered") -
			 number(ticks_of(o), "backlog") - number(ticks_of(o), "lost")) < 0.5);
	json_decref(o);
}

/* Reset by the keyboard controller, then by a triple fault: each time the guest begins anew. */
static void guest_resets(void **state)
{
	json_t *o;

	(void)state;
	assert_int_equal(
		shell(": > $T/z.txt; (up z.txt; printf b; up z.txt 2; printf f; up z.txt 3; "
		      "talk z.txt; printf q) | "
		      "timeout 120 \"$D\" vm --memory 4 --json=$T/z > $T/z.txt"),
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
	assert_int_equal(shell(": > $T/n.txt; (up n.txt; printf b) | timeout 120 \"$D\" "
			       "vm --no-reboot --memory 4 --json=$T/n > $T/n.txt"),
			 0);
	o = load("n");
	assert_string_equal(json_string_value(json_object_get(o, "state")), "reset");
	assert_true(number(o, "resets") == 0);
	json_decref(o);
	assert_int_equal(shell(": > $T/n.txt; (up n.txt; printf f) | timeout 120 \"$D\" "
			       "vm --no-reboot --memory 4 --json=$T/n > $T/n.txt"),
			 0);
	o = load("n");
	assert_string_equal(json_string_value(json_object_get(o, "state")), "triple fault");
	json_decref(o);
}

/* A user who may open /dev/kvm by his group, and has no capability: all else is as for root. In a
 * mount namespace of its own, where the device has that group; without the group there is one
 * line. */
static void nobody_runs_it(void **state)
{
	static const char enter[] =
		"mkdir $T/u; cp \"$D\" \"$D-vm\" $T/u; chmod 755 $T $T/u; chown 65534 $T/u; "
		"unshare -m sh -ec 'mknod $T/kvm c 10 232; chgrp 4242 $T/kvm; chmod 660 $T/kvm; "
		"mount --bind $T/kvm /dev/kvm; cd $T/u; "
		"N=\"setpriv --reuid 65534 --regid 65534 --bounding-set -all --inh-caps -all\"; "
		": > o; (until grep -Eq \"report cpu=0 clock=[1-9][0-9]{2}\" o; do sleep 0.3; "
		"printf r; done; "
		"printf q) | timeout 120 $N --groups 4242 ./desched vm "
		"--memory 4 --json=j --control c > o; "
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

/* The test guest by PVH, as its note says; without the note by its 64-bit entry; and by PVH in
 * another monitor, where there is one. */
static void both_entries(void **state)
{
	(void)state;
	assert_int_equal(shell("objcopy -R .note \"$K\" $T/long && "
			       "for k in \"$K\" $T/long; do : > $T/k.txt; (talk k.txt; printf q)  "
			       "| timeout 120 \"$D\" vm "
			       "--memory 4 --kernel $k --append 'hz=250' > $T/k.txt || "
			       "exit 1; "
			       "grep -q 'tickos: 250 Hz' $T/k.txt || exit 2; "
			       "grep -q 'tickos: report cpu=0 clock=' $T/k.txt || exit 3; "
			       "done"),
			 0);
	assert_int_equal(
		shell("command -v qemu-system-x86_64 > /dev/null || exit 0; mkfifo $T/in; "
		      "timeout 120 qemu-system-x86_64 -accel kvm "
		      "-M microvm,pit=on,pic=on,rtc=on,isa-serial=on -m 64 -nodefaults "
		      "-no-user-config -display none -serial stdio -kernel \"$K\" "
		      "-append hz=250 < $T/in > $T/q.txt 2> /dev/null & p=$!; exec 3> $T/in; "
		      "until grep -q 'report cpu=0 clock=' $T/q.txt; do kill -0 $p || exit 1; "
		      "printf r >&3; sleep 0.2; done; kill $p; grep -q 'tickos: 250 Hz' $T/q.txt"),
		0);
}

/* Nothing to run: the vCPU halts, and does not burn the host's CPU. */
static void idle_guest(void **state)
{
	json_t *o;

	(void)state;
	assert_int_equal(
		shell(": > $T/i.txt; (up i.txt; sleep 2; printf q) | timeout 120 \"$D\" vm "
		      "--memory 4 --json=$T/i --append 'a=0 b=0' > $T/i.txt"),
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
		shell(": > $T/p.txt; (await [ -e $T/caught ]; printf q) | timeout 120 \"$D\" vm "
		      "--memory 4 --json=$T/p --control $T/pc > $T/p.txt & up p.txt; "
		      "P=$(pgrep -n -f \"^$D vm --memory 4 --json=$T/p\"); stop $P; "
		      "sleep 1; kill -CONT $P; figures pc 'f[\"ticks\"][\"worst_backlog\"] >= 99 "
		      "and f[\"ticks\"][\"backlog\"] < 50'; R=$?; : > $T/caught; wait; exit $R"),
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
	assert_int_equal(
		shell("\"$D\" ticks --vms 3 --seconds 3 --no-pauses --policy desched --json=$T/d "
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
	assert_int_equal(
		shell("\"$D\" ticks --vms 3 --seconds 3 --no-pauses --policy catchup --json=$T/c "
		      "> /dev/null"),
		0);
	o = load("c");
	p = first_policy(o);
	assert_true(worst_error(p) > 1);
	assert_true(number(p, "vmdesched_s") == 0);
	json_decref(o);
}

/* The number behind a name in the last line of a guest that holds it. */
static double told(const char *file, const char *name)
{
	char command[256], text[64] = "";
	FILE *p;

	snprintf(
		command, sizeof(command),
		"grep 'tickos: ledger at_ns' $T/%s | tail -n 1 | sed 's/.* %s=\\([0-9]*\\).*/\\1/'",
		file, name);
	p = popen(command, "r");
	assert_non_null(p);
	if (!fgets(text, sizeof(text), p))
		fail_msg("%s: no %s", file, name);
	pclose(p);
	return atof(text);
}

/* A guest that has a page reads there what the host's ledger says of it, and charges VMDesched with
 * the same. It cannot write there. Two VMs on one CPU; the ledger finds the page by itself. The
 * guest reports while the ledger is there, then once more of what it has left. */
static void ledger_page(void **state)
{
	const json_t *seconds;
	double ready, charged;
	json_t *o;

	(void)state;
	assert_int_equal(
		shell("cpu=$(taskset -pc $$ | sed 's/.*[^0-9]//'); mkfifo $T/l; "
		      "taskset -c $cpu timeout 100 \"$D\" vm --memory 4 --append deaf=1 "
		      "< /dev/null > /dev/null & q=$!; "
		      "taskset -c $cpu timeout 100 \"$D\" vm --memory 4 --page $T/page "
		      "--append scribble=1 < $T/l > $T/l.txt & exec 3> $T/l; "
		      "until grep -q 'tickos: ' $T/l.txt; do sleep 0.1; done; "
		      "p=$(pgrep -n -f \"^$D vm --memory 4 --page $T/page\"); "
		      "\"$D\" ledger --json -d 1 -n 5 $p > $T/l.json & l=$!; "
		      "while kill -0 $l 2> /dev/null; do printf r >&3; sleep 0.1; done; "
		      "grep at_ns $T/l.txt > $T/l1.txt; head -n 1 $T/l1.txt > $T/l0.txt; "
		      "until [ $(grep -c at_ns $T/l.txt) -gt $(($(grep -c . $T/l1.txt) + 1)) ]; "
		      "do printf r >&3; sleep 0.1; done; "
		      "tail -n 1 $T/l.json > $T/total; printf q >&3; kill $q; wait; exit 0"),
		0);
	o = load("total");
	seconds = json_object_get(
		json_array_get(
			json_object_get(json_array_get(json_object_get(o, "vms"), 0), "vcpus"), 0),
		"seconds");
	ready = number(seconds, "ready");
	assert_true(ready > 1);
	assert_true(fabs(told("l.txt", "ready_ns") / 1e9 - ready) < 0.02 * ready + 0.1);
	assert_true(fabs(told("l.txt", "run_ns") / 1e9 - number(seconds, "run")) < 0.15);
	charged = told("l1.txt", "vmdesched_ns") - told("l0.txt", "vmdesched_ns");
	ready = told("l1.txt", "ready_ns") - told("l0.txt", "ready_ns");
	assert_true(ready > 0.5e9 && fabs(charged - ready) < 0.15 * ready + 0.1e9);
	json_decref(o);
}

/* Faster than any clock, and deaf to the end: it gets what a guest may have, and ends when told. What a
 * deaf one is due is counted when it leaves its guest, which it does when it is asked for figures. */
static void hostile_guests(void **state)
{
	json_t *o;

	(void)state;
	assert_int_equal(shell("timeout 120 \"$D\" vm --memory 4 --json=$T/h --control $T/hc "
			       "--append hz=1000000 < /dev/null > /dev/null & P=$!; "
			       "figures hc 'f[\"ticks\"][\"delivered\"] > 100'; "
			       "kill $P; wait $P"),
			 0);
	o = load("h");
	assert_true(number(ticks_of(o), "period_s") >= 0.0005);
	json_decref(o);
	assert_int_equal(shell("timeout 120 \"$D\" vm --memory 4 --json=$T/m --control $T/mc "
			       "--append mute=1 < /dev/null > /dev/null & P=$!; "
			       "figures mc 'f[\"ticks\"][\"due\"] > 3'; kill $P; wait $P"),
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
		"--kernel $T/cut",	   "--initrd /no/such",	   "--json=/no/such/directory/x",
		"--control /no/such/sock", "--kernel $T/empty",	   "--disk /no/such/disk",
		"--page /no/such/page",	   "--page $T/cut",	   "--page $T",
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
		shell("(await [ -e $T/asked ]; printf q) | "
		      "timeout 120 \"$D\" vm --memory 4 --control $T/s > /dev/null & "
		      "await [ -S $T/s ]; "
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
		      "assert json.loads(ask(b\"figures\\n\"))[\"state\"]==\"runs\"' $T/s; R=$?; : "
		      "> $T/asked; "
		      "wait; exit $R"),
		0);
}

/* Lost output of the guest is counted, and is an error. */
static void output_is_lost(void **state)
{
	json_t *o;

	(void)state;
	assert_int_equal(
		shell("(figures fc 'f[\"output_lost\"] > 14'; printf q) | timeout 120 \"$D\" vm "
		      "--memory 4 --json=$T/f --control $T/fc > /dev/full 2> $T/e; [ $? = 1 ] && [ "
		      "$(wc -l < $T/e) = 1 ] && "
		      "grep -q 'No space' $T/e"),
		0);
	o = load("f");
	assert_int_equal(number(o, "output_lost"), sizeof("tickos: 100 Hz\n") - 1);
	json_decref(o);
}

/* The figures are written whole or not at all, and losing them is an error. */
static void figures_are_lost(void **state)
{
	(void)state;
	assert_int_equal(
		shell(": > $T/o; (up o; printf q) | timeout 120 \"$D\" vm --memory 4 --json="
		      "/dev/full > $T/o 2> $T/e; [ $? = 1 ] && [ $(wc -l < $T/e) = 1 ] "
		      "&& grep -q 'No space' $T/e"),
		0);
	assert_int_equal(
		shell(": > $T/o; (up o; printf q) | timeout 120 \"$D\" vm --memory 4 --json="
		      "/dev/stdout | tee $T/o | tail -n 1 | grep -q '^}$'"),
		0);
	if (geteuid() || system("unshare -m true 2> /dev/null"))
		skip();
	assert_int_equal(
		shell("mkdir $T/full; unshare -m --propagation private sh -ec '"
		      "mount -t tmpfs -o size=64k none $T/full; echo old > $T/full/j; "
		      "dd if=/dev/zero of=$T/full/x bs=4k 2> /dev/null || :; "
		      ": > $T/o; (until grep -q tickos: $T/o; do sleep 0.1; done; printf q) | "
		      "timeout 120 \"$D\" vm --memory 4 --json=$T/full/j > $T/o 2> $T/e || R=$?; [ "
		      "$R = 1 ]; [ $(cat $T/full/j) = old ]; "
		      "[ $(ls -A $T/full | wc -l) = 2 ]'"),
		0);
}

/* On a terminal, the monitor names the key that ends the machine, and the key ends it. */
static void escape_key(void **state)
{
	(void)state;
	assert_int_equal(
		shell("(for i in $(seq 300); do grep -q 'tickos: ' $T/tty && break; sleep 0.1; "
		      "done; printf '\\035'; sleep 1) 2> /dev/null | timeout -s KILL 120 "
		      "script -qefc '\"$D\" vm --memory 4 --json=$T/t' $T/tty > /dev/null && "
		      "grep -q 'Ctrl-\\] ends it' $T/tty"),
		0);
	json_decref(load("t"));
}

static int set_up(void **state)
{
	(void)state;
	before_others();
	setenv("D", desched, 1);
	setenv("K", tickos, 1);
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
		cmocka_unit_test(both_entries),
		cmocka_unit_test(idle_guest),
		cmocka_unit_test(backlog_of_a_pause),
		cmocka_unit_test(desched_bills_vmdesched),
		cmocka_unit_test(catchup_bills_the_innocent),
		cmocka_unit_test(ledger_page),
		cmocka_unit_test(hostile_guests),
		cmocka_unit_test(bad_input),
		cmocka_unit_test(control),
		cmocka_unit_test(output_is_lost),
		cmocka_unit_test(figures_are_lost),
		cmocka_unit_test(escape_key),
	};

	if (argc != 3)
		return 2;
	desched = argv[1];
	tickos = argv[2];
	if (access("/dev/kvm", R_OK | W_OK)) {
		fprintf(stderr, "no /dev/kvm that may be used\n");
		return 77;
	}
	return cmocka_run_group_tests_name("vm", tests, set_up, tear_down);
}
