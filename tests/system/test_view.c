/* SPDX-License-Identifier: MIT */
/*
 * desched view as people use it: commands that see it, with an agent whose figures are known, held
 * to what the real /proc says of the same processes. The texts alone are in test_view_rewrite.c,
 * how a view ends in test_view_ends.c. Needs root and FUSE.
 *
 *     test_view DESCHED
 */
#include "view_shell.h"

#include <ctype.h>

#define HTOP "/tmp/test-view.htop.$$"

/* The same command sees the same, natively behind `prefix`. What changes by itself meanwhile, such
 * as memory that the kernel takes back, is looked at again. */
static void check_behind(const char *prefix, const char *command)
{
	const char *after = NATIVE("%s%s", prefix, command);

	for (int i = 0; i < 5; i++) {
		char *before = strdup(after), *seen = strdup(VIEW("%s", command));
		bool same = !strcmp(seen, before) && seen[0];

		after = NATIVE("%s%s", prefix, command);
		if (!same && !strcmp(before, after))
			fail_msg("'%s' prints\n%s\nnatively, in a view\n%s", command, before, seen);
		if (!same && i == 4)
			fail_msg("'%s' prints something else each time:\n%s\nthen\n%s", command,
				 seen, after);
		free(before);
		free(seen);
		if (same)
			return;
	}
}

static void check_same(const char *command)
{
	check_behind("", command);
}

/* ---- the tests ---- */

static void a_process_has_what_it_had(void **state)
{
	struct proc_stat native, seen;
	uint64_t run, seen_run, delay;
	double ms, seen_ms;

	(void)state;
	figures(0.3, 0, 0);
	assert_int_equal(proc_read_stat(worker, 0, &native), 0);
	assert_true(total_s(&native) >= 0.59);
	parse(VIEW("cat /proc/%d/stat", worker), &seen);
	is_about(total_s(&seen), total_s(&native) - 0.3);
	assert_string_equal(seen.comm, native.comm);
	assert_int_equal(seen.start_ns, native.start_ns);
	parse(VIEW("cat /proc/%d/task/%d/stat", worker, worker), &seen);
	is_about(total_s(&seen), total_s(&native) - 0.3);

	assert_int_equal(proc_read_schedstat(worker, 0, &run, &delay), 0);
	assert_int_equal(
		proc_parse_schedstat(VIEW("cat /proc/%d/schedstat", worker), &seen_run, &delay), 0);
	assert_in_range(seen_run, run - 300001000, run - 299999000);
	ms = atof(NATIVE("sed -n 's/se.sum_exec_runtime *://p' /proc/%d/sched", worker));
	seen_ms = atof(VIEW("sed -n 's/se.sum_exec_runtime *://p' /proc/%d/sched", worker));
	assert_true(fabs(seen_ms - (ms - 300)) < 0.01);
}

static void vmdesched_has_the_rest(void **state)
{
	struct proc_stat native, seen;

	(void)state;
	figures(0.3, 0, 123);
	parse(VIEW("cat /proc/%d/stat", fake->pid), &seen);
	assert_int_equal(proc_read_stat(fake->pid, 0, &native), 0);
	assert_string_equal(seen.comm, "vmdesched");
	assert_true(total_s(&seen) >= 123 - 2 * TICK_S);
	assert_true(total_s(&seen) <= 123 + total_s(&native) + TICK_S);
}

/* The fake agent knows the worker, and nobody else. */
static void the_view_tells_what_it_did(void **state)
{
	const char *text = VIEW("sh -c 'cat /proc/%d/stat /proc/1/stat >/dev/null; cat "
				"/proc/.counters'",
				worker);
	int corrected = 0, untold = 0, uncorrected = -1;

	(void)state;
	assert_int_equal(sscanf(text, "corrected %d untold %d uncorrected %d", &corrected, &untold,
				&uncorrected),
			 3);
	assert_true(corrected >= 1);
	assert_true(untold >= 1);
	assert_int_equal(uncorrected, 0);
	assert_non_null(strstr(text, "\nfetched "));
	assert_non_null(strstr(text, "\nfailed 0\n"));
}

