/* SPDX-License-Identifier: MIT */
/*
 * desched ledger over a time in which VMs come, grow and go: none is missed, none is kept, what was
 * measured of them sums up, and their pages are written. The VMs are this program, run with words
 * such as QEMU's; what they must find in the ledger follows from when they were started and ended.
 * Whether ledgers are right is test_host_ledger.c; which pages may be written is
 * tests/unit/test_page_file.c. Needs root.
 *
 *     test_ledger DESCHED
 */
#include "base/clock.h"
#include "base/proc.h"
#include "base/units.h"
#include "before_others.h"
#include "page_vm.h"

#include <desched/page.h>
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <math.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define VMS	100
#define AT_ONCE 20

static const char *desched;
/* As Proxmox starts it, and takes ids for its own. */
static void start_vm_with_id(struct vm *v, const char *id, const char *name)
{
	*v = (struct vm){.mute = false};
	snprintf(v->name, sizeof(v->name), "%s", name);
	snprintf(v->file, sizeof(v->file), "%s/id-%s", directory, id);
	v->pid = fork();
	if (v->pid)
		return;
	execl("/proc/self/exe", "/usr/bin/kvm", "-id", id, "-name", name, "-object", "none",
	      "-device", "none", v->file, "CPU 0/KVM", NULL);
	_exit(127);
}

/* ---- the ledger ---- */

struct run {
	pid_t pid;
	FILE *out, *err;
};

static void start_ledger(struct run *r, const char *const *words)
{
	const char *argv[16] = {"desched", "ledger", "--json"};
	int out[2], err[2], n = 3;

	while (*words)
		argv[n++] = *words++;
	assert_int_equal(pipe2(out, O_CLOEXEC), 0);
	assert_int_equal(pipe2(err, O_CLOEXEC), 0);
	r->pid = fork();
	if (r->pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		dup2(out[1], STDOUT_FILENO);
		dup2(err[1], STDERR_FILENO);
		execv(desched, (char **)argv);
		_exit(127);
	}
	close(out[1]);
	close(err[1]);
	r->out = fdopen(out[0], "r");
	r->err = fdopen(err[0], "r");
}

#define LEDGER(r, ...) start_ledger(r, (const char *const[]){__VA_ARGS__ __VA_OPT__(, ) NULL})

/* The next report; NULL at the end. */
static json_t *next(const struct run *r)
{
	struct pollfd p = {.fd = fileno(r->out), .events = POLLIN};

	if (poll(&p, 1, (int)(PATIENCE_NS / NS_PER_MS)) <= 0)
		fail_msg("no report came");
	return json_loadf(r->out, JSON_DISABLE_EOF_CHECK, NULL);
}

