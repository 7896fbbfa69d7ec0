/* SPDX-License-Identifier: MIT */
/*
 * The guest's agent on this kernel: its account against the kernel's own figures, and vmdesched as
 * a daemon. Whether what it charges is right is the lab's affair (desched-lab(1)); here it is that
 * who was on the CPU is seen, whoever helps or not. Needs root and BPF.
 *
 *     test_agent VMDESCHED
 */
#include "base/clock.h"
#include "base/proc.h"
#include "base/units.h"
#include "before_others.h"
#include "guest/agent.h"
#include "needs_bpf.h"
#include "scratch.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#define CPUS_MAX 64 /* that are looked at */

static const char *vmdesched;

static void sleep_ms(uint64_t ms)
{
	struct timespec t = {(time_t)(ms / 1000), (long)(ms % 1000) * 1000000};

	nanosleep(&t, NULL);
}

/* CPU time of the calling thread, by the kernel. */
static uint64_t own_cpu_time(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (uint64_t)t.tv_sec * NS_PER_SEC + (uint64_t)t.tv_nsec;
}

static void spin(uint64_t ns)
{
	while (own_cpu_time() < ns)
		;
}

static const struct snapshot_process *find(const struct snapshot *s, pid_t pid)
{
	for (size_t i = 0; i < s->n_processes; i++)
		if (s->processes[i].pid == pid)
			return &s->processes[i];
	return NULL;
}

static int open_agent(void **state)
{
	struct agent_config config = {.source = "self"};
	struct failure f = {.text = ""};
	struct agent *agent;

	if (agent_open(&config, &f, &agent)) {
		print_error("%s\n", f.text);
		return -1;
	}
	*state = agent;
	return 0;
}

static int close_agent(void **state)
{
	agent_close(*state);
	return 0;
}

/* A child that says when it has done its work, and then sleeps until it is killed. */
struct child {
	pid_t pid;
	int done; /* readable then */
};

static struct child start(void (*work)(void))
{
	struct child c;
	int fds[2];

	assert_int_equal(pipe(fds), 0);
	c.pid = fork();
	if (c.pid == 0) {
		scratch_join();
		work();
		(void)!write(fds[1], "", 1);
		sleep_ms(600000);
		_exit(0);
	}
	close(fds[1]);
	c.done = fds[0];
	return c;
}

/* Serves the agent for this long, or until `until` is readable: its ring is small, and whoever else
 * is on this machine fills it. True when that came. */
static bool serve(struct agent *agent, int until, uint64_t ns)
{
	struct pollfd p[] = {{.fd = until, .events = POLLIN},
			     {.fd = agent_fd(agent), .events = POLLIN}};
	uint64_t now, end = clock_mono() + ns;

	while ((now = clock_mono()) < end && !(p[0].revents & POLLIN)) {
		poll(p, 2, (int)u64_min((end - now) / NS_PER_MS + 1, 50));
		assert_int_equal(agent_poll(agent), 0);
	}
	return p[0].revents & POLLIN;
}

static void await(struct agent *agent, const struct child *c)
{
	assert_true(serve(agent, c->done, 60 * NS_PER_SEC));
}

static void end(const struct child *c)
{
	kill(c->pid, SIGKILL);
	waitpid(c->pid, NULL, 0);
	close(c->done);
}

/* The kernel's sum_exec_runtime is what top shows. It leaves out what the kernel itself subtracts
 * as stolen, so that is compared with the kernel's own word for it added. */
static void spin_a_while(void)
{
	spin(600 * NS_PER_MS);
}

static void occupied_is_what_the_kernel_reports(void **state)
{
	struct agent *agent = *state;
	struct child c = start(spin_a_while);
	struct proc_cpu before, after;
	struct snapshot s;
	uint64_t run, delay, occupied, stolen;

	assert_int_equal(proc_read_cpu(-1, &before), 0);
	await(agent, &c);
	assert_int_equal(agent_snapshot(agent, &s), 0);
	assert_int_equal(proc_read_schedstat(c.pid, 0, &run, &delay), 0);
	assert_int_equal(proc_read_cpu(-1, &after), 0);
	assert_non_null(find(&s, c.pid));
	occupied = figures_occupied(&find(&s, c.pid)->own);
	snapshot_done(&s);
	end(&c);
	assert_true(run >= 600 * NS_PER_MS);
	/* Under a hypervisor that stole from it, the account holds more than the kernel reports:
	 * what was stolen of all CPUs, at most, and a tick of each. */
	stolen = after.steal_ns - before.steal_ns + 20 * NS_PER_MS;
	if (occupied < run / 100 * 99 || occupied > run / 100 * 101 + stolen)
		fail_msg(
			"occupied %.4f s where the kernel has %.4f s, and up to %.4f s were stolen",
			ns_to_s(occupied), ns_to_s(run), ns_to_s(stolen));
}

