/* SPDX-License-Identifier: MIT */
/*
 * How a view ends: unmounted, with those who see it, or when its processes are killed; and where
 * none is made. test_view_races.c kills them at every step of their beginning.
 * Needs root and FUSE.
 *
 *     test_view_ends DESCHED
 */
#include "view_shell.h"

#include <sys/stat.h>
#include <sys/utsname.h>

static pid_t await_client(void)
{
	for (int i = 0; i < 6000 && !fake->client; i++)
		sleep_ms(10);
	assert_true(fake->client > 0);
	return fake->client;
}

static bool sees_a_view(pid_t pid)
{
	char path[64], text[64 * 1024];

	snprintf(path, sizeof(path), "/proc/%d/mounts", pid);
	return file_read(path, text, sizeof(text)) > 0 && strstr(text, " /proc fuse.desched ");
}

static pid_t start_view(const char *out, char *const argv[])
{
	pid_t pid = fork();

	if (pid)
		return pid;
	if (!freopen(out, "w", stdout))
		_exit(126);
	execv(desched, argv);
	_exit(127);
}

static void top_goes_on_without_the_server(void **state)
{
	char *argv[] = {(char *)(uintptr_t)desched,
			"view",
			"--socket",
			fake->path,
			"--",
			"top",
			"-b",
			"-d",
			"0.2",
			"-n",
			"15",
			NULL};
	char out[96];
	int status;
	pid_t top, server;

	(void)state;
	if (!installed("top"))
		skip();
	snprintf(out, sizeof(out), "%s.out", fake->path);
	fake->client = 0;
	top = start_view(out, argv);
	server = await_client();
	for (int i = 0; i < 6000 && count(NATIVE("cat %s", out), "top - ") < 3; i++)
		sleep_ms(10);
	assert_true(sees_a_view(top));
	kill(server, SIGKILL);
	for (int i = 0; i < 3000 && sees_a_view(top); i++)
		sleep_ms(10);
	assert_int_equal(kill(top, 0), 0);
	assert_false(sees_a_view(top));
	assert_int_equal(waitpid(top, &status, 0), top);
	assert_int_equal(status, 0);
	assert_int_equal(count(NATIVE("cat %s", out), "top - "), 15);
	unlink(out);
}

static void kill_server(pid_t server)
{
	kill(server, SIGKILL);
}

