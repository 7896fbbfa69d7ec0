/* SPDX-License-Identifier: MIT */
/*
 * The enforcer `cgroup` on real cgroups of version 1, with processes that look like VMs: what is set
 * arrives in their cgroups, and whatever becomes of deschedd, everything is as it was within a
 * second. What is compared is a cgroup of this test's with all that is below it: names, values, who is
 * in there. What settings mean is unit/test_enforce.c's, what comes of them bench/enforce.c's. Needs
 * root, BPF and cgroups of version 1.
 *
 *     test_enforce DESCHEDD LIKE_VM ROUNDS
 */
#include "base/clock.h"
#include "base/proc.h"
#include "base/units.h"
#include "before_others.h"
#include "daemon_unit.h"
#include "needs_bpf.h"
#include "own_pids.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <sys/prctl.h>

#define CPU	    "/sys/fs/cgroup/cpu"
#define PATIENCE_NS (60 * NS_PER_SEC)
#define STRANGER    12345
#define TREE	    32768

static const char *like_vm;
static int rounds;
static char top[64]; /* the cgroup of this test: `own` and `shared` are below it */

/* VM a is alone in `own`, b in `shared` with a process that isn't a VM. */
static pid_t vm_a, vm_b, other;

/* ---- cgroups ---- */

static void put(const char *group, const char *file, const char *text)
{
	char path[256];
	int fd;

	snprintf(path, sizeof(path), "%s/%s/%s", top, group, file);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0 || write(fd, text, strlen(text)) < 0)
		fail_msg("%s: %s", path, strerror(errno));
	close(fd);
}

static long get(const char *path)
{
	char text[64] = "";

	return file_read(path, text, sizeof(text)) > 0 ? strtol(text, NULL, 10) : -999;
}

static long get_own(const char *file)
{
	char path[256];

	snprintf(path, sizeof(path), "%s/own/%s", top, file);
	return get(path);
}

static void add(char *tree, const char *path, const char *file)
{
	static const char *const names[] = {"cpu.shares", "cpu.cfs_quota_us", "cpu.cfs_period_us",
					    "cpu.cfs_burst_us", "cgroup.procs"};
	char full[512], text[4096] = "";
	size_t used = strlen(tree);

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (!strcmp(names[i], file)) {
			snprintf(full, sizeof(full), "%s/%s", path, file);
			file_read(full, text, sizeof(text));
			for (char *c = text; (c = strchr(c, '\n')); c++)
				*c = ' ';
			snprintf(tree + used, TREE - used, "%s %s\n", full, text);
		}
}

/* All of it as a text, in the order of names. */
static void walk(char *tree, const char *path)
{
	struct dirent **list;
	char below[512];
	int n = scandir(path, &list, NULL, alphasort);

	for (int i = 0; i < n; i++) {
		snprintf(below, sizeof(below), "%s/%s", path, list[i]->d_name);
		add(tree, path, list[i]->d_name);
		if (list[i]->d_type == DT_DIR && list[i]->d_name[0] != '.') {
			size_t used = strlen(tree);

			snprintf(tree + used, TREE - used, "%s\n", below);
			walk(tree, below);
		}
		free(list[i]);
	}
	if (n >= 0)
		free(list);
}

static void look(char tree[TREE])
{
	tree[0] = '\0';
	walk(tree, top);
}

/* Until all is as it was; how long that took. */
static uint64_t await_tree(const char *before, uint64_t since)
{
	static char now[TREE];

	for (;;) {
		uint64_t at = clock_mono();

		look(now);
		if (!strcmp(now, before))
			return at - since;
		if (at > since + PATIENCE_NS)
			fail_msg("was:\n%s\nis after a minute:\n%s", before, now);
		usleep(2000);
	}
}

static pid_t start_like_vm(const char *name, const char *group)
{
	char text[16];
	pid_t pid = fork();

	if (pid == 0) {
		execl(like_vm, "qemu", "-name", name, NULL);
		_exit(127);
	}
	snprintf(text, sizeof(text), "%d", pid);
	put(group, "cgroup.procs", text);
	return pid;
}

static pid_t start_other(const char *group)
{
	char text[16];
	pid_t pid = fork();

	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		for (;;)
			pause();
	}
	snprintf(text, sizeof(text), "%d", pid);
	put(group, "cgroup.procs", text);
	return pid;
}

static int set_up(void **state)
{
	static const char *const groups[] = {"", "/own", "/shared"};
	char path[256];

	(void)state;
	snprintf(top, sizeof(top), CPU "/desched-test-%llx", (unsigned long long)clock_real());
	for (size_t i = 0; i < ARRAY_SIZE(groups); i++) {
		snprintf(path, sizeof(path), "%s%s", top, groups[i]);
		if (mkdir(path, 0755))
			return -1;
	}
	put("own", "cpu.shares", "2048");
	vm_a = start_like_vm("a", "own");
	vm_b = start_like_vm("b", "shared");
	other = start_other("shared");
	return 0;
}

