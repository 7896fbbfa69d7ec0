/* SPDX-License-Identifier: MIT */
/*
 * src/host/ without a kernel's help: the parsers of /proc and command lines, the rule that names a
 * blocked thread's state, the clock anchor, finding threads of this very process. QMP is
 * test_qmp.c; ledgers against real threads are tests/system/test_host_ledger.c.
 */
#include "base/units.h"
#include "bpf/vcpu_state.h"
#include "host/anchor.h"
#include "host/find.h"
#include "host/find_monitor.h"
#include "host/finder.h"
#include "host/host_ledger.h"
#include "host/publish.h"
#include "host/thread.h"
#include "host/vm_name.h"

#include <errno.h>
#include <linux/futex.h>
#include <linux/kvm.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cmocka.h>

/* ---- names ---- */

static void thread_names(void **state)
{
	static const struct {
		const char *name;
		int index; /* -1: no vCPU's */
	} rows[] = {
		{"CPU 0/KVM", 0},
		{"CPU 12/TCG", 12},
		{"CPU 1023/KVM", 1023},
		{"ALL CPUs/TCG", 0},
		{"fc_vcpu 3", 3},
		{"vcpu7", 7},
		{"kvm-vcpu-2", 2},
		{"crosvm_vcpu1", 1},
		{"CPU 1024/KVM", -1},
		{"CPU /KVM", -1},
		{"CPU -1/KVM", -1},
		{"CPU 1", -1},
		{"CPU 1/KVMx", -1},
		{"CPU 1/", -1},
		{"fc_vcpu ", -1},
		{"fc_vcpu 3 ", -1},
		{"vcpu", -1},
		{"vcpu7a", -1},
		{"cpu 0/KVM", -1},
		{"", -1},
		{"CPU 99999999999999999999/KVM", -1},
		{"vcpu4294967296", -1},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		uint32_t index = 77;
		int err = host_vcpu_of_name(rows[i].name, &index);

		assert_int_equal(err, rows[i].index < 0 ? -ENOENT : 0);
		assert_int_equal(index, rows[i].index < 0 ? 77 : rows[i].index);
	}
}

#define WORDS(text) text, sizeof(text)

