/* SPDX-License-Identifier: MIT */
/*
 * A publisher that is killed and started again, and one that is stopped and goes on, under the
 * agent of this machine with source `page`. The page is that of a process with as many vCPU threads
 * as this machine has CPUs; whether its gaps are right is not asked here (test_source_page.c), but
 * that the time without a publisher is unaccounted, all of it and little more by the test's own
 * clock, that no figure falls, and that the identity holds. Needs root and BPF.
 */
#include "base/clock.h"
#include "base/units.h"
#include "before_others.h"
#include "guest/agent.h"
#include "host/find.h"
#include "host/publish.h"
#include "needs_bpf.h"

#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

/* For what comes in less than a second on a quiet machine. */
#define PATIENCE_NS (60 * NS_PER_SEC)

static struct {
	pid_t vm, publisher;
	int n_cpus;
	char path[64];
	void *page;
	size_t size;
	struct agent *agent;
	struct snapshot last;
} t;

/* ---- a process that looks like a VM ---- */

static void *be_vcpu(void *data)
{
	char name[16];

	snprintf(name, sizeof(name), "CPU %d/TCG", (int)(intptr_t)data);
	prctl(PR_SET_NAME, name);
	for (;;) {
		uint64_t end = clock_mono() + 2 * NS_PER_MS;

		while (clock_mono() < end)
			;
		usleep(3000);
	}
	return NULL;
}

static pid_t start_vm(void)
{
	pid_t pid = fork();
	pthread_t thread;

	if (pid)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (int i = 0; i < t.n_cpus; i++)
		pthread_create(&thread, NULL, be_vcpu, (void *)(intptr_t)i);
	for (;;)
		pause();
}

/* ---- its publisher ---- */

static void publish(int ready)
{
	struct host_ledger *ledger;
	struct publisher *p;
	struct failure f = {""};
	struct host_vm vm;
	int id;

	if (host_ledger_open("bpf", &f, &ledger) || publisher_new(ledger, &p) ||
	    host_find_pid(t.vm, &f, &vm) || publisher_add(p, &vm, t.page, t.size, &f, &id)) {
		fprintf(stderr, "publisher: %s\n", f.text);
		_exit(1);
	}
	publisher_tick(p);
	(void)!write(ready, "", 1);
	for (;;) {
		publisher_tick(p);
		usleep(PUBLISH_INTERVAL_NS / NS_PER_US);
	}
}

static void start_publisher(void)
{
	int ready[2];
	char byte;

	assert_int_equal(pipe(ready), 0);
	t.publisher = fork();
	if (!t.publisher) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		publish(ready[1]);
	}
	close(ready[1]);
	assert_int_equal(read(ready[0], &byte, 1), 1);
	close(ready[0]);
}

static void kill_publisher(void)
{
	kill(t.publisher, SIGKILL);
	waitpid(t.publisher, NULL, 0);
}

/* ---- the agent ---- */

static void check_figures(const struct snapshot *s, const struct figures *now,
			  const struct figures *before)
{
	assert_int_equal(now->reported, snapshot_reported(s, now));
	assert_true(now->reported >= before->reported);
	assert_true(now->truth >= before->truth);
	assert_true(figures_away(now) >= figures_away(before));
	assert_true(now->unaccounted >= before->unaccounted);
}

static void check_processes(const struct snapshot *now, const struct snapshot *before)
{
	for (size_t i = 0; i < before->n_processes; i++)
		for (size_t k = 0; k < now->n_processes; k++)
			if (before->processes[i].id == now->processes[k].id &&
			    before->processes[i].pid == now->processes[k].pid)
				check_figures(now, &now->processes[k].own,
					      &before->processes[i].own);
}

static uint64_t unaccounted(void)
{
	return t.last.busy.unaccounted + t.last.idle.unaccounted;
}

static void look(void)
{
	struct snapshot s;

	agent_poll(t.agent); /* an error while there is no page */
	assert_int_equal(agent_snapshot(t.agent, &s), 0);
	if (t.last.n_cpus) {
		assert_true(s.elapsed >= t.last.elapsed);
		check_figures(&s, &s.busy, &t.last.busy);
		check_figures(&s, &s.idle, &t.last.idle);
		check_processes(&s, &t.last);
	}
	for (unsigned i = 0; i < s.n_cpus; i++)
		assert_int_equal(s.cpus[i].busy + s.cpus[i].idle, s.elapsed);
	if (t.last.n_cpus)
		snapshot_done(&t.last);
	t.last = s;
}