/* Its exit status; what it said on standard error is in `said`. */
static int finish(struct run *r, char *said, size_t size)
{
	size_t n = 0;
	int status;

	waitpid(r->pid, &status, 0);
	if (said)
		n = fread(said, 1, size - 1, r->err);
	if (said)
		said[n] = '\0';
	fclose(r->out);
	fclose(r->err);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static double number(const json_t *o, const char *key)
{
	return json_number_value(json_object_get(o, key));
}

static double sum_of_states(const json_t *o)
{
	const json_t *value;
	const char *key;
	double sum = 0;

	json_object_foreach(json_object_get(o, "seconds"), key, value)
		sum += json_number_value(value);
	return sum;
}

static const json_t *vm_of(const json_t *report, pid_t pid)
{
	const json_t *vm;
	size_t i;

	json_array_foreach(json_object_get(report, "vms"), i, vm)
	{
		if ((pid_t)number(vm, "pid") == pid)
			return vm;
	}
	return NULL;
}

static const json_t *vcpu_of(const json_t *vm, size_t i)
{
	return json_array_get(json_object_get(vm, "vcpus"), i);
}

/* Every ledger of a report sums up to its wall time. */
static void check_identity(const json_t *report)
{
	const json_t *vm, *c;
	size_t i, v;

	json_array_foreach(json_object_get(report, "vms"), i, vm)
	{
		json_array_foreach(json_object_get(vm, "vcpus"), v, c)
			assert_true(fabs(sum_of_states(c) - number(c, "wall_seconds")) < 1e-8);
	}
}

/* ---- a hundred that come and go ---- */

/* /proc has the start to 10 ms. */
static void first_report(struct vm *v, pid_t tid)
{
	struct proc_stat stat;

	assert_int_equal(proc_read_stat(v->pid, tid, &stat), 0);
	v->delay = u64_sub_floor(clock_boot(), stat.start_ns);
	v->seen = true;
}

static void take_report(const json_t *report, struct vm *vms, int n)
{
	check_identity(report);
	for (int i = 0; i < n; i++) {
		const json_t *vm = vm_of(report, vms[i].pid);

		if (vms[i].ended && vm)
			fail_msg("VM %s is still there, after its end was reported", vms[i].name);
		if (!vm)
			continue;
		assert_string_equal(json_string_value(json_object_get(vm, "called")), vms[i].name);
		if (!vms[i].seen)
			first_report(&vms[i], (pid_t)number(vcpu_of(vm, 0), "tid"));
		vms[i].wall += number(vcpu_of(vm, 0), "wall_seconds");
		vms[i].ended = json_is_true(json_object_get(vm, "ended"));
	}
}

static bool all_seen(const struct vm *vms, int n)
{
	for (int i = 0; i < n; i++) {
		if (!vms[i].ended && (!vms[i].seen || !updates_of(&vms[i])))
			return false;
	}
	return true;
}

/* But for the first one, which stays. */
static bool all_over(const struct vm *vms, int n)
{
	for (int i = 1; i < n; i++) {
		if (!vms[i].ended)
			return false;
	}
	return true;
}

static void follow(const struct run *r, struct vm *vms, int n,
		   bool (*until)(const struct vm *vms, int n), const char *what)
{
	uint64_t end = clock_mono() + PATIENCE_NS;

	while (!until(vms, n)) {
		json_t *report = next(r);

		assert_non_null(report);
		take_report(report, vms, n);
		json_decref(report);
		if (clock_mono() > end)
			fail_msg("a VM is not %s after a minute", what);
	}
}

static int by_delay(const void *a, const void *b)
{
	uint64_t x = ((const struct vm *)a)->delay, y = ((const struct vm *)b)->delay;

	return x < y ? -1 : x > y;
}

/* The total has each of them, one by one or in the sum of those that ended before. */
static void check_total(const struct run *r, struct vm *vms)
{
	json_t *report = next(r);
	const json_t *ended, *vm;
	double wall, expected = 0;
	size_t i;

	while (strcmp(json_string_value(json_object_get(report, "kind")), "total") != 0) {
		take_report(report, vms, VMS + 1);
		json_decref(report);
		report = next(r);
		assert_non_null(report);
	}
	check_identity(report);
	ended = json_object_get(report, "ended");
	assert_true(fabs(sum_of_states(ended) - number(ended, "wall_seconds")) < 1e-8);
	wall = number(ended, "wall_seconds");
	json_array_foreach(json_object_get(report, "vms"), i, vm)
		wall += number(vcpu_of(vm, 0), "wall_seconds");
	for (int k = 0; k <= VMS; k++)
		expected += vms[k].wall;
	assert_int_equal(i + (size_t)number(ended, "vms"), VMS + 1);
	if (fabs(wall - expected) > 1e-5)
		fail_msg("%.9f s in all, the intervals have %.9f s", wall, expected);
	json_decref(report);
}

static void none_is_missed_and_none_is_kept(void **state)
{
	static struct vm vms[VMS + 1];
	struct run r;

	(void)state;
	start_vm(&vms[0], NULL, own("hundred"), "CPU 0/TCG", NULL);
	wait_for_vcpu(&vms[0]);
	LEDGER(&r, "-d", "0.1", own("hundred*"));
	for (int i = 1; i <= VMS; i += AT_ONCE) {
		for (int k = i; k < i + AT_ONCE; k++)
			start_vm(&vms[k], NULL, own("hundred-x"), "CPU 0/TCG", NULL);
		follow(&r, vms, i + AT_ONCE, all_seen, "seen");
		for (int k = i; k < i + AT_ONCE; k++)
			end_vm(&vms[k]);
		follow(&r, vms, i + AT_ONCE, all_over, "over");
	}
	kill(r.pid, SIGINT);
	check_total(&r, vms);
	assert_int_equal(finish(&r, NULL, 0), 0);
	end_vm(&vms[0]);
	qsort(vms + 1, VMS, sizeof(vms[0]), by_delay);
	print_message("from a vCPU's start to its report: median %.3f s, worst %.3f s\n",
		      ns_to_s(vms[VMS / 2].delay), ns_to_s(vms[VMS].delay));
	assert_true(vms[VMS / 2].delay < NS_PER_SEC);
}

/* ---- who is who ---- */

static const char *text(const json_t *o, const char *key)
{
	return json_string_value(json_object_get(o, key));
}

/* The older one has the name, the other one its process id behind it, whichever is found first. */
static void check_twins(const json_t *report, const struct vm *older, const struct vm *younger)
{
	const json_t *a = vm_of(report, older->pid), *b = vm_of(report, younger->pid);
	char other[64];

	snprintf(other, sizeof(other), "%s#%d", younger->name, younger->pid);
	assert_string_equal(text(a, "name"), older->name);
	assert_string_equal(text(b, "name"), other);
	assert_string_equal(text(a, "called"), older->name);
	assert_string_equal(text(b, "called"), older->name);
}

/* One that comes and goes leaves the others' names as they are, and its own to the next one. */
static void names_are_kept_and_given_back(void **state)
{
	struct vm a, b, c;
	json_t *report = NULL;
	struct run r;

	(void)state;
	start_vm(&a, NULL, own("kept"), "CPU 0/TCG", NULL);
	wait_for_vcpu(&a);
	usleep(30000); /* /proc has the start to 10 ms */
	start_vm(&b, NULL, own("kept"), "CPU 0/TCG", NULL);
	wait_for_vcpu(&b);
	LEDGER(&r, "-d", "0.1", own("kept"));
	report = next(&r);
	check_twins(report, &a, &b);
	end_vm(&a);
	while (vm_of(report, a.pid)) {
		json_decref(report);
		report = next(&r);
	}
	start_vm(&c, NULL, own("kept"), "CPU 0/TCG", NULL);
	while (!vm_of(report, c.pid)) {
		json_decref(report);
		report = next(&r);
	}
	check_twins(report, &c, &b); /* as it was, though older */
	json_decref(report);
	kill(r.pid, SIGTERM);
	finish(&r, NULL, 0);
	end_vm(&b);
	end_vm(&c);
}

/* A number is the id before it is a process; of two VMs, either must be said. */
static void ids_of_a_manager(void **state)
{
	char id[16], said[1024], wish[64];
	struct vm vm, other, confusing;
	json_t *report;
	struct run r;

	(void)state;
	start_vm(&other, NULL, own("by-pid"), "CPU 0/TCG", NULL);
	start_vm_with_id(&vm, "999000101", own("pve"));
	wait_for_vcpu(&other);
	wait_for_vcpu(&vm);
	LEDGER(&r, "-n", "1", "-d", "0.1", "999000101");
	report = next(&r);
	assert_int_equal(json_array_size(json_object_get(report, "vms")), 1);
	assert_string_equal(text(vm_of(report, vm.pid), "id"), "999000101");
	assert_string_equal(text(vm_of(report, vm.pid), "name"), vm.name);
	assert_string_equal(text(vm_of(report, vm.pid), "manager"), "proxmox");
	json_decref(report);
	assert_int_equal(finish(&r, NULL, 0), 0);

	snprintf(id, sizeof(id), "%d", other.pid);
	start_vm_with_id(&confusing, id, own("confusing"));
	wait_for_vcpu(&confusing);
	LEDGER(&r, "-n", "1", "-d", "0.1", id);
	assert_int_equal(finish(&r, said, sizeof(said)), 1);
	snprintf(wish, sizeof(wish), "id=%s or pid=%s", id, id);
	assert_non_null(strstr(said, wish));
	snprintf(wish, sizeof(wish), "pid=%s", id);
	LEDGER(&r, "-n", "1", "-d", "0.1", wish);
	report = next(&r);
	assert_non_null(vm_of(report, other.pid));
	assert_null(vm_of(report, confusing.pid));
	json_decref(report);
	finish(&r, NULL, 0);
	snprintf(wish, sizeof(wish), "id=%s", id);
	LEDGER(&r, "-n", "1", "-d", "0.1", wish);
	report = next(&r);
	assert_null(vm_of(report, other.pid));
	assert_non_null(vm_of(report, confusing.pid));
	json_decref(report);
	finish(&r, NULL, 0);
	end_vm(&vm);
	end_vm(&other);
	end_vm(&confusing);
}

static void names_and_processes(void **state)
{
	struct vm a, b, other;
	char said[1024];
	struct run r;
	json_t *report;

	(void)state;
	start_vm(&a, NULL, own("twin"), "CPU 0/TCG", NULL);
	start_vm(&b, NULL, own("twin"), "CPU 0/TCG", NULL);
	start_vm(&other, NULL, own("odd\xe2\x80\xaeman"), "CPU 0/TCG", NULL);
	wait_for_vcpu(&a);
	wait_for_vcpu(&b);
	wait_for_vcpu(&other);
	LEDGER(&r, "-n", "1", "-d", "0.1", own("tw?n"));
	report = next(&r);
	assert_int_equal(json_array_size(json_object_get(report, "vms")), 2);
	assert_non_null(vm_of(report, a.pid));
	assert_non_null(vm_of(report, b.pid));
	json_decref(report);
	assert_int_equal(finish(&r, said, sizeof(said)), 0);
	LEDGER(&r, "-n", "1", "-d", "0.1", own("odd?man"));
	report = next(&r);
	assert_non_null(vm_of(report, other.pid));
	json_decref(report);
	finish(&r, NULL, 0);
	LEDGER(&r, "-n", "1", "nobody");
	assert_int_equal(finish(&r, said, sizeof(said)), 1);
	assert_non_null(strstr(said, "nobody"));
	assert_non_null(strstr(said, "twin"));
	end_vm(&a);
	end_vm(&b);
	end_vm(&other);
}

/* One whose vCPUs cannot be told from its other threads, with one that is well. */
static void what_is_missing_is_said(void **state)
{
	char program[64], said[1024], self[512] = "";
	struct vm well, mute;
	struct run r;
	json_t *report;

	(void)state;
	snprintf(program, sizeof(program), "%s/qemu-system-x86_64", directory);
	assert_true(readlink("/proc/self/exe", self, sizeof(self) - 1) > 0);
	assert_int_equal(symlink(self, program), 0);
	start_vm(&well, NULL, own("mixed-well"), "CPU 0/TCG", NULL);
	start_vm(&mute, program, own("mixed-mute"), "", NULL);
	wait_for_vcpu(&well);
	wait_for_vcpu(&mute);
	sleep(3); /* before that it may still be about to name them */
	LEDGER(&r, "-n", "1", "-d", "0.1", own("mixed-*"));
	report = next(&r);
	assert_non_null(vm_of(report, well.pid));
	assert_null(vm_of(report, mute.pid));
	assert_int_equal(number(json_array_get(json_object_get(report, "unseen"), 0), "pid"),
			 mute.pid);
	json_decref(report);
	assert_int_equal(finish(&r, said, sizeof(said)), 0);
	assert_non_null(strstr(said, "mixed-mute"));
	assert_non_null(strstr(said, "debug-threads=on"));
	end_vm(&well);
	end_vm(&mute);
	unlink(program);
}

static bool has_two(const struct vm *v, const json_t *report)
{
	const json_t *vm = vm_of(report, v->pid);

	return json_array_size(json_object_get(vm, "vcpus")) == 2;
}

/* It is asked for as what `word` says. */
static void grow(struct vm *v, const char *word)
{
	uint64_t end = clock_mono() + PATIENCE_NS;
	char said[1024];
	json_t *report = NULL;
	bool two = false;
	struct run r;

	LEDGER(&r, "-d", "0.1", word);
	for (int i = 0; i < 15; i++) /* it is no more about to start by then */
		json_decref(next(&r));
	kill(v->pid, SIGHUP);
	while (!two && clock_mono() < end) {
		report = next(&r);
		check_identity(report);
		two = has_two(v, report);
		json_decref(report);
		report = NULL;
	}
	assert_true(two);
	assert_true(updates_of(v) > 0);
	kill(r.pid, SIGINT);
	do {
		json_decref(report);
		report = next(&r);
	} while (report);
	assert_int_equal(finish(&r, said, sizeof(said)), 0);
	assert_non_null(strstr(said, "other vCPUs"));
}

static void a_vm_that_grows_begins_again(void **state)
{
	char pid[32];
	struct vm v;

	(void)state;
	start_vm(&v, NULL, own("growing"), "CPU 0/TCG", "CPU 1/TCG");
	wait_for_vcpu(&v);
	grow(&v, own("growing"));
	end_vm(&v);
	start_vm(&v, NULL, own("growing"), "CPU 0/TCG", "CPU 1/TCG");
	wait_for_vcpu(&v);
	snprintf(pid, sizeof(pid), "pid=%d", v.pid);
	grow(&v, pid);
	end_vm(&v);
}

/* What the first page of this VM says in reports, until it is `why`. */
static void wait_for_page(const struct run *r, const struct vm *v, const char *why)
{
	uint64_t end = clock_mono() + PATIENCE_NS;
	char last[200] = "nothing";

	while (clock_mono() < end) {
		json_t *report = next(r);
		const json_t *pages = json_object_get(vm_of(report, v->pid), "pages");
		const char *said = json_string_value(
			json_object_get(json_array_get(pages, 0), "why"));

		if (json_array_size(pages))
			snprintf(last, sizeof(last), "%s", said ? said : "");
		json_decref(report);
		if (!strcmp(last, why))
			return;
	}
	fail_msg("the page is '%s', not '%s'", last, why);
}

static void wait_for_update(const struct run *r, const struct vm *v)
{
	for (uint64_t end = clock_mono() + PATIENCE_NS; !updates_of(v) && clock_mono() < end;)
		json_decref(next(r));
	assert_true(updates_of(v) > 0);
}

/* Its owner puts the file right while the VM runs; a VM that spoils its page gets it back, and what
 * somebody else has written over it stays theirs. */
static void a_page_is_put_right(void **state)
{
	static const char garbage[] = "somebody's disk", theirs[] = "KVMFR---";
	char said[1024];
	struct vm v;
	struct run r;
	int fd;

	(void)state;
	start_vm(&v, NULL, own("spoilt"), "CPU 0/TCG", NULL);
	wait_for_vcpu(&v);
	fd = open(v.file, O_RDWR | O_CLOEXEC);
	assert_int_equal(pwrite(fd, garbage, sizeof(garbage), 0), sizeof(garbage));
	LEDGER(&r, "-d", "0.1", own("spoilt"));
	wait_for_page(&r, &v, "it holds something else than a page");
	assert_int_equal(ftruncate(fd, 0), 0);
	assert_int_equal(ftruncate(fd, PAGE_BYTES), 0);
	wait_for_page(&r, &v, "");
	assert_int_equal(ftruncate(fd, 0), 0);
	assert_int_equal(ftruncate(fd, PAGE_BYTES), 0);
	wait_for_update(&r, &v);
	wait_for_page(&r, &v, "");
	assert_int_equal(pwrite(fd, theirs, sizeof(theirs), 0), sizeof(theirs));
	wait_for_page(&r, &v, "something else was written over it");
	assert_int_equal(ftruncate(fd, 0), 0);
	assert_int_equal(ftruncate(fd, PAGE_BYTES), 0);
	for (int i = 0; i < 30; i++)
		json_decref(next(&r));
	assert_int_equal(updates_of(&v), 0);
	kill(r.pid, SIGINT);
	finish(&r, said, sizeof(said));
	assert_non_null(strstr(said, "written again"));
	close(fd);
	end_vm(&v);
}

/* Nobody reads what it prints: its pipe is full at last, and pages are written on. */
static void pages_wait_for_no_reader(void **state)
{
	uint64_t end = clock_mono() + PATIENCE_NS, updates;
	char said[1024];
	struct run r;
	struct vm v;
	int waiting = 0;

	(void)state;
	start_vm(&v, NULL, own("unread"), "CPU 0/TCG", NULL);
	wait_for_vcpu(&v);
	LEDGER(&r, "-d", "0.05", own("unread"));
	fcntl(fileno(r.out), F_SETPIPE_SZ, 4096);
	json_decref(next(&r));
	for (int before = -1; before != waiting || !waiting; usleep(300000)) {
		before = waiting;
		assert_int_equal(ioctl(fileno(r.out), FIONREAD, &waiting), 0);
	}
	updates = updates_of(&v);
	while (updates_of(&v) < updates + 50 && clock_mono() < end)
		usleep(20000);
	assert_true(updates_of(&v) >= updates + 50);
	kill(r.pid, SIGINT); /* and it can be ended */
	assert_int_equal(finish(&r, said, sizeof(said)), 1);
	assert_non_null(strstr(said, "report is lost"));
	end_vm(&v);
}

/* ---- PID namespaces ---- */

/* This program with a PID namespace, a /proc and a `directory` of its own; what it prints can be
 * read from *ret. Returns the process that waits for it. */
static pid_t start_contained(const char *what, FILE **ret)
{
	int out[2];
	pid_t pid;

	assert_int_equal(pipe2(out, O_CLOEXEC), 0);
	*ret = fdopen(out[0], "r");
	pid = fork();
	if (pid) {
		close(out[1]);
		return pid;
	}
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (unshare(CLONE_NEWPID | CLONE_NEWNS) ||
	    mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL))
		_exit(1);
	pid = fork();
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		dup2(out[1], STDOUT_FILENO);
		if (!mount("proc", "/proc", "proc", 0, NULL) &&
		    !mount("tmpfs", directory, "tmpfs", 0, NULL))
			execl("/proc/self/exe", "contained", what, desched, directory, NULL);
		_exit(1);
	}
	waitpid(pid, NULL, 0);
	_exit(0);
}