/* Two hundred children, each gone before anybody could look: their parent has them. */
static void fork_two_hundred(void)
{
	for (int i = 0; i < 200; i++) {
		pid_t child = fork();

		if (child == 0) {
			spin(3 * NS_PER_MS);
			_exit(0);
		}
		waitpid(child, NULL, 0);
	}
}

static void short_lived_children_are_found(void **state)
{
	struct agent *agent = *state;
	struct child c = start(fork_two_hundred);
	struct snapshot s;
	struct proc_stat stat;
	double ours;

	await(agent, &c);
	assert_int_equal(agent_snapshot(agent, &s), 0);
	assert_int_equal(proc_read_stat(c.pid, 0, &stat), 0);
	assert_non_null(find(&s, c.pid));
	ours = ns_to_s(figures_occupied(&find(&s, c.pid)->children));
	snapshot_done(&s);
	end(&c);
	/* The children asked for 0.6 s; the kernel's own sum for them may lack a tick for each. */
	if (ours < 0.6)
		fail_msg("children had %.3f s, by the kernel %.3f s", ours,
			 ns_to_s(stat.cutime_ns + stat.cstime_ns));
	assert_true(ours <= ns_to_s(stat.cutime_ns + stat.cstime_ns) + 200 * 0.01);
}

static void *spin_thread(void *data)
{
	spin(*(uint64_t *)data);
	*(volatile uint64_t *)data = 0;
	pause();
	return NULL;
}

static void spin_in_two_threads(void)
{
	static volatile uint64_t want[2] = {300 * NS_PER_MS, 100 * NS_PER_MS};
	pthread_t t;

	for (int i = 0; i < 2; i++)
		pthread_create(&t, NULL, spin_thread, (void *)(uintptr_t)&want[i]);
	while (want[0] || want[1])
		sleep_ms(10);
}

static void threads_are_told_apart(void **state)
{
	struct agent *agent = *state;
	struct child c = start(spin_in_two_threads);
	const struct snapshot_process *p;
	struct snapshot s;
	uint64_t most = 0, least = UINT64_MAX;

	await(agent, &c);
	assert_int_equal(agent_snapshot(agent, &s), 0);
	p = find(&s, c.pid);
	assert_non_null(p);
	assert_int_equal(p->n_threads, 3);
	for (size_t i = 0; i < p->n_threads; i++) {
		const struct snapshot_thread *t = &s.threads[p->first_thread + i];

		if (t->tid == c.pid)
			continue;
		most = u64_max(most, figures_occupied(&t->own));
		least = u64_min(least, figures_occupied(&t->own));
	}
	snapshot_done(&s);
	end(&c);
	/* To 1 %, as above: a thread's clock is not read at the instants of our records. */
	if (most < 297 * NS_PER_MS || least < 99 * NS_PER_MS || least >= most)
		fail_msg("threads that ran 0.3 s and 0.1 s have %.6f s and %.6f s", ns_to_s(most),
			 ns_to_s(least));
}

/* Every CPU's runs, idle ones among them, cover the time since the start, to the nanosecond. */
static void every_cpu_is_covered(void **state)
{
	struct agent *agent = *state;
	struct snapshot s;
	int known = 0;

	serve(agent, -1, 300 * NS_PER_MS);
	assert_int_equal(agent_snapshot(agent, &s), 0);
	for (unsigned i = 0; i < s.n_cpus; i++) {
		const struct account_cpu *c = &agent_account(agent)->cpus[i];

		if (!c->known)
			continue;
		known++;
		/* A switch may have been booked since the snapshot's instant. */
		assert_true(c->since >= agent_time(agent));
		assert_int_equal(s.cpus[i].busy + s.cpus[i].idle,
				 s.elapsed + (c->since - agent_time(agent)));
	}
	assert_true(known > 0);
	snapshot_done(&s);
}

/* What the source `steal` found on each CPU, busy or idle, beside the kernel's own steal column. */
struct stolen {
	uint64_t ours[CPUS_MAX], column[CPUS_MAX]; /* ns */
	unsigned n;
};