/* The expected values are what the owners' own tools show: `virsh list`, `qm list` and the like. */
static void vm_names(void **state)
{
	static const struct {
		const char *words;
		size_t size;
		const char *called; /* "": none */
		const char *id, *uuid, *manager;
	} rows[] = {
		{WORDS("qemu-kvm\0-name\0alpha"), "alpha", "", "", "qemu"},
		{WORDS("qemu\0-name\0alpha,debug-threads=on"), "alpha", "", "", ""},
		{WORDS("qemu\0-m\0001G\0-name\0guest=alpha,debug-threads=on"), "alpha", "", "", ""},
		{WORDS("qemu\0--name\0guest=a,,b,process=x"), "a,b", "", "", ""},
		{WORDS("qemu\0-name\0debug-threads=on,guest=behind"), "behind", "", "", ""},
		{WORDS("qemu\0-name\0first\0-name\0debug-threads=on\0-name\0last"), "last", "", "",
		 ""},
		{WORDS("qemu\0-name\0process=x\0-name\0{braces}"), "{braces}", "", "", ""},
		{WORDS("qemu\0-name\0debug-threads=on"), "", "", "", ""},
		{WORDS("qemu\0-name\0guest="), "", "", "", ""},
		{WORDS("qemu\0-name"), "", "", "", ""},
		{WORDS("/usr/bin/firecracker\0--id\0web-1\0--api-sock\0/x"), "web-1", "", "",
		 "firecracker"},
		{WORDS("firecracker-v1.7\0--id=web-1\0--start-time-us\0001"), "web-1", "", "",
		 "firecracker"},
		{WORDS("firecracker\0--api-sock\0/tmp/web.socket"), "web", "", "", "firecracker"},
		{WORDS("firecracker\0--id="), "", "", "", "firecracker"},
		{WORDS("firecracker\0--api-sock\0/tmp/firecracker.socket"), "", "", "",
		 "firecracker"},
		{WORDS("cloud-hypervisor\0--api-socket\0path=/run/vms/db.sock\0--platform\0"
		       "serial_number=7,uuid=0a1b2c3d-0000-4000-8000-000000000001"),
		 "db", "", "0a1b2c3d-0000-4000-8000-000000000001", "cloud-hypervisor"},
		{WORDS("cloud-hypervisor\0--api-socket\0/run/vc/vm/4711ab/clh-api.sock"), "4711ab",
		 "", "", "cloud-hypervisor"},
		{WORDS("cloud-hypervisor\0--api-socket\0/run/libvirt/ch/mail-socket"), "mail", "",
		 "", "cloud-hypervisor"},
		{WORDS("cloud-hypervisor\0--api-socket\0fd=3"), "", "", "", "cloud-hypervisor"},
		{WORDS("crosvm\0run\0--name\0arc\0-s\0/run/crosvm/x.sock"), "arc", "", "",
		 "crosvm"},
		{WORDS("crosvm\0run\0-s\0/run/vm/term/crosvm.sock"), "term", "", "", "crosvm"},
		{WORDS("lkvm\0run\0--name\0tiny\0-n\0mode=user"), "tiny", "", "", "kvmtool"},
		{WORDS("desched\0vm\0--name\0old\0--page\0/x"), "old", "", "", "desched"},
		{WORDS("/usr/bin/"
		       "kvm\0-id\000101\0-name\0web,debug-threads=on\0-no-shutdown\0-smbios\0"
		       "type=1,uuid=0a1b2c3d-0000-4000-8000-000000000002"),
		 "web", "101", "0a1b2c3d-0000-4000-8000-000000000002", "proxmox"},
		{WORDS("/usr/bin/kvm\0-id\0x1\0-name\0web"), "web", "", "", "qemu"},
		{WORDS("/usr/bin/qemu-system-x86_64\0-name\0guest=web,debug-threads=on\0-uuid\0"
		       "0a1b2c3d-0000-4000-8000-000000000003\0-mon\0"
		       "chardev=charmonitor,id=monitor,mode=control"),
		 "web", "", "0a1b2c3d-0000-4000-8000-000000000003", "libvirt"},
		{WORDS("sleep\0001"), "", "", "", ""},
		{WORDS("qemu\0-named\0alpha"), "", "", "", ""},
		{WORDS("qemu\0-name\0a\x1b[2J\nb\x7f"), "a?[2J?b?", "", "", ""},
		{WORDS("qemu\0-name\0b\xc3\xbcro \xe2\x82\xac \xf0\x9f\x98\x80"),
		 "b\xc3\xbcro \xe2\x82\xac \xf0\x9f\x98\x80", "", "", ""},
		{WORDS("qemu\0-name\0\xc3(\xe2\x82\xff\xc0\xaf\xed\xa0\x80\xc2\x9b"), "?(?????????",
		 "", "", ""},
		/* gpj.exe turned round, a zero-width joiner, a tag */
		{WORDS("qemu\0-name\0a\xe2\x80\xaegpj.exe\xe2\x80\x8d\xf3\xa0\x81\x81"),
		 "a?gpj.exe??", "", "", ""},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		const struct words w = {(char *)rows[i].words, rows[i].size};
		struct host_vm vm = {.pid = 1};

		vm_name_read(&w, &vm);
		assert_string_equal(vm.called, rows[i].called);
		assert_string_equal(vm.id, rows[i].id);
		assert_string_equal(vm.uuid, rows[i].uuid);
		assert_string_equal(vm.manager, rows[i].manager);
	}
}

/* ---- monitors ---- */

