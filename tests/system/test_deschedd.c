/* SPDX-License-Identifier: MIT */
/*
 * deschedd as a service: what it gives up, VMs that come and go under it, pages that change hands,
 * a full ledger, and whoever talks to it. The VMs are this program, run with words such as QEMU's.
 * What it remembers and its metrics are unit/test_deschedd.c's, whether ledgers are right
 * test_host_ledger.c's and test_top_host.c's. Needs root and BPF.
 *
 *     test_deschedd DESCHEDD DESCHED [VMS]
 */
#include "base/clock.h"
#include "base/proc.h"
#include "base/units.h"
#include "before_others.h"
#include "daemon_unit.h"
#include "needs_bpf.h"
#include "own_pids.h"
#include "page_vm.h"

#include <desched/page.h>
#include <errno.h>
#include <grp.h>
#include <math.h>
#include <sys/resource.h>

#define AT_ONCE	     50
#define RESIDENT_MAX (32 * 1024) /* KiB */
#define STRANGER     12345

static const char *desched;
static int n_vms = 200;

static double number(const json_t *o, const char *key)
{
	return json_number_value(json_object_get(o, key));
}

static const json_t *vm_of(const json_t *frame, pid_t pid)
{
	const json_t *vm;
	size_t i;

	json_array_foreach(json_object_get(frame, "vms"), i,
			   vm) if ((pid_t)number(vm, "pid") == pid) return vm;
	return NULL;
}

/* The host now, and what ended since `last`, which may be NULL and is released. */
static json_t *next_frame(const struct service *s, json_t *last)
{
	char line[128] = "{\"get\":\"frame\"}";
	json_t *o;

	if (last)
		snprintf(line, sizeof(line),
			 "{\"get\":\"frame\",\"session\":\"%s\",\"since_ns\":%.0f}",
			 json_string_value(json_object_get(last, "session")),
			 number(last, "elapsed_ns"));
	o = ask_with(s, line);
	json_decref(last);
	return o;
}

/* Until the VM is in a frame, with or without its end. */
static json_t *await_vm(const struct service *s, pid_t pid)
{
	uint64_t end = clock_mono() + PATIENCE_NS;

	for (;;) {
		json_t *frame = next_frame(s, NULL);

		if (vm_of(frame, pid))
			return frame;
		json_decref(frame);
		if (clock_mono() > end)
			fail_msg("process %d is not measured after a minute", pid);
		usleep(20000);
	}
}

static void await_updates(const struct vm *v, uint64_t more)
{
	uint64_t end = clock_mono() + PATIENCE_NS, begin = updates_of(v);

	while (updates_of(v) < begin + more) {
		usleep(10000);
		if (clock_mono() > end)
			fail_msg("the page of %s is not written", v->name);
	}
}

static void await_log(const struct service *s, const char *what)
{
	uint64_t end = clock_mono() + PATIENCE_NS;
	char text[16384] = "";

	while (file_read(s->log, text, sizeof(text)) < 0 || !strstr(text, what)) {
		usleep(20000);
		if (clock_mono() > end)
			fail_msg("the log has no '%s':\n%s", what, text);
	}
}

/* ---- privilege ---- */