static void read_stolen(struct agent *agent, struct stolen *ret)
{
	struct snapshot s;

	assert_int_equal(agent_poll(agent), 0);
	assert_int_equal(agent_snapshot(agent, &s), 0);
	ret->n = s.n_cpus < CPUS_MAX ? (unsigned)s.n_cpus : CPUS_MAX;
	for (unsigned i = 0; i < ret->n; i++) {
		struct proc_cpu figures = {.steal_ns = 0};

		proc_read_cpu((int)i, &figures);
		ret->column[i] = figures.steal_ns;
		ret->ours[i] = s.cpus[i].descheduled + s.cpus[i].idle_descheduled;
	}
	snapshot_done(&s);
}

static bool agree(const struct stolen *from, const struct stolen *to)
{
	const uint64_t tick = NS_PER_SEC / (uint64_t)sysconf(_SC_CLK_TCK);

	for (unsigned i = 0; i < to->n; i++) {
		uint64_t ours = to->ours[i] - from->ours[i];
		uint64_t column = to->column[i] - from->column[i];

		if (u64_max(ours, column) - u64_min(ours, column) > tick)
			return false;
	}
	return true;
}

static void print_stolen(const char *when, const struct stolen *from, const struct stolen *to)
{
	for (unsigned i = 0; i < to->n; i++)
		print_message("%s, CPU %u: ours %.4f s, the column %.2f s%s\n", when, i,
			      ns_to_s(to->ours[i] - from->ours[i]),
			      ns_to_s(to->column[i] - from->column[i]),
			      to->column[i] ? "" : " (nothing was ever stolen from it)");
}

/* The kernel adds to its column at ticks, so that it may be behind for a moment: it must agree
 * once, soon. */
static void expect_agreement(struct agent *agent, const char *when, const struct stolen *from)
{
	struct stolen to;

	for (int i = 0; i < 100; i++) {
		serve(agent, -1, 50 * NS_PER_MS);
		read_stolen(agent, &to);
		if (!agree(from, &to))
			continue;
		print_stolen(when, from, &to);
		return;
	}
	print_stolen(when, from, &to);
	fail_msg("steal is not what the kernel says");
}

static void steal_is_the_kernels_column(void **state)
{
	struct agent_config config = {.source = "steal"};
	struct failure f = {.text = ""};
	struct child load[2 * CPUS_MAX];
	struct stolen from;
	struct agent *agent;

	(void)state;
	if (agent_open(&config, &f, &agent)) {
		print_message("skipped: %s\n", f.text);
		skip();
	}
	read_stolen(agent, &from);
	serve(agent, -1, NS_PER_SEC);
	expect_agreement(agent, "idle", &from);
	for (unsigned i = 0; i < 2 * from.n; i++)
		load[i] = start(spin_a_while);
	for (unsigned i = 0; i < 2 * from.n; i++)
		await(agent, &load[i]);
	for (unsigned i = 0; i < 2 * from.n; i++)
		end(&load[i]);
	expect_agreement(agent, "loaded", &from);
	agent_close(agent);
}

/* A control group of the test's own: a child enters it, makes a child that works there. */
static char group_mount[64];

static void work_in_a_group(void)
{
	char path[128];
	FILE *f;

	snprintf(path, sizeof(path), "%s/desched-test/cgroup.procs", group_mount);
	f = fopen(path, "w");
	if (!f || fprintf(f, "%d\n", getpid()) < 0 || fclose(f))
		_exit(1);
	if (fork() == 0) {
		spin(200 * NS_PER_MS);
		_exit(0);
	}
	wait(NULL);
}

static uint64_t group_time(const struct snapshot *s, const char *end)
{
	for (size_t i = 0; i < s->n_cgroups; i++) {
		const char *path = s->cgroups[i].path;

		if (strlen(path) >= strlen(end) && !strcmp(path + strlen(path) - strlen(end), end))
			return figures_occupied(&s->cgroups[i].own);
	}
	return 0;
}

static void control_groups_are_told_apart(void **state)
{
	struct agent *agent = *state;
	struct snapshot s;
	struct child c;
	char path[96];

	strcpy(group_mount, "/tmp/test-cgroup.XXXXXX");
	assert_non_null(mkdtemp(group_mount));
	snprintf(path, sizeof(path), "%s/desched-test", group_mount);
	if (mount("none", group_mount, "cgroup2", 0, NULL) || mkdir(path, 0755)) {
		print_message("skipped: no cgroup2 here\n");
		umount(group_mount);
		rmdir(group_mount);
		skip();
	}
	c = start(work_in_a_group);
	await(agent, &c);
	assert_int_equal(agent_snapshot(agent, &s), 0);
	end(&c);
	rmdir(path);
	umount(group_mount);
	rmdir(group_mount);
	assert_in_range(group_time(&s, "/desched-test"), 200 * NS_PER_MS, 2 * NS_PER_SEC);
	snapshot_done(&s);
}