static void end(pid_t pid)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

static int tear_down(void **state)
{
	static const char *const groups[] = {"/own", "/shared", ""};
	char path[256];
	int err = 0;

	(void)state;
	end(vm_a);
	end(vm_b);
	end(other);
	for (size_t i = 0; i < ARRAY_SIZE(groups); i++) {
		snprintf(path, sizeof(path), "%s%s", top, groups[i]);
		for (int k = 0; (err = rmdir(path)) && errno == EBUSY && k < 1000; k++)
			usleep(10000);
	}
	return err;
}

/* ---- the daemon ---- */

static const char enforcing[] = "seccomp = yes\n[enforce]\nenforcer = cgroup\n";

static const json_t *vm_in(const json_t *policy, const char *name)
{
	const json_t *vm;
	size_t i;

	json_array_foreach(json_object_get(policy, "vms"), i, vm)
	{
		if (!strcmp(json_string_value(json_object_get(vm, "name")), name))
			return vm;
	}
	return NULL;
}

/* Until both VMs are enforced. */
static void await_enforced(const struct service *s)
{
	uint64_t until = clock_mono() + PATIENCE_NS;
	json_t *o = NULL;

	do {
		json_decref(o);
		usleep(20000);
		o = ask(s, "policy");
		if (clock_mono() > until) {
			char *text = json_dumps(o, JSON_INDENT(1));

			fail_msg("not enforced after a minute: %s", text);
		}
	} while (!json_is_true(json_object_get(vm_in(o, "a"), "enforced")) ||
		 !json_is_true(json_object_get(vm_in(o, "b"), "enforced")));
	json_decref(o);
}

static void begin(struct service *s, const char *conf)
{
	write_config(s, conf);
	spawn(s);
	expect_told(s, "READY=1\nSTATUS=source ");
}

static void set(const struct service *s, const char *request)
{
	json_t *o = ask_with(s, request);
	const char *error = json_string_value(json_object_get(o, "error"));

	if (error)
		fail_msg("%s: %s", request, error);
	json_decref(o);
}

static void await_own(const char *file, long wanted)
{
	uint64_t until = clock_mono() + PATIENCE_NS;

	while (get_own(file) != wanted) {
		usleep(5000);
		if (clock_mono() > until)
			fail_msg("%s is %ld after a minute, expected %ld", file, get_own(file),
				 wanted);
	}
}

static void await_line(const struct service *s, const char *what)
{
	uint64_t until = clock_mono() + PATIENCE_NS;
	char text[16384] = "";

	while (file_read(s->log, text, sizeof(text)) < 0 || !strstr(text, what)) {
		usleep(20000);
		if (clock_mono() > until)
			fail_msg("the log has no '%s':\n%s", what, text);
	}
}

static int find_guard(pid_t pid, void *data)
{
	struct proc_stat stat; /* this process is the init of its namespace: it has orphans */

	if (!proc_read_stat(pid, 0, &stat) && !strcmp(stat.comm, "deschedd-guard") &&
	    stat.state != 'Z')
		*(pid_t *)data = pid;
	return 0;
}

static pid_t guard(void)
{
	pid_t pid = 0;

	proc_each_id("/proc", find_guard, &pid);
	return pid;
}

/* ---- tests ---- */

/* 0.3 of a CPU are 3 ms in each 10; old values are there again after `unset`, and after the end. */
static void settings_arrive_and_go(void **state)
{
	static char before[TREE];
	struct service *s = *state;
	json_t *o;

	look(before);
	begin(s, enforcing);
	await_enforced(s);
	o = ask(s, "policy"); /* 2048 of version 1 are twice the usual shares of a vCPU */
	assert_string_equal(
		json_string_value(json_object_get(
			json_object_get(json_object_get(vm_in(o, "a"), "settings"), "shares"),
			"value")),
		"2000");
	json_decref(o);
	set(s, "{\"do\":\"set\",\"vm\":\"a\",\"settings\":{\"limit\":\"0.3\","
	       "\"burst_credit\":\"1ms\"}}");
	await_own("cpu.cfs_quota_us", 3000);
	assert_int_equal(get_own("cpu.cfs_period_us"), 10000);
	await_own("cpu.cfs_burst_us", 1000);
	/* as systemd does at a daemon-reload */
	put("own", "cpu.cfs_quota_us", "-1");
	put("own", "cpu.cfs_period_us", "100000");
	put("own", "cpu.shares", "2048");
	await_own("cpu.cfs_quota_us", 3000);
	assert_int_equal(get_own("cpu.cfs_period_us"), 10000);
	set(s, "{\"do\":\"set\",\"vm\":\"a\",\"settings\":{\"limit\":\"0.02\"}}");
	await_own("cpu.cfs_period_us", 50000); /* the kernel takes no less than 1 ms */
	await_own("cpu.cfs_quota_us", 1000);
	set(s, "{\"do\":\"unset\",\"vm\":\"a\"}");
	await_own("cpu.cfs_quota_us", -1);
	await_own("cpu.cfs_period_us", 100000);
	await_own("cpu.cfs_burst_us", 0);
	stop(s);
	assert_true(await_tree(before, clock_mono()) < NS_PER_SEC);
}