static void privilege_is_given_up(void **state)
{
	struct service *s = *state;
	uint64_t kept = UINT64_C(1) << CAP_SYS_PTRACE | UINT64_C(1) << CAP_DAC_READ_SEARCH;
	struct stat st;

	assert_int_equal(status_field(s->pid, "Uid:", 10), getpwnam("nobody")->pw_uid);
	assert_int_equal(status_field(s->pid, "CapPrm:", 16), kept);
	assert_int_equal(status_field(s->pid, "CapEff:", 16), kept);
	assert_int_equal(status_field(s->pid, "CapBnd:", 16), 0);
	assert_int_equal(status_field(s->pid, "NoNewPrivs:", 10), 1);
	assert_int_equal(stat(s->socket, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0660);
	assert_int_equal(st.st_gid, getgrnam("daemon")->gr_gid);
#ifndef DESCHED_ASAN /* which has no filter, and its own ideas of memory */
	assert_int_equal(status_field(s->pid, "Seccomp:", 10), 2);
	assert_true(status_field(s->pid, "VmRSS:", 10) <= RESIDENT_MAX);
#endif
	stop(s);
	expect_told(s, "STOPPING=1");
	spawn(s); /* the socket is left behind: the next one takes over */
	expect_told(s, "READY=1\nSTATUS=source bpf");
	json_decref(ask(s, "version"));
}

/* Neither the daemon's owner nor in its group. */
static void others_are_refused(void **state)
{
	const struct service *s = *state;
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int status;
	pid_t pid;

	snprintf(address.sun_path, sizeof(address.sun_path), "%s", s->socket);
	pid = fork();
	if (pid == 0) {
		int fd = socket(AF_UNIX, SOCK_STREAM, 0);

		if (setgroups(0, NULL) || setgid(STRANGER) || setuid(STRANGER))
			_exit(1);
		_exit(connect(fd, (struct sockaddr *)&address, sizeof(address)) && errno == EACCES
			      ? 0
			      : 2);
	}
	waitpid(pid, &status, 0);
	assert_int_equal(status, 0);
}

/* ---- VMs that come and go ---- */

/* ns from the start of its vCPU's thread to now. */
static uint64_t age_of(const struct vm *v, pid_t tid, uint64_t now)
{
	struct proc_stat stat;

	assert_int_equal(proc_read_stat(v->pid, tid, &stat), 0);
	return now - stat.start_ns;
}

struct crowd {
	struct vm vms[AT_ONCE];
	uint64_t ledger[AT_ONCE], page[AT_ONCE]; /* ns: until it was there */
};

static uint64_t delays[2][10000];
static int n_delays;

/* Until each has a page; how long that took by the clock since boot, as its start is. */
static void await_pages(struct crowd *c)
{
	uint64_t end = clock_mono() + PATIENCE_NS;
	int missing = AT_ONCE;

	while (missing) {
		missing = 0;
		for (int i = 0; i < AT_ONCE; i++) {
			if (!c->page[i] && updates_of(&c->vms[i]))
				c->page[i] = clock_boot();
			missing += !c->page[i];
		}
		usleep(5000);
		if (clock_mono() > end)
			fail_msg("%d VMs have no page after a minute", missing);
	}
}

static void note_delays(struct crowd *c, const json_t *frame)
{
	uint64_t boot = clock_boot() - clock_mono(); /* of the two clocks */

	for (int i = 0; i < AT_ONCE; i++) {
		const json_t *vm = vm_of(frame, c->vms[i].pid);
		const json_t *vcpu = json_array_get(json_object_get(vm, "vcpus"), 0);
		pid_t tid = (pid_t)number(vcpu, "tid");

		assert_non_null(vm);
		assert_false(json_is_true(json_object_get(vm, "ended")));
		delays[0][n_delays] = age_of(&c->vms[i], tid,
					     (uint64_t)number(vm, "since_ns") + boot);
		delays[1][n_delays++] = age_of(&c->vms[i], tid, c->page[i]);
	}
}

/* Each is told to have ended once. */
static json_t *await_ends(const struct service *s, struct crowd *c, json_t *frame)
{
	uint64_t end = clock_mono() + PATIENCE_NS;
	int ended = 0;

	while (ended < AT_ONCE) {
		frame = next_frame(s, frame);
		for (int i = 0; i < AT_ONCE; i++) {
			const json_t *vm = vm_of(frame, c->vms[i].pid);

			if (!vm || !json_is_true(json_object_get(vm, "ended")))
				continue;
			assert_false(c->vms[i].ended);
			c->vms[i].ended = true;
			ended++;
		}
		if (clock_mono() > end)
			fail_msg("%d ends were not told after a minute", AT_ONCE - ended);
		usleep(20000);
	}
	return frame;
}

static int by_size(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

static void none_is_missed_and_none_is_kept(void **state)
{
	const struct service *s = *state;
	json_t *frame = next_frame(s, NULL);

	for (int n = 0; n < n_vms; n += AT_ONCE) {
		struct crowd c = {.page = {0}};

		for (int i = 0; i < AT_ONCE; i++)
			start_vm(&c.vms[i], NULL, own("crowd"), "CPU 0/TCG", NULL);
		await_pages(&c);
		frame = next_frame(s, frame);
		note_delays(&c, frame);
		for (int i = 0; i < AT_ONCE; i++)
			end_vm(&c.vms[i]);
		frame = await_ends(s, &c, frame);
	}
	frame = next_frame(s, frame);
	assert_int_equal(number(json_object_get(frame, "counters"), "vms_came"), n_vms);
	assert_int_equal(number(frame, "not_measured"), 0);
	assert_int_equal(json_array_size(json_object_get(frame, "vms")), 0);
	json_decref(frame);
	for (int k = 0; k < 2; k++) {
		qsort(delays[k], (size_t)n_delays, sizeof(delays[k][0]), by_size);
		print_message("from a vCPU's start to its %s: median %.3f s, worst %.3f s of %d\n",
			      k ? "page" : "ledger", ns_to_s(delays[k][n_delays / 2]),
			      ns_to_s(delays[k][n_delays - 1]), n_delays);
		assert_true(delays[k][n_delays / 2] < NS_PER_SEC);
	}
}

/* It starts among VMs that are busy, and logs their waits from the first one on. */
static void it_starts_among_others(void **state)
{
	static struct vm vms[AT_ONCE];
	struct service *s;

	for (int i = 0; i < AT_ONCE; i++)
		start_vm(&vms[i], NULL, own("early"), "CPU 0/TCG", NULL);
	for (int i = 0; i < AT_ONCE; i++)
		wait_for_vcpu(&vms[i]);
	setup(state);
	s = *state;
	write_config(s, "[gaps]\nthreshold = 1us\n");
	spawn(s);
	expect_told(s, "READY=1\nSTATUS=source bpf, 50 VMs");
	await_log(s, " of early");
	await_log(s, "(source bpf)");
	json_decref(await_vm(s, vms[0].pid));
	for (int i = 0; i < AT_ONCE; i++)
		end_vm(&vms[i]);
}

/* ---- pages ---- */

static uint64_t session_of(const struct vm *v)
{
	struct page_reader page;
	uint64_t session = 0;
	int fd = open(v->file, O_RDONLY);
	void *base = mmap(NULL, PAGE_BYTES, PROT_READ, MAP_SHARED, fd, 0);

	if (base != MAP_FAILED && !page_attach(base, PAGE_BYTES, &page))
		session = page.header.session;
	munmap(base, PAGE_BYTES);
	close(fd);
	return session;
}

static const char *why_not(const json_t *frame, pid_t pid)
{
	const json_t *pages = json_object_get(vm_of(frame, pid), "pages");

	return json_string_value(json_object_get(json_array_get(pages, 0), "why"));
}

/* Two of them: the second waits for the page, and has it soon after the first was killed. */
static void a_page_changes_hands(void **state)
{
	struct service *first = *state, *second;
	void *other = NULL;
	uint64_t session, killed;
	json_t *frame;
	struct vm v;

	start_vm(&v, NULL, own("page"), "CPU 0/TCG", NULL);
	json_decref(await_vm(first, v.pid));
	await_updates(&v, 10);
	session = session_of(&v);
	start(&other);
	second = other;
	frame = await_vm(second, v.pid);
	assert_non_null(why_not(frame, v.pid));
	assert_non_null(strstr(why_not(frame, v.pid), "another"));
	json_decref(frame);
	await_updates(&v, 10);
	assert_true(session_of(&v) == session);
	killed = clock_mono();
	kill(first->pid, SIGKILL);
	waitpid(first->pid, NULL, 0);
	first->pid = 0;
	while (session_of(&v) == session) {
		assert_true(clock_mono() < killed + PATIENCE_NS);
		usleep(5000);
	}
	print_message("the page was taken over after %.3f s\n", ns_to_s(clock_mono() - killed));
	await_updates(&v, 10);
	frame = next_frame(second, NULL);
	assert_null(why_not(frame, v.pid));
	json_decref(frame);
	stop(second);
	teardown(&other);
	assert_int_equal(waitpid(v.pid, NULL, WNOHANG), 0); /* it runs, as before */
	end_vm(&v);
}

/* ---- desched ledger ---- */

/* A report is the difference of two frames: of a VM that was there before, less than the daemon has;
 * of one that ends, its end once. */
static void the_ledger_is_asked_for(void **state)
{
	const struct service *s = *state;
	double wall = 0, seconds = 0, run = 0;
	json_t *report, *frame;
	char command[512];
	const json_t *vcpu;
	struct vm v;
	int n = 0;
	FILE *out;

	start_vm(&v, NULL, own("asked"), "CPU 0/TCG", NULL);
	json_decref(await_vm(s, v.pid));
	sleep_ms(1500);
	snprintf(command, sizeof(command), "%s ledger --socket %s --json -n 3 -d 0.3 '%s'", desched,
		 s->socket, v.name);
	out = popen(command, "r");
	assert_non_null(out);
	for (; (report = json_loadf(out, JSON_DISABLE_EOF_CHECK, NULL)); n++) {
		bool total = !strcmp(json_string_value(json_object_get(report, "kind")), "total");
		const json_t *vm = json_array_get(json_object_get(report, "vms"), 0);

		assert_int_equal(total, n == 3);
		assert_int_equal(number(vm, "pid"), v.pid);
		vcpu = json_array_get(json_object_get(vm, "vcpus"), 0);
		if (total) {
			assert_true(fabs(number(vcpu, "wall_seconds") - wall) < 1e-6);
			assert_true(fabs(number(report, "seconds") - seconds) < 1e-6);
		}
		wall += number(vcpu, "wall_seconds");
		seconds += number(report, "seconds");
		run += number(json_object_get(vcpu, "seconds"), "run");
		json_decref(report);
	}
	assert_int_equal(pclose(out), 0);
	assert_int_equal(n, 4);
	assert_true(fabs(wall - seconds) < 1e-3 && run > 0);
	frame = next_frame(s, NULL); /* 1.5 s are not in them */
	assert_true(number(frame, "elapsed_ns") / 1e9 > seconds / 2 + 1.4);
	json_decref(frame);
	snprintf(command, sizeof(command), "%s ledger --socket %s -n 1 nobody 2>/dev/null", desched,
		 s->socket);
	assert_int_not_equal(system(command), 0);
	end_vm(&v);
}

/* ---- recordings ---- */

/* What the tables of a recording have of one VM. */
struct replayed {
	double run; /* s */
	int tables; /* that have it */
	int ends;   /* that say it has ended */
};

static struct replayed replay(const char *file, const char *more, pid_t pid)
{
	struct replayed sum = {0};
	char command[512];
	json_t *table;
	FILE *out;

	snprintf(command, sizeof(command), "%s top --replay %s -b --json %s", desched, file, more);
	out = popen(command, "r");
	assert_non_null(out);
	while ((table = json_loadf(out, JSON_DISABLE_EOF_CHECK, NULL))) {
		const json_t *vm = vm_of(table, pid);

		assert_string_equal(json_string_value(json_object_get(table, "schema")),
				    "desched-top-host/1");
		sum.run += number(vm, "run") * number(table, "seconds");
		sum.tables += vm != NULL;
		sum.ends += json_is_true(json_object_get(vm, "ended"));
		json_decref(table);
	}
	assert_int_equal(pclose(out), 0);
	return sum;
}

/* One VM that stays and one that ends in mid-recording: tables of every frame and one of all have the
 * same of both; a frame of ledgers that are skipped loses no end. */
static void a_recording_of_a_host(void **state)
{
	const struct service *s = *state;
	struct replayed each, all;
	char file[128], command[512];
	struct vm stays, ends;
	FILE *recorder;

	start_vm(&stays, NULL, own("stays"), "CPU 0/TCG", NULL);
	start_vm(&ends, NULL, own("ends"), "CPU 0/TCG", NULL);
	json_decref(await_vm(s, stays.pid));
	json_decref(await_vm(s, ends.pid));
	snprintf(file, sizeof(file), "%s/host.rec", s->dir);
	snprintf(command, sizeof(command), "%s record --host -q -d 0.2 -n 10 --socket %s %s",
		 desched, s->socket, file);
	recorder = popen(command, "r");
	assert_non_null(recorder);
	sleep_ms(700);
	end_vm(&ends);
	assert_int_equal(pclose(recorder), 0);
	end_vm(&stays);
	each = replay(file, "", stays.pid);
	all = replay(file, "-d 3600", stays.pid);
	assert_true(each.tables == 9 && all.tables == 1 && !each.ends && !all.ends);
	assert_true(each.run > 0 && fabs(each.run - all.run) < 1e-6);
	each = replay(file, "", ends.pid);
	all = replay(file, "-d 3600", ends.pid);
	assert_true(each.tables >= 1 && each.tables < 9 && each.ends == 1);
	assert_true(all.tables == 1 && all.ends == 1 && fabs(each.run - all.run) < 1e-6);
	/* Its VMs are among those that a file of figures has. */
	snprintf(command, sizeof(command), "%s data %s | grep -q '%s'", desched, file,
		 own("stays"));
	assert_int_equal(system(command), 0);
}

/* Files that end at a quarter of what there may be, of which the oldest go. */
static void recordings_are_bounded(void **state)
{
	const struct service *s = *state;
	char command[512];

	snprintf(command, sizeof(command),
		 "d=%s/rotated && mkdir $d && "
		 "for i in 1 2 3 4; do head -c 1100000 /dev/zero >$d/2026010${i}T000000Z.rec; done "
		 "&& "
		 "%s record --host -q -n 1 --socket %s --rotate 3600 --most 4 $d && "
		 "ls $d | head -n 1 | grep -q 20260103T && [ $(ls $d | wc -l) = 3 ]",
		 s->dir, desched, s->socket);
	assert_int_equal(system(command), 0);
}

/* ---- a full ledger ---- */

#define CROWD 1024 /* vCPUs of a VM, of which four fill the ledger */

static void *sleeper(void *number)
{
	char name[16];

	snprintf(name, sizeof(name), "CPU %d/TCG", (int)(intptr_t)number);
	prctl(PR_SET_NAME, name);
	pause();
	return NULL;
}

/* VM -name NAME crowd N */
static int become_crowd(const char *number)
{
	pthread_attr_t attr;
	pthread_t t;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, 64 * KIB);
	for (int i = 0; i < atoi(number); i++)
		if (pthread_create(&t, &attr, sleeper, (void *)(intptr_t)i))
			return 1;
	for (;;)
		pause();
}

static pid_t start_crowd(const char *name, int n)
{
	pid_t pid = fork();
	char number[16];

	if (pid)
		return pid;
	snprintf(number, sizeof(number), "%d", n);
	execl("/proc/self/exe", "qemu", "-name", name, "crowd", number, NULL);
	_exit(127);
}

static void end_crowd(pid_t pid)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

static void await_vcpus(const struct service *s, pid_t pid, size_t n)
{
	uint64_t end = clock_mono() + PATIENCE_NS;
	size_t found = 0;

	while (found < n) {
		json_t *frame = next_frame(s, NULL);

		found = json_array_size(json_object_get(vm_of(frame, pid), "vcpus"));
		json_decref(frame);
		usleep(50000);
		if (clock_mono() > end)
			fail_msg("%zu of %zu vCPUs are measured", found, n);
	}
}

static void a_full_ledger_is_loud(void **state)
{
	const struct service *s = *state;
	json_t *frame;
	pid_t big[4], small;

	for (int i = 0; i < 4; i++) {
		big[i] = start_crowd("big", CROWD);
		await_vcpus(s, big[i], CROWD);
	}
	small = start_crowd("small", 2);
	await_log(s, "not measured: VM small");
	frame = next_frame(s, NULL);
	assert_null(vm_of(frame, small));
	assert_int_equal(number(frame, "not_measured"), 1);
	assert_true(number(json_object_get(frame, "counters"), "not_entered") >= 1);
	json_decref(frame);
	end_crowd(big[2]);
	await_vcpus(s, small, 2); /* there is room now */
	frame = next_frame(s, NULL);
	assert_int_equal(number(frame, "not_measured"), 0);
	json_decref(frame);
	for (int i = 0; i < 4; i++)
		if (i != 2)
			end_crowd(big[i]);
	end_crowd(small);
}

/* ---- whoever talks to it ---- */

static int dial(const struct service *s)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	snprintf(address.sun_path, sizeof(address.sun_path), "%s", s->socket);
	(void)!connect(fd, (struct sockaddr *)&address, sizeof(address));
	return fd;
}