static pid_t start_daemon(const char *path)
{
	pid_t pid = fork();

	if (pid)
		return pid;
	scratch_join();
	execl(vmdesched, vmdesched, "--source", "self", "--socket", path, NULL);
	_exit(127);
}

/* One request; NULL when nobody answers within 5 s. */
static json_t *ask(const char *path, const char *request)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	json_t *o = NULL;

	snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	for (int i = 0; i < 250 && !o; i++) {
		int fd = socket(AF_UNIX, SOCK_STREAM, 0);

		if (!connect(fd, (struct sockaddr *)&address, sizeof(address))) {
			FILE *f = fdopen(fd, "r+");

			fputs(request, f);
			fflush(f);
			o = json_loadf(f, JSON_DISABLE_EOF_CHECK, NULL);
			fclose(f);
		} else {
			close(fd);
			sleep_ms(20);
		}
	}
	return o;
}

static const char *text_of(const json_t *o, const char *key)
{
	const char *text = json_string_value(json_object_get(o, key));

	return text ? text : "";
}

static void the_daemon_answers_dies_and_comes_back(void **state)
{
	char path[96];
	json_t *o;
	pid_t pid;

	(void)state;
	snprintf(path, sizeof(path), "%s/socket", scratch_dir("test-agent"));
	pid = start_daemon(path);
	o = ask(path, "{\"get\":\"snapshot\"}\n");
	assert_string_equal(text_of(o, "schema"), "desched-agent/2");
	assert_string_equal(text_of(o, "source"), "self");
	json_decref(o);
	o = ask(path, "{\"get\":\"the moon\"}\n");
	assert_true(strlen(text_of(o, "error")) > 0);
	json_decref(o);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	assert_int_equal(access(path, F_OK), 0); /* it left its socket */
	pid = start_daemon(path);
	o = ask(path, "{\"get\":\"version\"}\n");
	assert_string_equal(text_of(o, "version"), DESCHED_VERSION);
	json_decref(o);
	kill(pid, SIGTERM);
	waitpid(pid, NULL, 0);
	assert_int_not_equal(access(path, F_OK), 0);
}

/* Whatever cannot be had is refused in one line that says so. */
static void what_is_not_there_is_refused(void **state)
{
	struct agent_config config = {.source = "crystal ball"};
	struct failure f = {.text = ""};
	struct agent *agent;

	(void)state;
	assert_int_equal(agent_open(&config, &f, &agent), -EINVAL);
	assert_non_null(strstr(f.text, "crystal ball"));
	config = (struct agent_config){.source = "page",
				       .source_config = {.page_path = "/nonexistent"}};
	assert_int_equal(agent_open(&config, &f, &agent), -ENOENT);
	assert_non_null(strstr(f.text, "/nonexistent"));
	config.source_config.page_path = "/proc/self/exe"; /* random bytes to it */
	assert_true(agent_open(&config, &f, &agent) < 0);
	assert_non_null(strstr(f.text, "page"));
	assert_null(strchr(f.text, '\n'));
	/* A page that is named is no hint. */
	config = (struct agent_config){.source = "auto",
				       .source_config = {.page_path = "/nonexistent"}};
	assert_int_equal(agent_open(&config, &f, &agent), -ENOENT);
	assert_non_null(strstr(f.text, "/nonexistent"));
	config.source = "self";
	assert_int_equal(agent_open(&config, &f, &agent), -EINVAL);
	assert_non_null(strstr(f.text, "source self reads no ledger page"));
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(occupied_is_what_the_kernel_reports, open_agent,
						close_agent),
		cmocka_unit_test_setup_teardown(short_lived_children_are_found, open_agent,
						close_agent),
		cmocka_unit_test_setup_teardown(threads_are_told_apart, open_agent, close_agent),
		cmocka_unit_test_setup_teardown(every_cpu_is_covered, open_agent, close_agent),
		cmocka_unit_test_setup_teardown(control_groups_are_told_apart, open_agent,
						close_agent),
		cmocka_unit_test(steal_is_the_kernels_column),
		cmocka_unit_test(the_daemon_answers_dies_and_comes_back),
		cmocka_unit_test(what_is_not_there_is_refused),
	};

	before_others();
	if (argc < 2)
		return 2;
	vmdesched = argv[1];
	if (!bpf_is_here())
		return SKIPPED;
	scratch_dir("test-agent");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
