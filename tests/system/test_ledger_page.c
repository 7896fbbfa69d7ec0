/* SPDX-License-Identifier: MIT */
/*
 * Source page on an ordinary host: a stock kernel under QEMU TCG with an ivshmem-plain device that
 * somebody gave it by hand, and another one that is for something else; `desched ledger` on the
 * host; a process that takes half of the vCPU's CPU. vmdesched in the guest finds the page by
 * itself, and agrees with the page, with the ledger that was printed, and with the host's
 * schedstat, which none of them had a part in.
 *
 *     test_ledger_page DESCHED VMDESCHED GUEST-ASK SOURCE-DIR
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

static const char *desched, *vmdesched, *ask, *source_dir;

static struct {
	struct tcg_guest guest;
	pid_t ledger, rival;
	FILE *reports;
	pid_t vcpu;
	char other[64]; /* the file of the other device */
} test;

/* On a host so busy that the page, or the guest, stands still for 0.4 s, vmdesched does without it
 * until it is started again. */
static const char init[] = "for i in 1 2 3 4 5 6 7 8; do\n"
			   "	vmdesched --config /bin/work &\n"
			   "	until guest_ask version >/dev/null; do sleep 1; done\n"
			   "	case $(guest_ask snapshot) in "
			   "*'\"source\":\"page\"'*|*'\"source\": \"page\"'*) break ;; esac\n"
			   "	kill $!; wait $!\n"
			   "done\n"
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
		execl(desched, "desched", "ledger", "--json", "-d", "1", vm, NULL);
		_exit(127);
	}
	close(out[1]);
	test.reports = fdopen(out[0], "r");
}

static int set_up(void **state)
{
	static char object[128];
	static const char *const more[] = {"-object", object, "-device",
					   "ivshmem-plain,memdev=other", NULL};
	const char *const programs[] = {ask, NULL};
	struct tcg_options o = {.source_dir = source_dir,
				.vmdesched = vmdesched,
				.init = init,
				.conf = "",
				.programs = programs,
				.append = "tsc=reliable",
				.qemu = more};
	char command[128];
	FILE *f;

	(void)state;
	snprintf(test.other, sizeof(test.other), "/tmp/test-ledger-page.%d", getpid());
	f = fopen(test.other, "w");
	fputs("KVMFR---", f);
	fclose(f);
	assert_int_equal(truncate(test.other, MIB), 0);
	snprintf(object, sizeof(object),
		 "memory-backend-file,id=other,mem-path=%s,size=1M,share=on", test.other);
	tcg_start(&test.guest, &o);
	memset(test.guest.page, 0, test.guest.page_size); /* as a device begins */
	start_ledger();
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
	kill(test.ledger, SIGKILL);
	waitpid(test.ledger, NULL, 0);
	fclose(test.reports);
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
	double away; /* s: of the vCPU, as the guest's processes and its idle time were charged */
	double elapsed; /* s: of the guest, since its ledger began */
	double page;	/* s: the same by the page */
	double at;	/* s: of the host, when that was */
	double delay;	/* s: run_delay of the vCPU's thread */
};

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
	assert_string_equal(json_string_value(json_object_get(s.json, "source")), "page");
	cpu = json_array_get(json_object_get(s.json, "cpus"), 0);
	s.away = number(cpu, "descheduled_s") + number(cpu, "idle_descheduled_s");
	s.elapsed = number(s.json, "elapsed_s");
	vcpu = json_array_get(json_object_get(json_object_get(s.json, "page"), "vcpus"), 0);
	s.at = number(vcpu, "at") / 1e9;
	ns = json_object_get(vcpu, "ns");
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

/* The whole time of the ledger, as it printed it, and what the page says at its end. */
static void check_total(void)
{
	struct page_reader page;
	struct page_vcpu v;
	json_t *report;

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
	json_t *report = next_report();
	struct shot a, b;
	double away, page, delay, lasted, page_lasted;

	(void)state;
	check_devices(report);
	test.vcpu = (pid_t)number(vcpu_of(report), "tid");
	json_decref(report);
	tcg_wait(&test.guest, "UP", 240, line);
	test.rival = start_rival();
	a = take_shot();
	b = take_shot();
	away = b.away - a.away;
	page = b.page - a.page;
	delay = b.delay - a.delay;
	lasted = b.elapsed - a.elapsed;
	page_lasted = b.at - a.at;
	print_message("descheduled: %.3f of %.3f s in the guest, %.3f of %.3f s by the page "
		      "(%+.2f %%), %.3f s by the host's schedstat\n",
		      away, lasted, page, page_lasted,
		      100 * (away / lasted) / (page / page_lasted) - 100, delay);
	assert_true(page > 1);
	/* Shares of times that begin and end within milliseconds of each other. */
	assert_near(away / lasted, page / page_lasted, 0.005 * page / page_lasted);
	assert_near(away, delay, 0.03 * delay + 0.5); /* which was read a little later */
	check_total();
	json_decref(a.json);
	json_decref(b.json);
}

int main(int argc, char **argv)
{
	static const struct CMUnitTest tests[] = {cmocka_unit_test(guest_agrees_with_its_host)};
	struct host_ledger *h;
	struct failure f;

	if (argc != 5)
		return 2;
	desched = argv[1];
	vmdesched = argv[2];
	ask = argv[3];
	source_dir = argv[4];
	if (host_ledger_open("bpf", &f, &h)) {
		printf("skipped: %s\n", f.text);
		return 77;
	}
	host_ledger_close(h);
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