/* Both are root's; the daemon isn't, and its guardian can do nothing else. */
static void privileges(void **state)
{
	struct service *s = *state;
	pid_t pid;

	begin(s, enforcing);
	await_enforced(s);
	pid = guard();
	assert_true(pid > 0);
	assert_int_equal(status_field(s->pid, "Uid:", 10), getpwnam("nobody")->pw_uid);
	assert_int_equal(status_field(pid, "Uid:", 10), 0);
	assert_int_equal(status_field(pid, "CapPrm:", 16), 1 << CAP_DAC_OVERRIDE);
	assert_int_equal(status_field(pid, "CapEff:", 16), 1 << CAP_DAC_OVERRIDE);
	assert_int_equal(status_field(pid, "NoNewPrivs:", 10), 1);
#ifndef DESCHED_ASAN
	assert_int_equal(status_field(pid, "Seccomp:", 10), 2);
#endif
	stop(s);
	for (int i = 0; guard() && i < 1000; i++)
		usleep(10000);
	assert_int_equal(guard(), 0);
}

/* In the socket's group, but neither root nor its owner. */
static void only_the_owner_sets(void **state)
{
	struct service *s = *state;
	int status;
	pid_t pid;

	begin(s, enforcing);
	await_enforced(s);
	pid = fork();
	if (pid == 0) {
		json_t *o;

		if (setgroups(0, NULL) || setgid(getgrnam("daemon")->gr_gid) || setuid(STRANGER))
			_exit(1);
		o = ask_with(s, "{\"do\":\"set\",\"vm\":\"a\",\"settings\":{\"limit\":\"0.5\"}}");
		if (!strstr(json_string_value(json_object_get(o, "error")), "only root"))
			_exit(2);
		json_decref(o);
		o = ask(s, "policy");
		_exit(vm_in(o, "a") ? 0 : 3);
	}
	waitpid(pid, &status, 0);
	assert_int_equal(status, 0);
	assert_int_equal(get_own("cpu.cfs_quota_us"), -1);
	stop(s);
}

static void a_reload_to_none_restores(void **state)
{
	static char before[TREE];
	struct service *s = *state;

	look(before);
	begin(s, enforcing);
	await_enforced(s);
	set(s, "{\"do\":\"set\",\"vm\":\"*\",\"settings\":{\"limit\":\"0.5\"}}");
	await_own("cpu.cfs_quota_us", 5000);
	write_config(s, "[enforce]\nenforcer = none\n");
	kill(s->pid, SIGHUP);
	await_tree(before, clock_mono());
	await_line(s, "enforcer = none: everything is as it was");
	write_config(s, enforcing);
	kill(s->pid, SIGHUP);
	await_line(s, "enforcer = cgroup waits for a restart; it is none until then");
	stop(s);
}

/* An administrator's value is neither overwritten nor taken back. */
static void what_others_change_stays(void **state)
{
	struct service *s = *state;

	begin(s, enforcing);
	await_enforced(s);
	put("own", "cpu.shares", "777");
	set(s, "{\"do\":\"set\",\"vm\":\"b\",\"settings\":{\"shares\":\"9000\"}}");
	sleep(2);
	assert_int_equal(get_own("cpu.shares"), 777);
	stop(s);
	await_line(s, "own: its weight is 777, which isn't ours: left as it is");
	assert_int_equal(get_own("cpu.shares"), 777);
	put("own", "cpu.shares", "2048");
}

/* One that had a cgroup made for it leaves none behind. */
static void a_vm_that_ends_leaves_nothing(void **state)
{
	static char before[TREE];
	struct service *s = *state;
	pid_t pid;

	look(before);
	begin(s, enforcing);
	await_enforced(s);
	pid = start_like_vm("c", "shared");
	for (uint64_t until = clock_mono() + PATIENCE_NS;;) {
		json_t *o = ask(s, "policy");
		bool there = json_is_true(json_object_get(vm_in(o, "c"), "enforced"));

		json_decref(o);
		if (there)
			break;
		if (clock_mono() > until)
			fail_msg("VM c isn't enforced after a minute");
		usleep(20000);
	}
	end(pid);
	stop(s);
	await_tree(before, clock_mono());
}