/* Those that a client may connect to; libvirt's never. */
static void monitors(void **state)
{
	static const struct {
		const char *words;
		size_t size;
		const char *paths; /* with blanks between them */
	} rows[] = {
		{WORDS("q\0-qmp\0unix:/run/a,server=on,wait=off"), "/run/a "},
		{WORDS("q\0-qmp\0unix:/run/a,server,nowait\0-qmp-pretty\0unix:/run/b,server"),
		 "/run/a /run/b "},
		{WORDS("q\0-qmp\0unix:/run/a,,b,server=on"), "/run/a,b "},
		{WORDS("q\0-qmp\0unix:/run/a"), ""},
		{WORDS("q\0-qmp\0unix:/run/a,server=off"), ""},
		{WORDS("q\0-qmp\0tcp:localhost:4444,server=on"), ""},
		{WORDS("q\0-monitor\0unix:/run/a,server=on"), ""},
		{WORDS("q\0-chardev\0socket,id=m,path=/run/"
		       "m,server=on\0-mon\0chardev=m,mode=control"),
		 "/run/m "},
		{WORDS("q\0-mon\0m,mode=control\0-chardev\0socket,id=m,path=/run/m,server=on"),
		 "/run/m "},
		{WORDS("q\0-chardev\0socket,id=m,path=/run/"
		       "m,server=on\0-mon\0chardev=m,mode=readline"),
		 ""},
		{WORDS("q\0-chardev\0socket,id=m,path=/run/m\0-mon\0chardev=m,mode=control"), ""},
		{WORDS("q\0-chardev\0socket,id=charmonitor,path=/run/m,server=on\0-mon\0"
		       "chardev=charmonitor,mode=control"),
		 ""},
		{WORDS("q\0-chardev\0socket,id=m,fd=3,server=on\0-mon\0chardev=m,mode=control"),
		 ""},
		{WORDS("q\0-qmp\0unix:"), ""},
		{WORDS("q\0-qmp\0"), ""},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		const struct words w = {(char *)rows[i].words, rows[i].size};
		char found[256] = "", path[108];

		for (unsigned k = 0; !monitor_path(&w, k, path, sizeof(path)); k++) {
			strcat(found, path);
			strcat(found, " ");
		}
		assert_string_equal(found, rows[i].paths);
	}
}

/* ---- two of one name ---- */

struct others {
	const char *names[8];
};

static bool is_taken(const char *name, void *data)
{
	const struct others *o = data;

	for (size_t i = 0; i < ARRAY_SIZE(o->names) && o->names[i]; i++) {
		if (!strcmp(o->names[i], name))
			return true;
	}
	return false;
}

static const char *settled(const char *called, const char *uuid, struct others o)
{
	static struct host_vm vm;

	vm = (struct host_vm){.pid = 4711};
	strcpy(vm.called, called);
	strcpy(vm.uuid, uuid);
	vm_name_settle(&vm, is_taken, &o);
	return vm.name;
}

static void no_two_have_one_name(void **state)
{
	static const char uuid[] = "0a1b2c3d-0000-4000-8000-000000000003";
	char longest[64];

	(void)state;
	assert_string_equal(settled("web", uuid, (struct others){{"db"}}), "web");
	assert_string_equal(settled("web", uuid, (struct others){{"web"}}), "web#0a1b2c3d");
	assert_string_equal(settled("web", "", (struct others){{"web"}}), "web#4711");
	assert_string_equal(settled("web", uuid, (struct others){{"web", "web#0a1b2c3d"}}),
			    "web#4711");
	assert_string_equal(settled("web", "", (struct others){{"web", "web#4711", "web#4711.2"}}),
			    "web#4711.3");
	memset(longest, 'x', 63);
	longest[63] = '\0';
	memcpy(longest + 54, "\xc3\xbc", 2); /* where it has to be cut */
	assert_int_equal(strlen(settled(longest, uuid, (struct others){{longest}})), 63);
	assert_memory_equal(settled(longest, uuid, (struct others){{longest}}) + 54, "#0a1b2c3d",
			    10);
}

static void what_people_ask_for(void **state)
{
	const struct host_vm vm = {.name = "web#0a1b2c3d",
				   .called = "web",
				   .uuid = "0a1b2c3d-0000-4000-8000-000000000003",
				   .id = "101"};
	const struct host_vm odd = {.name = "a?b", .called = "a?b"};
	const struct host_vm brackets = {.name = "a[1]#4711", .called = "a[1]"};

	(void)state;
	assert_true(vm_name_fits(&vm, "web"));
	assert_true(vm_name_fits(&vm, "w*"));
	assert_true(vm_name_fits(&vm, "web#0a1b2c3d"));
	assert_true(vm_name_fits(&vm, "0A1B2C3D-0000-4000-8000-000000000003"));
	assert_true(vm_name_fits(&vm, "101"));
	assert_false(vm_name_fits(&vm, "we"));
	assert_false(vm_name_fits(&vm, "web#"));
	assert_false(vm_name_fits(&vm, ""));
	assert_true(vm_name_fits(&odd, "a\nb"));
	assert_false(vm_name_fits(&odd, ""));
	assert_true(
		vm_name_fits(&brackets, "a[1]")); /* as it is called, though no pattern for it */
	assert_true(vm_name_fits(&brackets, "a[1]#4711"));
}