static void live(uint64_t ns)
{
	uint64_t until = clock_mono() + ns;

	while (clock_mono() < until) {
		look();
		usleep(100000);
	}
}

static void until_complete(void)
{
	uint64_t until = clock_mono() + PATIENCE_NS;

	do {
		look();
		if (clock_mono() > until)
			fail_msg("nothing is complete in %.0f s", ns_to_s(PATIENCE_NS));
	} while (!t.last.complete);
}

static void killed_and_started_again(void **state)
{
	uint64_t before, killed, back, seen, found, session;

	(void)state;
	until_complete();
	before = unaccounted();
	session = t.last.session;
	killed = clock_mono();
	kill_publisher();
	live(3 * NS_PER_SEC);
	assert_false(t.last.complete);
	assert_true(t.last.lag > NS_PER_SEC);
	start_publisher();
	back = clock_mono();
	do {
		look();
		seen = clock_mono();
	} while (t.last.session == session && seen < back + PATIENCE_NS);
	until_complete();
	found = (unaccounted() - before) / (uint64_t)t.n_cpus;
	print_message("away for %.2f to %.2f s: %.2f s a CPU are unaccounted\n",
		      ns_to_s(back - killed), ns_to_s(seen - killed), ns_to_s(found));
	assert_int_not_equal(t.last.session, session);
	assert_int_equal(t.last.n_sessions, 2);
	assert_int_equal(t.last.sessions[0].id, session);
	/* The new page was there before we were told so; the old one's last word may be old. */
	assert_in_range(found, 3 * NS_PER_SEC, seen - killed + NS_PER_SEC / 2);
	live(NS_PER_SEC);
	until_complete();
	assert_true((unaccounted() - before) / (uint64_t)t.n_cpus <= found + 200 * NS_PER_MS);
}

static void stopped_and_continued(void **state)
{
	uint64_t before, elapsed;

	(void)state;
	until_complete();
	before = unaccounted();
	elapsed = t.last.elapsed;
	kill(t.publisher, SIGSTOP);
	live(3 * NS_PER_SEC);
	assert_false(t.last.complete);
	assert_true(t.last.elapsed < elapsed + NS_PER_SEC);
	kill(t.publisher, SIGCONT);
	until_complete();
	assert_true(t.last.elapsed >= elapsed + 3 * NS_PER_SEC);
	print_message("stopped for 3 s: %.3f s are unaccounted, %llu gaps lost, %.6f s late\n",
		      ns_to_s(unaccounted() - before),
		      (unsigned long long)t.last.counters.lost_gaps, ns_to_s(t.last.counters.late));
	assert_true(unaccounted() - before <= (uint64_t)t.n_cpus * 100 * NS_PER_MS);
}

static int start(void **state)
{
	struct agent_config config = {.source = "page", .source_config = {.page_path = t.path}};
	struct failure f = {""};
	int fd;

	(void)state;
	t.n_cpus = (int)sysconf(_SC_NPROCESSORS_CONF);
	snprintf(t.path, sizeof(t.path), "/tmp/test-publisher-away.%d", getpid());
	t.size = 4 * MIB;
	fd = open(t.path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0 || ftruncate(fd, (off_t)t.size))
		return -1;
	t.page = mmap(NULL, t.size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	t.vm = start_vm();
	usleep(200000);
	start_publisher();
	if (agent_open(&config, &f, &t.agent))
		fail_msg("%s", f.text);
	return 0;
}

static int end(void **state)
{
	(void)state;
	agent_close(t.agent);
	if (t.last.n_cpus)
		snapshot_done(&t.last);
	kill_publisher();
	kill(t.vm, SIGKILL);
	waitpid(t.vm, NULL, 0);
	unlink(t.path);
	return 0;
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(killed_and_started_again),
		cmocka_unit_test(stopped_and_continued),
	};

	before_others();
	if (!bpf_is_here())
		return SKIPPED;
	return cmocka_run_group_tests(tests, start, end);
}
