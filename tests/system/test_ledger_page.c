/* SPDX-License-Identifier: MIT */
/*
 * Sources page and stream on an ordinary host: a stock kernel under QEMU TCG with an ivshmem-plain
 * device that somebody gave it by hand, and another one that is for something else; or with nothing
 * but a serial port that QEMU connects to `desched ledger`, which runs on the host; a process that
 * takes half of the vCPU's CPU. vmdesched in the guest, which makes do with source self until the
 * ledger starts, finds page or port by itself, and agrees with what the host wrote there, with the ledger that was printed, and with the host's schedstat, which
 * none of them had a part in.
 *
 *     test_ledger_page DESCHED VMDESCHED GUEST-ASK SOURCE-DIR page|stream
 */
#include "near.h"
#include "tcg_guest.h"

#include "base/clock.h"
#include "base/proc.h"
#include "base/units.h"

#include <fcntl.h>
#include <math.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define SECONDS "12"

static const char *desched, *vmdesched, *ask, *source_dir, *source;

static struct {
	struct tcg_guest guest;
	pid_t ledger, rival;
	FILE *reports;
	pid_t vcpu;
	char other[64];	 /* the file of the other device */
	char stream[64]; /* the ledger's socket */
} test;

/* Nobody helps vmdesched when it starts; it is never started again. */
static const char init[] = "for m in $(ls /modules); do insmod /modules/$m; done\n"
			   "[ ! -d /modules ] || until [ -e /dev/vport0p1 ]; do sleep 1; done\n"
			   "has() { case $(guest_ask snapshot) in "
			   "*'\"source\":\"'$1'\"'*) ;; *) false ;; esac; }\n"
			   "vmdesched --config /bin/work &\n"
			   "until has self; do sleep 1; done\n"
			   "echo ALONE\n"
			   "until has page || has stream; do sleep 1; done\n"
			   "echo UP\n"
			   "while :; do :; done &\n"
			   "shot() { s=$(guest_ask snapshot); echo NOW; echo \"SHOT $s\"; }\n"
			   "sleep 2; shot; sleep " SECONDS "; shot\n"
			   "sleep 1000\n";

static pid_t start_rival(void)
{
	cpu_set_t one;
	pid_t pid = fork();

	if (pid)
		return pid;
	CPU_ZERO(&one);
	CPU_SET(0, &one);
	sched_setaffinity(0, sizeof(one), &one);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (;;)
		;
}

static void start_ledger(void)
{
	char vm[16];
	int out[2];

	snprintf(vm, sizeof(vm), "%d", test.guest.pid);
	assert_int_equal(pipe(out), 0);
	test.ledger = fork();
	if (test.ledger == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		setpriority(PRIO_PROCESS, 0, -20); /* a guest takes a page that lags for none */
		dup2(out[1], STDOUT_FILENO);
		execl(desched, "desched", "ledger", "--json", "-d", "1", "--stream", test.stream,
		      vm, NULL);
		_exit(127);
	}
	close(out[1]);
	test.reports = fdopen(out[0], "r");
}

static void make_other_device(char *object, size_t size)
{
	FILE *f = fopen(test.other, "w");

	fputs("KVMFR---", f);
	fclose(f);
	assert_int_equal(truncate(test.other, MIB), 0);
	snprintf(object, size, "memory-backend-file,id=other,mem-path=%s,size=1M,share=on",
		 test.other);
}

static int set_up(void **state)
{
	static char device[128];
	static const char *const page[] = {"-object", device, "-device",
					   "ivshmem-plain,memdev=other", NULL};
	static const char *const port[] = {
		"-chardev", device,
		"-device",  "virtio-serial-pci",
		"-device",  "virtserialport,chardev=stream,name=org.desched.ledger.0",
		NULL};
	bool stream = !strcmp(source, "stream");
	const char *const programs[] = {ask, NULL};
	struct tcg_options o = {.source_dir = source_dir,
				.vmdesched = vmdesched,
				.init = init,
				.conf = "",
				.programs = programs,
				.append = "tsc=reliable",
				.qemu = stream ? port : page,
				.no_page = stream,
				.modules = stream};
	char command[128];

	(void)state;
	snprintf(test.other, sizeof(test.other), "/tmp/test-ledger-page.%d", getpid());
	snprintf(test.stream, sizeof(test.stream), "/tmp/test-ledger-page.%d.stream", getpid());
	if (stream) /* nobody is there yet */
		snprintf(device, sizeof(device), "socket,id=stream,path=%s,reconnect=1",
			 test.stream);
	else
		make_other_device(device, sizeof(device));
	tcg_start(&test.guest, &o);
	memset(test.guest.page, 0, test.guest.page_size); /* as a device begins */
	snprintf(command, sizeof(command), "taskset -apc 0 %d >/dev/null", test.guest.pid);
	assert_int_equal(system(command), 0);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	if (test.rival) {
		kill(test.rival, SIGKILL);
		waitpid(test.rival, NULL, 0);
	}
	if (test.ledger) {
		kill(test.ledger, SIGKILL);
		waitpid(test.ledger, NULL, 0);
		fclose(test.reports);
	}
	tcg_end(&test.guest);
	unlink(test.other);
	return 0;
}