/* In a view, with what becomes of its server. The exit status; -1 where a signal ended it. */
static int run_command(char *script, void (*fate)(pid_t server))
{
	char *argv[] = {(char *)(uintptr_t)desched,
			"view",
			"--socket",
			fake->path,
			"--",
			"sh",
			"-c",
			script,
			NULL};
	int status;
	pid_t pid;

	fake->client = 0;
	pid = start_view("/dev/null", argv);
	fate(await_client());
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static bool kernel_asks_again(void)
{
	struct utsname u;
	int major = 0, minor = 0;

	return !uname(&u) && sscanf(u.release, "%d.%d", &major, &minor) == 2 &&
	       (major > 6 || (major == 6 && minor >= 9));
}

/* At whatever instant it is killed, nobody who reads gets an error; on older kernels the one whose
 * request was in its hands may. Nobody waits for ever. */
static void readers_go_on_without_the_server(void **state)
{
	char script[256];

	(void)state;
	snprintf(script, sizeof(script),
		 "exec 5</proc/stat; i=0; while [ $i -lt 150 ]; do i=$((i+1)); "
		 "read x </proc/%d/stat || exit 1; done; read x <&5 || exit 2; echo ok",
		 worker);
	for (unsigned i = 0; i < 6; i++) {
		int status = run_command(script, kill_server);

		assert_true(status >= 0);
		if (kernel_asks_again())
			assert_int_equal(status, 0);
	}
}

static pid_t guard_of(pid_t server)
{
	struct proc_stat s;

	assert_int_equal(proc_read_stat(server, 0, &s), 0);
	return s.ppid;
}

/* Both are killed as fast as can be: nobody is left who could answer. */
static void kill_both(pid_t server)
{
	pid_t guard = guard_of(server);

	kill(guard, SIGKILL);
	kill(server, SIGKILL);
}

/* What is open there has gone; whoever opens it again, in whatever namespace, has the real one. */
static void without_both_the_real_proc_is_back(void **state)
{
	char script[512];

	(void)state;
	snprintf(script, sizeof(script),
		 "exec 2>/dev/null; look() { cat /proc/%d/stat; i=0; while grep -q fuse.desched "
		 "/proc/mounts || ! cat "
		 "/proc/%d/stat /proc/sys/kernel/pid_max; do [ $((i+=1)) -lt 200 ] || exit 1; "
		 "sleep 0.05; done; }; look",
		 worker, worker);
	assert_int_equal(run_command(script, kill_both), 0);
	snprintf(script, sizeof(script),
		 "exec 2>/dev/null unshare --mount --propagation private sh -c 'cat /proc/%d/stat; "
		 "i=0; while "
		 "grep -q fuse.desched /proc/mounts || ! cat /proc/%d/stat; do [ $((i+=1)) -lt 200 "
		 "] || exit 1; sleep 0.05; done'",
		 worker, worker);
	assert_int_equal(run_command(script, kill_both), 0);
}

/* A directory that is open goes on, too: what is in it leads to the real /proc by now. */
static void an_open_directory_goes_on(void **state)
{
	char script[512];

	(void)state;
	snprintf(
		script, sizeof(script),
		"cd /proc; cat %d/stat; i=0; while grep -q fuse.desched /proc/mounts; do "
		"[ $((i+=1)) -lt 200 ] || exit 1; sleep 0.05; done; "
		"for f in %d/stat %d/status loadavg sys/kernel/pid_max net/dev .real/%d/status; do "
		"cat $f || exit 2; done; [ \"$(cat %d/cmdline)\" = \"$(cat /proc/%d/cmdline)\" ]",
		worker, worker, worker, worker, worker, worker);
	assert_int_equal(run_command(script, kill_server), 0);
}

/* Asking where such a link leads would be asking itself. */
static void a_link_into_the_view_harms_nobody(void **state)
{
	int status;

	(void)state;
	shell(&status,
	      "timeout -s KILL 60 %s view --socket %s -- sh -c 'cd /proc/%d && sleep 0.6 && "
	      "readlink /proc/self/cwd && cat /proc/stat' >/dev/null",
	      desched, fake->path, worker);
	assert_int_equal(status, 0);
}

/* ---- on a directory ---- */

static const char *const view_mount = "%s view --socket %s --mount %s 2>&1";

/* With a file system mounted on it, in which there is a file. */
static void begin_directory(char *dir)
{
	int status;

	assert_non_null(mkdtemp(dir));
	assert_int_equal(mount("before", dir, "tmpfs", 0, "size=64k"), 0);
	shell(&status, "echo untouched >%s/file", dir);
	assert_int_equal(status, 0);
}

static void end_directory(const char *dir)
{
	char file[64];

	snprintf(file, sizeof(file), "%s/file", dir);
	assert_string_equal(NATIVE("cat %s", file), "untouched\n");
	assert_int_equal(umount2(dir, MNT_DETACH), 0);
	assert_int_equal(rmdir(dir), 0);
}

static void mount_view(const char *dir)
{
	struct proc_stat native, seen;
	int status;

	fake->client = 0;
	shell(&status, view_mount, desched, fake->path, dir);
	assert_int_equal(status, 0);
	assert_int_equal(proc_read_stat(worker, 0, &native), 0);
	parse(NATIVE("cat %s/%d/stat", dir, worker), &seen);
	is_about(total_s(&seen), total_s(&native) - 0.3);
}

static void umount_takes_it(void **state)
{
	char dir[] = "/tmp/test-view.XXXXXX";
	int status;

	(void)state;
	figures(0.3, 0, 0);
	begin_directory(dir);
	mount_view(dir);
	assert_string_equal(NATIVE("cat %s/version %s/sys/kernel/pid_max", dir, dir),
			    NATIVE("cat /proc/version /proc/sys/kernel/pid_max"));
	assert_string_equal(
		NATIVE("cat %s/%d/limits %s/%d/task/%d/comm", dir, worker, dir, worker, worker),
		NATIVE("cat /proc/%d/limits /proc/%d/task/%d/comm", worker, worker, worker));
	shell(&status, "umount %s", dir);
	assert_int_equal(status, 0);
	assert_true(is_gone(await_client())); /* nobody sees it, nobody serves it */
	end_directory(dir);
}

/* The view's processes, which may take a while to end, hold nothing of the file system around it:
 * here they stand still. */
static void what_is_around_it_can_be_unmounted_at_once(void **state)
{
	char dir[] = "/tmp/test-view.XXXXXX", below[64];
	pid_t server, guard;
	int status;

	(void)state;
	figures(0.3, 0, 0);
	begin_directory(dir);
	assert_int_equal(mount("around", dir, "tmpfs", 0, "size=64k"), 0);
	snprintf(below, sizeof(below), "%s/view", dir);
	assert_int_equal(mkdir(below, 0755), 0);
	mount_view(below);
	server = await_client();
	guard = guard_of(server);
	assert_int_equal(kill(guard, SIGSTOP), 0);
	shell(&status, "umount %s", below);
	assert_int_equal(status, 0);
	assert_int_equal(umount2(dir, 0), 0);
	kill(guard, SIGCONT);
	assert_true(is_gone(server));
	end_directory(dir);
}

static void on_a_directory_the_real_one_takes_its_place(void **state)
{
	static void (*const deaths[])(pid_t) = {kill_server, kill_both};
	char dir[] = "/tmp/test-view.XXXXXX";
	struct proc_stat native, seen;

	(void)state;
	figures(0.3, 0, 0);
	begin_directory(dir);
	for (size_t death = 0; death < ARRAY_SIZE(deaths); death++) {
		mount_view(dir);
		deaths[death](await_client());
		for (int i = 0;
		     i < 3000 && strcmp(NATIVE("stat -fc %%T %s 2>&1", dir), "proc\n") != 0; i++)
			sleep_ms(10);
		assert_int_equal(count(NATIVE("cat /proc/self/mounts"), "fuse.desched"), 0);
		assert_int_equal(proc_read_stat(worker, 0, &native), 0);
		parse(NATIVE("cat %s/%d/stat", dir, worker), &seen);
		is_about(total_s(&seen), total_s(&native));
		assert_int_equal(umount2(dir, 0), 0);
	}
	end_directory(dir);
}

static void a_second_one_is_refused(void **state)
{
	char dir[] = "/tmp/test-view.XXXXXX";
	const char *text;
	int status;

	(void)state;
	figures(0.3, 0, 0);
	begin_directory(dir);
	mount_view(dir);
	text = shell(&status, view_mount, desched, fake->path, dir);
	assert_int_equal(status, 1);
	assert_non_null(strstr(text, "a view is mounted there"));
	assert_int_equal(count(text, "\n"), 1);
	assert_int_equal(count(NATIVE("cat /proc/self/mounts"), "fuse.desched"), 1);
	assert_int_equal(umount2(dir, 0), 0);
	end_directory(dir);
	text = shell(&status, view_mount, desched, fake->path, "/proc");
	assert_int_equal(status, 1);
	assert_non_null(strstr(text, "/proc is part of /proc"));
}

/* As units do by BindPaths=, with the real one in it. */
static void it_may_be_bound_over_proc(void **state)
{
	char dir[] = "/tmp/test-view.XXXXXX", bind[256];
	struct proc_stat seen, native;
	int status;

	(void)state;
	figures(0.3, 0, 0);
	begin_directory(dir);
	mount_view(dir);
	shell(&status, "mount --bind /proc %s/.real", dir);
	assert_int_equal(status, 0);
	snprintf(bind, sizeof(bind),
		 "unshare --mount --propagation private sh -c 'mount --rbind %s /proc;", dir);
	parse(NATIVE("%s cat /proc/%d/stat'", bind, worker), &seen);
	assert_int_equal(proc_read_stat(worker, 0, &native), 0);
	is_about(total_s(&seen), total_s(&native) - 0.3);
	assert_string_equal(
		NATIVE("%s cat /proc/%d/limits /proc/sys/kernel/pid_max'", bind, worker),
		NATIVE("cat /proc/%d/limits /proc/sys/kernel/pid_max", worker));
	shell(&status, "umount --recursive %s", dir);
	assert_int_equal(status, 0);
	end_directory(dir);
}

static void nobody_keeps_a_view(void)
{
	for (int i = 0; i < 600 && NATIVE("pgrep -f '[v]iew --socket %s'", fake->path)[0]; i++)
		sleep_ms(100);
	assert_string_equal(NATIVE("pgrep -f '[v]iew --socket %s'", fake->path), "");
}

/* A namespace that nobody else is in any more goes, and with it its view. */
static void it_keeps_no_namespace(void **state)
{
	char dir[] = "/tmp/test-view.XXXXXX";

	(void)state;
	begin_directory(dir);
	NATIVE("unshare --mount --propagation private %s view --socket %s --mount %s", desched,
	       fake->path, dir);
	nobody_keeps_a_view();
	end_directory(dir);
}

/* Nor do two of them keep each other alive; a process that is in it keeps both. */
static void two_keep_no_namespace(void **state)
{
	char one[] = "/tmp/test-view.XXXXXX", two[] = "/tmp/test-view.XXXXXX", out[96];
	int status;

	(void)state;
	begin_directory(one);
	begin_directory(two);
	snprintf(out, sizeof(out), "%s.out", fake->path);
	shell(&status,
	      "unshare --mount --propagation private sh -c 'view() { %s view --socket %s --mount "
	      "$1; }; view %s && view %s && sleep 7; stat -fc %%T %s %s' >%s 2>&1",
	      desched, fake->path, one, two, one, two, out); /* 7 s: their watchers look each 5 */
	assert_int_equal(status, 0);
	assert_string_equal(NATIVE("cat %s", out), "fuseblk\nfuseblk\n");
	nobody_keeps_a_view();
	unlink(out);
	end_directory(one);
	end_directory(two);
}

/* ---- what a view is not made in ---- */

static void other_numbers_are_refused(void **state)
{
	int status;
	const char *text;

	(void)state;
	text = shell(
		&status,
		"unshare --pid --fork --mount-proc %s view --socket %s -- cat /proc/1/stat 2>&1",
		desched, fake->path);
	assert_int_equal(status, 1);
	assert_non_null(strstr(text, "in a PID namespace"));
	assert_int_equal(count(text, "\n"), 1);
	text = shell(&status, "unshare --pid --fork %s view --socket %s -- cat /proc/1/stat 2>&1",
		     desched, fake->path);
	assert_int_equal(status, 1);
	assert_non_null(strstr(text, "mount -t proc proc /proc"));
	/* Another mount of the same numbers is as good. */
	figures(0.3, 0, 0);
	text = shell(
		&status,
		"unshare --mount --propagation private sh -c 'mount -t proc proc /proc; %s view "
		"--socket %s -- cat /proc/%d/stat'",
		desched, fake->path, worker);
	assert_int_equal(status, 0);
}

/* System calls that say that they did what they did not. */
static void what_is_not_its_own_is_not_mounted_on(void **state)
{
	static const struct {
		const char *call, *text;
	} rows[] = {{"unshare", "no mount namespace of its own"},
		    {"mount", "would appear in other namespaces"}};
	char before[64 * 1024];

	(void)state;
	if (!installed("strace"))
		skip();
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		int status;
		const char *text = shell(
			&status,
			"unshare --mount --propagation private sh -c 'mount --make-rshared / && "
			"cat "
			"/proc/self/mountinfo >%s.before; strace -qq -o /dev/null -e trace=%s -e "
			"inject=%s:retval=0 %s view --socket %s -- true 2>&1; echo $?; cat "
			"/proc/self/mountinfo | cmp - %s.before; rm %s.before'",
			fake->path, rows[i].call, rows[i].call, desched, fake->path, fake->path,
			fake->path);

		assert_int_equal(status, 0);
		snprintf(before, sizeof(before), "%s", text);
		assert_non_null(strstr(before, rows[i].text));
		assert_non_null(strstr(before, "\n1\n"));
		assert_null(strstr(before, "differ"));
	}
}