static void long_names_are_cut_at_a_character(void **state)
{
	char name[8];

	(void)state;
	host_printable("abcdefghij", name, sizeof(name));
	assert_string_equal(name, "abcdefg");
	host_printable("abcdef\xc3\xbc", name, sizeof(name));
	assert_string_equal(name, "abcdef");
}

/* ---- /proc/PID/task/TID/syscall ---- */

static void syscall_lines(void **state)
{
	struct thread_call c;

	(void)state;
	assert_int_equal(thread_parse_call("16 0xd 0xae80 0x0 0x0 0x0 0x0 0x7fff 0x7fc1\n", &c), 0);
	assert_int_equal(c.number, 16);
	assert_int_equal(c.arg[0], 13);
	assert_int_equal(c.arg[1], 0xae80);
	assert_false(c.worker);
	/* as KVM's own "kvm-nx-lpage-recovery" thread has it on Linux 6.18 */
	assert_int_equal(thread_parse_call("16 0x5 0xae80 0x0 0x8 0x0 0x7 0x0 0x0\n", &c), 0);
	assert_true(c.worker);
	assert_int_equal(thread_parse_call("-1 0x7fff 0x7fc1\n", &c), 0);
	assert_int_equal(c.number, -1);
	c.number = 5;
	assert_int_equal(thread_parse_call("running\n", &c), -EAGAIN);
	assert_int_equal(thread_parse_call("", &c), -EBADMSG);
	assert_int_equal(thread_parse_call("16 0xd 0xae80\n", &c), -EBADMSG);
	assert_int_equal(thread_parse_call("x", &c), -EBADMSG);
	assert_int_equal(c.number, 5);
}

static struct {
	pthread_mutex_t mutex;
	pthread_cond_t cond;
	pid_t tid;
	bool stop;
} sleeper = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, 0, false};

static void *wait_in_condition(void *data)
{
	(void)data;
	pthread_mutex_lock(&sleeper.mutex);
	sleeper.tid = gettid();
	while (!sleeper.stop)
		pthread_cond_wait(&sleeper.cond, &sleeper.mutex);
	pthread_mutex_unlock(&sleeper.mutex);
	return NULL;
}

/* Not in the mutex, which somebody else would have to hold. */
static pid_t sleeper_tid(void)
{
	pid_t tid;

	pthread_mutex_lock(&sleeper.mutex);
	tid = sleeper.tid;
	pthread_mutex_unlock(&sleeper.mutex);
	return tid;
}

/* What glibc's condition wait looks like from outside is half of the rule for TCG threads. */
static void condition_wait_is_guessed_as_halt(void **state)
{
	enum ledger_state guess = LEDGER_RUN;
	pthread_t thread;

	(void)state;
	assert_int_equal(pthread_create(&thread, NULL, wait_in_condition, NULL), 0);
	for (int i = 0; i < 2000 && guess == LEDGER_RUN; i++) {
		pid_t tid = sleeper_tid();

		usleep(5000);
		if (tid)
			assert_int_equal(thread_guess_state(getpid(), tid, &guess), 0);
	}
	assert_int_equal(guess, LEDGER_HALT);
	pthread_mutex_lock(&sleeper.mutex);
	sleeper.stop = true;
	pthread_cond_signal(&sleeper.cond);
	pthread_mutex_unlock(&sleeper.mutex);
	pthread_join(thread, NULL);
	assert_int_equal(thread_guess_state(getpid(), gettid(), &guess), 0);
	assert_int_equal(guess, LEDGER_RUN);
}

/* ---- the rule ---- */