static void all_else_is_the_real_proc(void **state)
{
	static const char *const files[] = {"cmdline", "limits",  "cgroup",
					    "statm",   "environ", "task/%d/comm"};
	char command[256], name[64];

	(void)state;
	figures(0, 0, 0);
	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		snprintf(name, sizeof(name), files[i], worker);
		snprintf(command, sizeof(command), "cat /proc/%d/%s", worker, name);
		check_same(command);
	}
	/* The signals that wait for all of a user's processes come and go with each of them. */
	snprintf(command, sizeof(command), "grep -v ^SigQ /proc/%d/status", worker);
	check_same(command);
	/* Who has mounts of his own, as in a view, sees paths from another root below a chroot. */
	snprintf(command, sizeof(command), "cat /proc/%d/maps", worker);
	check_behind("unshare --mount --propagation unchanged ", command);
	snprintf(command, sizeof(command), "readlink /proc/%d/fd/0", worker);
	check_behind("unshare --mount --propagation unchanged ", command);
	snprintf(command, sizeof(command), "sh -c 'readlink /proc/%d/exe /proc/%d/cwd'", worker,
		 worker);
	check_same(command);
	snprintf(command, sizeof(command), "ls /proc/%d /proc/%d/task /proc/%d/fd/", worker, worker,
		 worker);
	check_same(command);
	check_same("sh -c 'ls /proc | grep -v ^[0-9]'");
	check_same("realpath /proc/sys/kernel/pid_max");
	check_same("cat /proc/cpuinfo /proc/version /proc/sys/kernel/pid_max");
	check_same(
		"stat -c '%a %u %g %F' /proc/1 /proc/1/stat /proc/1/task /proc/1/sched /proc/stat");
	check_same("sh -c 'echo 77 >/proc/self/oom_score_adj && cat /proc/self/oom_score_adj'");
	check_same("sh -c 'echo through a pipe | cat /dev/stdin'");
	check_same("sh -c 'cat /proc/999999999/stat 2>&1'");
	check_same("sh -c 'ls /proc/self/no-such-file 2>&1'");
}

static void self_is_who_looks(void **state)
{
	int a = 0, b = 0, c = 0, d = 0;

	(void)state;
	assert_int_equal(sscanf(VIEW("sh -c 'echo $$; exec readlink /proc/self'"), "%d %d", &a, &b),
			 2);
	assert_int_equal(a, b);
	assert_int_equal(sscanf(VIEW("sh -c 'echo $$; exec readlink /proc/thread-self'"),
				"%d %d/task/%d", &a, &c, &d),
			 3);
	assert_int_equal(a, c);
	assert_int_equal(a, d);
}