/* A hundred that talk nonsense or half a line, and one that asks a thousand times and never reads;
 * everybody else is answered, and the page is written on. */
static void peers_hold_nobody(void **state)
{
	static const char *const said[] = {"\xff\xfe nonsense\n", "{\"get\":", "{}\n", "[[[[\n",
					   "{\"get\":\"frame\",\"session\":[],\"since_ns\":-1}\n"};
	const struct service *s = *state;
	int fds[100], mute = dial(s);
	struct vm v;

	start_vm(&v, NULL, own("peers"), "CPU 0/TCG", NULL);
	json_decref(await_vm(s, v.pid));
	for (int i = 0; i < 1000; i++)
		(void)!write(mute, "{\"get\":\"frame\"}\n", 16);
	for (size_t i = 0; i < ARRAY_SIZE(fds); i++) {
		fds[i] = dial(s);
		(void)!write(fds[i], said[i % ARRAY_SIZE(said)],
			     strlen(said[i % ARRAY_SIZE(said)]));
	}
	for (int i = 0; i < 20; i++) {
		json_t *o = next_frame(s, NULL);

		assert_non_null(vm_of(o, v.pid));
		json_decref(o);
		await_updates(&v, 2);
	}
	for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
		close(fds[i]);
	close(mute);
	end_vm(&v);
}