/* A kill at any time: among the first orders, between them, while settings change. */
static void a_kill_at_any_time(void **state)
{
	static const char *const requests[] = {
		"{\"do\":\"set\",\"vm\":\"a\",\"settings\":{\"limit\":\"0.3\"}}",
		"{\"do\":\"set\",\"vm\":\"b\",\"settings\":{\"shares\":\"5000\"}}",
		"{\"do\":\"set\",\"vm\":\"*\",\"settings\":{\"limit\":\"0.7\"}}",
	};
	static char before[TREE];
	struct service *s = *state;
	uint64_t worst = 0;
	unsigned seed = (unsigned)clock_real();

	look(before);
	print_message("seed %u\n", seed);
	for (int i = 0; i < rounds; i++) {
		begin(s, enforcing);
		if (rand_r(&seed) % 2)
			set(s, requests[rand_r(&seed) % ARRAY_SIZE(requests)]);
		usleep((useconds_t)(rand_r(&seed) % 1500000));
		if (rand_r(&seed) % 2)
			set(s, requests[rand_r(&seed) % ARRAY_SIZE(requests)]);
		usleep((useconds_t)(rand_r(&seed) % 2000));
		kill(s->pid, SIGKILL);
		worst = u64_max(worst, await_tree(before, clock_mono()));
		waitpid(s->pid, NULL, 0);
	}
	s->pid = 0;
	print_message("%d kills: all as it was after %.3f s at most\n", rounds, ns_to_s(worst));
	assert_true(worst < NS_PER_SEC);
	assert_int_equal(access("/run/desched-enforced", F_OK), -1);
}

/* Ten seconds without orders: old demands say nothing of today. They come again with the daemon. */
static void a_daemon_that_stands_still(void **state)
{
	static char before[TREE];
	struct service *s = *state;

	if (rounds < 50)
		skip(); /* the suite `slow` has time */
	look(before);
	begin(s, enforcing);
	await_enforced(s);
	set(s, "{\"do\":\"set\",\"vm\":\"a\",\"settings\":{\"limit\":\"0.5\"}}");
	await_own("cpu.cfs_quota_us", 5000);
	kill(s->pid, SIGSTOP);
	await_tree(before, clock_mono());
	await_line(s, "nothing was ordered for 10 s");
	kill(s->pid, SIGCONT);
	await_own("cpu.cfs_quota_us", 5000);
	stop(s);
	await_tree(before, clock_mono());
}

/* The guardian alone: the daemon ends, since nobody could put back what it does. Both: the next
 * start does. */
static void the_next_start_restores(void **state)
{
	static char before[TREE];
	struct service *s = *state;
	int status;

	look(before);
	begin(s, enforcing);
	await_enforced(s);
	set(s, "{\"do\":\"set\",\"vm\":\"a\",\"settings\":{\"limit\":\"0.5\"}}");
	await_own("cpu.cfs_quota_us", 5000);
	kill(guard(), SIGKILL);
	expect_told(s, "STOPPING=1");
	assert_int_equal(waitpid(s->pid, &status, 0), s->pid);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 1);
	assert_int_equal(get_own("cpu.cfs_quota_us"), 5000);
	begin(s, "");
	await_tree(before, clock_mono());
	assert_int_equal(access("/run/desched-enforced", F_OK), -1);
	stop(s);
}

int main(int argc, char **argv)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(settings_arrive_and_go, setup, teardown),
		cmocka_unit_test_setup_teardown(privileges, setup, teardown),
		cmocka_unit_test_setup_teardown(only_the_owner_sets, setup, teardown),
		cmocka_unit_test_setup_teardown(a_reload_to_none_restores, setup, teardown),
		cmocka_unit_test_setup_teardown(what_others_change_stays, setup, teardown),
		cmocka_unit_test_setup_teardown(a_vm_that_ends_leaves_nothing, setup, teardown),
		cmocka_unit_test_setup_teardown(the_next_start_restores, setup, teardown),
		cmocka_unit_test_setup_teardown(a_daemon_that_stands_still, setup, teardown),
		cmocka_unit_test_setup_teardown(a_kill_at_any_time, setup, teardown),
	};

	if (argc < 4)
		return 2;
	if (geteuid() != 0 || !bpf_is_here() || access(CPU "/cpu.shares", F_OK))
		return SKIPPED;
	daemon_program = argv[1];
	daemon_name = "deschedd";
	like_vm = argv[2];
	rounds = atoi(argv[3]);
	own_pids();
	before_others(); /* how soon all is as it was is judged, not how busy others are */
	/* its record is in /run, which is this test's own */
	if (mount("run", "/run", "tmpfs", 0, "mode=755"))
		own_pids_end(1);
	own_pids_end(cmocka_run_group_tests(tests, set_up, tear_down));
}