static void rule_of_states(void **state)
{
	enum { S = 1, D = 2, KILLABLE = 0x102, FREEZABLE = 0x2000 };
	static const struct {
		struct vcpu_leaving l;
		enum ledger_state expect;
	} rows[] = {
		/* still runnable, whatever it was about to do */
		{{0, 0, SYS_futex, FUTEX_WAIT_BITSET}, LEDGER_READY},
		{{0, 1, -1, 0}, LEDGER_READY},
		/* KVM */
		{{S, 0, SYS_ioctl, 0xae80}, LEDGER_HALT},
		{{S, 1, SYS_ioctl, 0xae80}, LEDGER_HALT},
		{{D, 1, SYS_ioctl, 0xae80}, LEDGER_SWAPWAIT},
		{{KILLABLE, 1, SYS_ioctl, 0xae80}, LEDGER_SWAPWAIT},
		{{S | FREEZABLE, 1, SYS_ioctl, 0xae80}, LEDGER_WAIT}, /* frozen cgroup */
		{{0x1000, 1, SYS_ioctl, 0xae80}, LEDGER_WAIT},	      /* a lock on PREEMPT_RT */
		{{S, 1, SYS_ioctl, 0xae81}, LEDGER_WAIT},
		{{S, 1, SYS_futex, FUTEX_WAIT_BITSET | FUTEX_PRIVATE_FLAG}, LEDGER_WAIT},
		/* TCG */
		{{S, 0, SYS_futex, FUTEX_WAIT_BITSET | FUTEX_PRIVATE_FLAG | FUTEX_CLOCK_REALTIME},
		 LEDGER_HALT},
		{{S | FREEZABLE, 0, SYS_futex, FUTEX_WAIT_BITSET}, LEDGER_HALT},
		{{S | FREEZABLE, 0, SYS_futex, FUTEX_WAIT | FUTEX_PRIVATE_FLAG}, LEDGER_WAIT},
		{{S, 0, SYS_ppoll, FUTEX_WAIT_BITSET}, LEDGER_WAIT},
		{{D, 0, SYS_pwrite64, 0xae80}, LEDGER_WAIT},
		/* no system call: a page */
		{{D, 0, -1, 0}, LEDGER_SWAPWAIT},
		{{S, 0, -1, 0}, LEDGER_SWAPWAIT},
		{{S | FREEZABLE, 0, -1, 0}, LEDGER_WAIT},
		/* stopped, traced, frozen, dead */
		{{0x104, 0, -1, 0}, LEDGER_WAIT},
		{{8, 1, SYS_ioctl, 0xae80}, LEDGER_WAIT},
		{{0x8000, 1, SYS_ioctl, 0xae80}, LEDGER_WAIT},
		{{0x80, 0, SYS_exit, 0}, LEDGER_WAIT},
	};

	(void)state;
	assert_int_equal(VCPU_KVM_RUN, KVM_RUN);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		assert_int_equal(vcpu_state(&rows[i].l), rows[i].expect);
}

static void gaps_are_what_is_not_run_or_halt(void **state)
{
	(void)state;
	for (uint32_t s = 0; s < LEDGER_STATES; s++) {
		assert_int_equal(vcpu_state_is_gap(s), s != LEDGER_RUN && s != LEDGER_HALT);
		/* A wake-up must not end a state in which the thread is runnable. */
		assert_false(vcpu_state_is_blocked(s) &&
			     (s == LEDGER_RUN || s == LEDGER_READY || s == LEDGER_COSTOP ||
			      s == LEDGER_LIMITED));
	}
	assert_true(vcpu_state_is_blocked(LEDGER_HALT));
	assert_true(vcpu_state_is_blocked(LEDGER_WAIT));
	assert_true(vcpu_state_is_blocked(LEDGER_SWAPWAIT));
}

/* ---- the anchor ---- */

/* A counter of 2.5 GHz that read 1000 when CLOCK_MONOTONIC was 0. */
static struct clock_pair pair_at(uint64_t mono, uint64_t error)
{
	return (struct clock_pair){.ticks = 1000 + mono * 5 / 2, .mono = mono, .error = error};
}

static void anchor_keeps_the_tight_reading(void **state)
{
	struct clock_pair first = pair_at(NS_PER_SEC, 50);
	struct clock_pair loose = pair_at(NS_PER_SEC + 5 * NS_PER_MS, 3 * NS_PER_MS);
	struct clock_pair tight = pair_at(NS_PER_SEC + 10 * NS_PER_MS, 60);
	struct clock_pair late = pair_at(3 * NS_PER_SEC, 3 * NS_PER_MS);
	struct anchor a = {.best = 0};

	(void)state;
	anchor_take(&a, &first, 7, 40);
	assert_int_equal(a.clock.mono, first.mono);
	assert_int_equal(a.clock.ticks_hz, 0); /* one reading tells no rate */
	anchor_take(&a, &loose, 7, 40);
	assert_int_equal(a.clock.mono, first.mono);
	anchor_take(&a, &tight, 8, 40);
	assert_int_equal(a.clock.mono, tight.mono);
	assert_int_equal(a.clock.real, 8);
	assert_int_equal(a.clock.error, 60);
	/* Nothing tight for long: better a loose one than an old one, and it says so. */
	anchor_take(&a, &late, 9, 40);
	assert_int_equal(a.clock.mono, late.mono);
	assert_int_equal(a.clock.error, 3 * NS_PER_MS);
}