/* The kernel hides a process's addresses and links from those who may not trace it. */
static void rights_are_those_of_the_reader(void **state)
{
	static const char nobody[] = "setpriv --reuid 65534 --regid 65534 --clear-groups";
	static const char powerless_root[] = "setpriv --bounding-set -all --inh-caps -all";
	char command[512];
	const char *all;
	int status;

	(void)state;
	if (!installed("setpriv"))
		skip();
	figures(0, 0, 0);
	snprintf(command, sizeof(command),
		 "%s sh -c 'cat /proc/%d/stat /proc/%d/task/%d/stat; "
		 "cat /proc/%d/environ 2>&1; readlink /proc/%d/exe || echo hidden'",
		 nobody, worker, worker, worker, worker, worker);
	check_same(command);
	assert_non_null(strstr(NATIVE("%s", command), "hidden"));
	/* The test has something to find: root sees more than that. */
	all = NATIVE("cat /proc/%d/stat", worker);
	assert_string_not_equal(NATIVE("%s cat /proc/%d/stat", nobody, worker), all);
	assert_string_equal(VIEW("cat /proc/%d/stat", worker), all);
	/* A root without capabilities may not look at another's process. */
	NATIVE("setpriv --reuid 65534 --regid 65534 --clear-groups sleep 60 </dev/null "
	       ">/dev/null & echo $! >%s.pid; for i in $(seq 600); do "
	       "[ $(cat /proc/$!/comm) = sleep ] && break; sleep 0.1; done",
	       fake->path);
	snprintf(command, sizeof(command), "%s cat /proc/$(cat %s.pid)/stat", powerless_root,
		 fake->path);
	NATIVE("%s", command);
	snprintf(command, sizeof(command), "%s sh -c 'cat /proc/$(cat %s.pid)/stat'",
		 powerless_root, fake->path);
	check_same(command);
	all = NATIVE("sh -c 'cat /proc/$(cat %s.pid)/stat'", fake->path);
	assert_string_not_equal(NATIVE("%s", command), all);
	shell(&status, "kill $(cat %s.pid); rm %s.pid", fake->path, fake->path);
	assert_int_equal(status, 0);
}

/* The agent's figures rise, fall, and it is started anew while one view goes on. */
static void counters_only_go_forward(void **state)
{
	pid_t spinner = start_spinning(1e9), pid;
	char out[96];
	double last[2] = {0, 0};
	int lines = 0;
	struct proc_stat s;
	uint64_t run, delay;
	char text[1024];
	FILE *f;

	(void)state;
	fake->task = spinner;
	snprintf(out, sizeof(out), "%s.out", fake->path);
	pid = fork();
	if (pid == 0) {
		VIEW("sh -c 'for i in $(seq 60); do cat /proc/%d/stat | tr \"\\n\" \" \"; echo; "
		     "cat /proc/%d/schedstat; sleep 0.03; done' >%s",
		     spinner, spinner, out);
		_exit(0);
	}
	for (int i = 0; i < 12; i++) {
		figures(i % 3 ? 0.05 * i : 0, i % 2 ? 0.5 : 0.2, i);
		if (i % 4 == 3) {
			fake_stop(fake);
			fake_start(fake);
		}
		sleep_ms(150);
	}
	waitpid(pid, NULL, 0);
	f = fopen(out, "r");
	assert_non_null(f);
	while (fgets(text, sizeof(text), f)) {
		double now;
		int kind = proc_parse_stat(text, &s) ? 1 : 0;

		if (kind == 1)
			assert_int_equal(proc_parse_schedstat(text, &run, &delay), 0);
		now = kind ? ns_to_s(run) : total_s(&s);
		assert_true(now >= last[kind]);
		last[kind] = now;
		lines++;
	}
	fclose(f);
	unlink(out);
	end(spinner);
	fake->task = worker;
	assert_int_equal(lines, 120);
	assert_true(last[0] > 0);
}

static double share_of_task(const char *top_output)
{
	char start[16];
	const char *line = NULL, *p = top_output;
	double share = -1;

	snprintf(start, sizeof(start), "%d ", fake->task);
	while ((p = strstr(p, start)))
		line = p++;
	if (line)
		sscanf(line, "%*s %*s %*s %*s %*s %*s %*s %*s %lf", &share);
	return share;
}

/* What the task had, in %, from when its figures were asked for the last time but one to the last
 * time. */
static double share_asked(void)
{
	const struct fake_asked *a = &fake->asked[1], *b = &fake->asked[0];

	return 100 * (double)(b->run - a->run) / (double)(b->at - a->at);
}

/* top looks at the beginning, 150 ms later and 2 s later, and shows two intervals. The second one is
 * between the last two times that figures are asked for. The worker has 40 % of what it seems to
 * have. */