/* In there: a VM, and with "ledger" one of that VM, whose report is printed. */
static int contained(const char *what)
{
	json_t *report;
	struct run r;
	struct vm v;

	start_vm(&v, NULL, "contained", "CPU 0/TCG", NULL);
	wait_for_vcpu(&v);
	printf("{}\n"); /* it runs */
	fflush(stdout);
	while (strcmp(what, "ledger") != 0)
		pause();
	LEDGER(&r, "-n", "1", "-d", "1", "--gaps", "contained");
	report = next(&r);
	json_object_set_new(report, "expected_pid", json_integer(v.pid));
	json_object_set_new(report, "updates", json_integer((json_int_t)updates_of(&v)));
	json_dumpf(report, stdout, 0);
	json_decref(report);
	return finish(&r, NULL, 0);
}

static void end_contained(pid_t pid, FILE *out)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	fclose(out);
}

/* Its vCPU works for a twentieth of the time, and waits for that where the CPUs are busy. */
static void check_measured(const json_t *report, const json_t *vm)
{
	const json_t *seconds = json_object_get(vcpu_of(vm, 0), "seconds");

	check_identity(report);
	if (!vm || number(seconds, "run") + number(seconds, "ready") < 0.01)
		fail_msg("%s", json_dumps(report, JSON_INDENT(1)));
}