static void nothing_is_left_behind(void **state)
{
	int status;

	(void)state;
	fake->client = 0;
	shell(&status, "%s view --socket %s -- sh -c 'cat /proc/stat; exit 7'", desched,
	      fake->path);
	assert_int_equal(status, 7); /* the command's own */
	assert_true(is_gone(await_client()));
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(top_goes_on_without_the_server),
		cmocka_unit_test(readers_go_on_without_the_server),
		cmocka_unit_test(an_open_directory_goes_on),
		cmocka_unit_test(without_both_the_real_proc_is_back),
		cmocka_unit_test(a_link_into_the_view_harms_nobody),
		cmocka_unit_test(umount_takes_it),
		cmocka_unit_test(what_is_around_it_can_be_unmounted_at_once),
		cmocka_unit_test(on_a_directory_the_real_one_takes_its_place),
		cmocka_unit_test(a_second_one_is_refused),
		cmocka_unit_test(it_may_be_bound_over_proc),
		cmocka_unit_test(it_keeps_no_namespace),
		cmocka_unit_test(two_keep_no_namespace),
		cmocka_unit_test(other_numbers_are_refused),
		cmocka_unit_test(what_is_not_its_own_is_not_mounted_on),
		cmocka_unit_test(nothing_is_left_behind),
	};
	int cannot = view_begin(argc, argv);

	return cannot ? cannot : cmocka_run_group_tests(tests, begin_all, end_all);
}