static double number(const json_t *o, const char *key)
{
	return json_number_value(json_object_get(o, key));
}

struct shot {
	json_t *json;
	double unknown; /* s: of those, unaccounted */
	double away; /* s: of the vCPU, as the guest's processes and its idle time were charged */
	double elapsed; /* s: of the guest, since its ledger began */
	double page;	/* s: the same by the page */
	double at;	/* s: of the host, when that was */
	double apart; /* s: by which that isn't when the guest's figures end: a stream comes late */
	double delay; /* s: run_delay of the vCPU's thread */
};

/* When the snapshot ends, on the host's clock. */
static double host_time(const struct shot *s)
{
	const json_t *map = json_object_get(json_object_get(s->json, "details"), "clock");

	return number(json_object_get(s->json, "clock"), "monotonic_s") +
	       (number(map, "host") - number(map, "guest")) / 1e9;
}

/* The snapshot itself takes the console a while. */
static struct shot take_shot(void)
{
	static char line[TCG_LINE];
	static const char *const states[] = {"ready", "costop", "limited", "swapwait"};
	const json_t *cpu, *vcpu, *ns;
	uint64_t run, delay;
	struct shot s;

	tcg_wait(&test.guest, "NOW", 120, line);
	assert_int_equal(proc_read_schedstat(test.guest.pid, test.vcpu, &run, &delay), 0);
	s.delay = ns_to_s(delay);
	tcg_wait(&test.guest, "SHOT ", 120, line);
	s.json = json_loads(line + strlen("SHOT "), 0, NULL);
	assert_non_null(s.json);
	assert_string_equal(json_string_value(json_object_get(s.json, "source")), source);
	cpu = json_array_get(json_object_get(s.json, "cpus"), 0);
	s.away = number(cpu, "descheduled_s") + number(cpu, "idle_descheduled_s");
	s.unknown = number(cpu, "unaccounted_s") + number(cpu, "idle_unaccounted_s");
	s.elapsed = number(s.json, "elapsed_s");
	vcpu = json_array_get(json_object_get(json_object_get(s.json, "page"), "vcpus"), 0);
	s.at = number(vcpu, "at") / 1e9;
	ns = json_object_get(vcpu, "ns");
	s.apart = fabs(s.at - host_time(&s));
	s.page = 0;
	for (size_t i = 0; i < ARRAY_SIZE(states); i++)
		s.page += number(ns, states[i]) / 1e9;
	return s;
}

static json_t *next_report(void)
{
	json_t *report = json_loadf(test.reports, JSON_DISABLE_EOF_CHECK, NULL);

	assert_non_null(report);
	return report;
}

static const json_t *vm_of(const json_t *report)
{
	return json_array_get(json_object_get(report, "vms"), 0);
}

static const json_t *vcpu_of(const json_t *report)
{
	return json_array_get(json_object_get(vm_of(report), "vcpus"), 0);
}

/* Which devices are written and which are not. */
static void check_devices(const json_t *report)
{
	const json_t *pages = json_object_get(vm_of(report), "pages"), *page;
	char text[9] = "";
	size_t i;
	int written = 0;

	if (!strcmp(source, "stream")) {
		assert_int_equal(json_array_size(pages), 0);
		return;
	}
	assert_int_equal(json_array_size(pages), 2);
	json_array_foreach(pages, i, page)
	{
		bool other = !strcmp(json_string_value(json_object_get(page, "file")), test.other);

		assert_int_equal(json_is_true(json_object_get(page, "written")), !other);
		written += !other;
	}
	assert_int_equal(written, 1);
	i = (size_t)open(test.other, O_RDONLY);
	assert_int_equal(pread((int)i, text, 8, 0), 8);
	close((int)i);
	assert_string_equal(text, "KVMFR---");
}