static const char *usual_source(void)
{
	static char source[16];
	struct run r;
	json_t *report;
	struct vm v;

	start_vm(&v, NULL, own("usual"), "CPU 0/TCG", NULL);
	wait_for_vcpu(&v);
	LEDGER(&r, "-n", "1", "-d", "0.1", own("usual"));
	report = next(&r);
	strcpy(source, json_string_value(json_object_get(report, "source")));
	json_decref(report);
	finish(&r, NULL, 0);
	end_vm(&v);
	return source;
}

static void ledger_in_a_pid_namespace(void **state)
{
	const json_t *gap;
	json_t *report;
	FILE *out;
	size_t i;
	pid_t pid = start_contained("ledger", &out);

	(void)state;
	json_decref(json_loadf(out, JSON_DISABLE_EOF_CHECK, NULL));
	report = json_loadf(out, JSON_DISABLE_EOF_CHECK, NULL);
	assert_non_null(report);
	check_measured(report, vm_of(report, (pid_t)number(report, "expected_pid")));
	assert_string_equal(json_string_value(json_object_get(report, "source")), usual_source());
	assert_true(number(report, "updates") > 0);
	/* who ran instead: its ids there are small ones, or it is somebody outside */
	json_array_foreach(json_object_get(report, "gaps"), i, gap)
		assert_true(number(gap, "by") < 100);
	json_decref(report);
	end_contained(pid, out);
}