static void a_broken_configuration_changes_nothing(void **state)
{
	struct service *s = *state;

	write_config(s, "[gaps]\nthreshold = never\n");
	kill(s->pid, SIGHUP);
	expect_told(s, "RELOADING=1");
	expect_told(s, "READY=1");
	await_log(s, "conf:6: threshold: 'never' given");
	json_decref(ask(s, "version"));
	write_config(s, "[gaps]\nthreshold = 1ms\n");
	kill(s->pid, SIGHUP);
	expect_told(s, "RELOADING=1");
	expect_told(s, "READY=1");
	await_log(s, "configuration read again\n");
	write_config(s, "pages = no\n");
	kill(s->pid, SIGHUP);
	await_log(s, "configuration read again; 1 changed key waits for a restart");
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
		cmocka_unit_test_setup_teardown(privilege_is_given_up, start, teardown),
		cmocka_unit_test_setup_teardown(others_are_refused, start, teardown),
		cmocka_unit_test_setup_teardown(none_is_missed_and_none_is_kept, start, teardown),
		cmocka_unit_test_teardown(it_starts_among_others, teardown),
		cmocka_unit_test_setup_teardown(a_page_changes_hands, start, teardown),
		cmocka_unit_test_setup_teardown(the_ledger_is_asked_for, start, teardown),
		cmocka_unit_test_setup_teardown(a_recording_of_a_host, start, teardown),
		cmocka_unit_test_setup_teardown(recordings_are_bounded, start, teardown),
		cmocka_unit_test_setup_teardown(a_full_ledger_is_loud, start, teardown),
		cmocka_unit_test_setup_teardown(peers_hold_nobody, start, teardown),
		cmocka_unit_test_setup_teardown(a_broken_configuration_changes_nothing, start,
						teardown),
	};

	if (argc > 8)
		return become_vm(argc, argv);
	if (argc == 5)
		return become_crowd(argv[4]);
	if (argc < 3)
		return 2;
	if (geteuid() != 0 || !bpf_is_here())
		return SKIPPED;
	daemon_program = argv[1];
	daemon_name = "deschedd";
	desched = argv[2];
	n_vms = argc > 3 ? atoi(argv[3]) : n_vms;
	own_pids();
	before_others(); /* how soon it sees a VM is judged, not how busy others are */
	own_pids_end(cmocka_run_group_tests(tests, set_up, tear_down));
}