/* What was streamed reached the guest, which asked now and then. */
static void check_stream(const json_t *report)
{
	const json_t *stream = json_object_get(vm_of(report), "stream");

	assert_true(number(stream, "frames") > 100);
	assert_true(number(stream, "pings") > 10);
	assert_true(number(stream, "garbage") == 0);
}

/* The whole time of the ledger, as it printed it, and what the page says at its end. */
static void check_total(void)
{
	struct page_reader page;
	struct page_vcpu v;
	json_t *report;

	if (!strcmp(source, "stream")) {
		do {
			report = next_report();
			if (number(json_object_get(vm_of(report), "stream"), "frames") > 100)
				break;
			json_decref(report);
		} while (true);
		check_stream(report);
		json_decref(report);
		return;
	}

	kill(test.ledger, SIGINT);
	for (report = next_report();
	     strcmp(json_string_value(json_object_get(report, "kind")), "total") != 0;
	     report = next_report())
		json_decref(report);
	assert_int_equal(page_attach(test.guest.page, test.guest.page_size, &page), 0);
	assert_int_equal(page_read_vcpu(&page, 0, &v), 0);
	assert_near(number(json_object_get(vcpu_of(report), "seconds"), "ready"),
		    ns_to_s(v.ns[LEDGER_READY]), 0.1);
	assert_near(number(vcpu_of(report), "wall_seconds"), ns_to_s(v.at - v.start), 0.1);
	json_decref(report);
}

static void guest_agrees_with_its_host(void **state)
{
	static char line[TCG_LINE];
	json_t *report;
	struct shot a, b;
	double away, page, delay, lasted, page_lasted, unknown, share, slack = 0;

	(void)state;
	tcg_wait(&test.guest, "ALONE", 240, line);
	start_ledger();
	report = next_report();
	check_devices(report);
	test.vcpu = (pid_t)number(vcpu_of(report), "tid");
	json_decref(report);
	tcg_wait(&test.guest, "UP", 240, line);
	test.rival = start_rival();
	a = take_shot();
	b = take_shot();
	away = b.away - a.away;
	unknown = b.unknown - a.unknown;
	page = b.page - a.page;
	delay = b.delay - a.delay;
	lasted = b.elapsed - a.elapsed;
	page_lasted = b.at - a.at;
	print_message(
		"descheduled: %.3f of %.3f s in the guest, %.3f of %.3f s by the page "
		"(%+.2f %%), %.3f s by the host's schedstat; %.3f s unaccounted, %.0f gaps lost\n",
		away, lasted, page, page_lasted, 100 * (away / lasted) / (page / page_lasted) - 100,
		delay, unknown, number(json_object_get(b.json, "counters"), "lost_gaps"));
	assert_true(page > 1);
	/* Shares of times that begin and end within milliseconds of each other. */
	share = page / page_lasted;
	if (!strcmp(source, "stream"))
		slack = a.apart + b.apart; /* nobody is away for longer than that in there */
	if ((away - slack) / lasted > 1.005 * share ||
	    (away + unknown + slack) / lasted < 0.995 * share)
		fail_msg("away for %.3f s, and %.3f s unaccounted", away, unknown);
	assert_true(unknown < lasted / 4); /* where the host was too busy to tell */
	assert_near(away + unknown / 2, delay, 0.03 * delay + 0.5 + unknown / 2);
	check_total();
	json_decref(a.json);
	json_decref(b.json);
}

int main(int argc, char **argv)
{
	static const struct CMUnitTest tests[] = {cmocka_unit_test(guest_agrees_with_its_host)};
	struct host_ledger *h;
	struct failure f;

	if (argc != 6)
		return 2;
	desched = argv[1];
	vmdesched = argv[2];
	ask = argv[3];
	source_dir = argv[4];
	source = argv[5];
	if (host_ledger_open("bpf", &f, &h)) {
		printf("skipped: %s\n", f.text);
		return 77;
	}
	host_ledger_close(h);
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