static void vm_in_a_container(void **state)
{
	const json_t *vm;
	json_t *report;
	struct run r;
	FILE *out;
	pid_t pid = start_contained("vm", &out);
	const json_t *page;

	(void)state;
	json_decref(json_loadf(out, JSON_DISABLE_EOF_CHECK, NULL));
	LEDGER(&r, "-n", "1", "-d", "1", "contained");
	report = next(&r);
	vm = json_array_get(json_object_get(report, "vms"), 0);
	page = json_array_get(json_object_get(vm, "pages"), 0);
	check_measured(report, vm);
	assert_true(json_is_true(json_object_get(page, "written")));
	json_decref(report);
	assert_int_equal(finish(&r, NULL, 0), 0);
	end_contained(pid, out);
}

static int set_up(void **state)
{
	(void)state;
	return mkdtemp(directory) ? 0 : -1;
}

static int tear_down(void **state)
{
	(void)state;
	return rmdir(directory);
}

int main(int argc, char **argv)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(none_is_missed_and_none_is_kept),
		cmocka_unit_test(names_and_processes),
		cmocka_unit_test(names_are_kept_and_given_back),
		cmocka_unit_test(ids_of_a_manager),
		cmocka_unit_test(what_is_missing_is_said),
		cmocka_unit_test(a_vm_that_grows_begins_again),
		cmocka_unit_test(a_page_is_put_right),
		cmocka_unit_test(pages_wait_for_no_reader),
		cmocka_unit_test(ledger_in_a_pid_namespace),
		cmocka_unit_test(vm_in_a_container),
	};

	if (argc > 8)
		return become_vm(argc, argv);
	before_others(); /* how soon it sees a VM is judged, not how busy others are */
	desched = argv[argc - 1];
	if (argc == 4) {
		desched = argv[2];
		strcpy(directory, argv[3]);
		return contained(argv[1]);
	}
	if (argc != 2 || geteuid() != 0) {
		printf("skipped: needs root\n");
		return 77;
	}
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