static void top_shows_the_truth(void **state)
{
	double native, seen;
	pid_t spinner;

	(void)state;
	if (!installed("top"))
		skip();
	spinner = start_spinning(1e9);
	fake->task = spinner;
	figures(0, 0.6, 0);
	seen = share_of_task(VIEW("top -b -n 2 -d 2 -p %d", fake->task));
	native = share_asked();
	end(spinner);
	fake->task = worker;
	if (native < 5 || fabs(seen / native - 0.4) > 0.02)
		fail_msg("it has %.1f %% natively, top in the view shows %.1f %%", native, seen);
}

static void the_usual_tools_work(void **state)
{
	static const struct {
		const char *tool, *command, *word;
		int status;
	} tools[] = {
		{"top", "top -b -n 1 -w 200", "vmdesched", 0},
		{"ps", "ps -e -o pid,time,comm", "vmdesched", 0},
		{"pidstat", "pidstat -p ALL 1 1", "vmdesched", 0},
		{"sar", "sar -u 1 1", "%steal", 0},
		{"mpstat", "mpstat -P ALL 1 1", "%steal", 0},
		{"vmstat", "vmstat 1 2", "cpu", 0},
		{"htop",
		 "env TERM=xterm sh -c 'htop </dev/null >" HTOP " & for i in $(seq 600); do "
		 "grep -q Tasks " HTOP " && break; sleep 0.1; done; kill $!; cat " HTOP "; "
		 "rm " HTOP "'",
		 "Tasks", 0},
		{"lsof", "lsof -p 1", "COMMAND", 0},
		{"sysctl", "sysctl kernel.pid_max", "pid_max", 0},
	};

	(void)state;
	figures(0, 0, 10);
	for (size_t i = 0; i < ARRAY_SIZE(tools); i++) {
		const char *text;
		int status;

		if (!installed(tools[i].tool)) {
			printf("no %s here\n", tools[i].tool);
			continue;
		}
		text = shell(&status, "%s view --socket %s -- %s 2>&1", desched, fake->path,
			     tools[i].command);
		if (status != tools[i].status || !strstr(text, tools[i].word))
			fail_msg("%s: exit status %d:\n%.2000s", tools[i].command, status, text);
	}
}

static void what_cannot_be_done_is_said(void **state)
{
	int status;
	const char *text = shell(&status, "%s view 2>&1", desched);

	(void)state;
	assert_int_equal(status, 2);
	assert_non_null(strstr(text, "--mount DIR"));
	text = shell(&status, "%s view --socket %s --mount /nonexistent 2>&1", desched, fake->path);
	assert_int_equal(status, 1);
	assert_non_null(strstr(text, "/nonexistent"));
	text = VIEW("%s view -- true 2>&1", desched);
	assert_non_null(strstr(text, "a view or another file system"));
	text = shell(&status, "%s view --socket %s -- /nonexistent 2>&1", desched, fake->path);
	assert_int_equal(status, 127);
	assert_non_null(strstr(text, "/nonexistent"));
	if (!installed("setpriv"))
		return;
	text = shell(&status,
		     "setpriv --reuid 65534 --regid 65534 --clear-groups %s view -- true 2>&1",
		     desched);
	assert_true(status != 0);
	assert_int_equal(count(text, "\n"), 1);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_process_has_what_it_had),
		cmocka_unit_test(vmdesched_has_the_rest),
		cmocka_unit_test(the_view_tells_what_it_did),
		cmocka_unit_test(all_else_is_the_real_proc),
		cmocka_unit_test(self_is_who_looks),
		cmocka_unit_test(rights_are_those_of_the_reader),
		cmocka_unit_test(counters_only_go_forward),
		cmocka_unit_test(top_shows_the_truth),
		cmocka_unit_test(the_usual_tools_work),
		cmocka_unit_test(what_cannot_be_done_is_said),
	};
	int cannot = view_begin(argc, argv);

	return cannot ? cannot : cmocka_run_group_tests(tests, begin_all, end_all);
}