static void anchor_finds_the_rate(void **state)
{
	struct anchor a = {.best = 0};

	(void)state;
	for (uint64_t t = NS_PER_SEC; t < 300 * NS_PER_SEC; t += NS_PER_SEC / 4) {
		struct clock_pair p = pair_at(t, 50);

		anchor_take(&a, &p, t, 50);
	}
#if !defined(__aarch64__)
	assert_int_equal(a.clock.ticks_hz, 2500000000);
#endif
	assert_true(a.base.mono > 100 * NS_PER_SEC); /* the base moves along */
}

static void anchor_of_this_machine(void **state)
{
	struct anchor a;
	uint64_t before = clock_mono(), real, after;

	(void)state;
	anchor_start(&a);
	assert_true(a.clock.mono >= before && a.clock.mono <= clock_mono());
	usleep(300000);
	anchor_update(&a);
	/* Real and monotonic time of one instant: their difference now is that difference. */
	before = clock_mono();
	real = clock_real();
	after = clock_mono();
	assert_in_range(a.clock.real - a.clock.mono, real - after - NS_PER_SEC / 10,
			real - before + NS_PER_SEC / 10);
}

/* ---- handles ---- */

static void page_fits_the_highest_index(void **state)
{
	struct host_vcpu sparse[] = {{1, 0}, {2, 9}};
	struct host_vcpu dense[] = {{1, 0}, {2, 1}};
	struct host_vm vm = {.n_vcpus = 2, .vcpus = dense};
	size_t two = publisher_page_size(&vm);

	(void)state;
	vm.vcpus = sparse;
	assert_true(publisher_page_size(&vm) >= 4 * two);
}

static void vcpus_are_unique_and_in_order(void **state)
{
	struct host_vm vm;

	(void)state;
	vm_name_start(&vm, getpid());
	assert_int_equal(host_vm_finish(&vm, "test"), -ENOENT);
	assert_int_equal(host_vm_put(&vm, 10, 5), 0);
	assert_int_equal(host_vm_put(&vm, 11, 2), 0);
	assert_int_equal(host_vm_put(&vm, 12, 2), -EEXIST);
	assert_int_equal(host_vm_put(&vm, 10, 3), -EEXIST);
	assert_int_equal(host_vm_put(&vm, 13, HOST_VCPUS_MAX), -ERANGE);
	assert_int_equal(host_vm_finish(&vm, "test"), 0);
	assert_int_equal(vm.n_vcpus, 2);
	assert_int_equal(vm.vcpus[0].tid, 11);
	assert_int_equal(vm.vcpus[1].tid, 10);
	host_vm_done(&vm);
}

static void failures_have_one_line(void **state)
{
	struct failure f = {""};
	struct host_ledger *h = NULL;
	struct host_vm vm;

	(void)state;
	assert_int_equal(host_ledger_open("nonsense", &f, &h), -EINVAL);
	assert_non_null(strstr(f.text, "nonsense"));
	assert_null(h);
	assert_int_equal(host_find_pid(INT32_MAX - 1, &f, &vm), -ESRCH);
	assert_int_equal(host_find_pid(getpid(), &f, &vm), -ENOENT);
	assert_non_null(strstr(f.text, "no vCPU threads"));
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(thread_names),
		cmocka_unit_test(vm_names),
		cmocka_unit_test(monitors),
		cmocka_unit_test(no_two_have_one_name),
		cmocka_unit_test(what_people_ask_for),
		cmocka_unit_test(long_names_are_cut_at_a_character),
		cmocka_unit_test(syscall_lines),
		cmocka_unit_test(condition_wait_is_guessed_as_halt),
		cmocka_unit_test(rule_of_states),
		cmocka_unit_test(gaps_are_what_is_not_run_or_halt),
		cmocka_unit_test(anchor_keeps_the_tight_reading),
		cmocka_unit_test(anchor_finds_the_rate),
		cmocka_unit_test(anchor_of_this_machine),
		cmocka_unit_test(page_fits_the_highest_index),
		cmocka_unit_test(vcpus_are_unique_and_in_order),
		cmocka_unit_test(failures_have_one_line),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
