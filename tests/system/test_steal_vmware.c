/* SPDX-License-Identifier: MIT */
/*
 * VMware's steal clock, read by vmdesched in a stock kernel. The hypervisor's part is played here:
 * the guest's memory is a file that this test has mapped, too, and what VMware's writes into the
 * kernel's per-CPU `vmw_steal_time` we write: how long the vCPU thread has waited for its CPU by
 * this host's kernel, in units of a counter whose scale stands in the kernel's `vmware_cyc2ns`.
 * Then the clock begins anew an hour earlier, as after a migration.
 *
 * A guest under QEMU TCG with one vCPU and one busy process, which has half of a CPU.
 *
 *     test_steal_vmware VMDESCHED GUEST-ASK SOURCE-DIR
 */
#include "near.h"
#include "snapshot_checks.h"
#include "tcg_guest.h"

#include "base/clock.h"
#include "base/proc.h"
#include "base/units.h"
#include "host/find.h"
#include "lab/cpus.h"

#include <inttypes.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#define SECONDS	 8
#define AWAY_S	 3600
#define CLOCK_NS 200000	 /* how old the steal clock may be */
#define SLICE_NS 3000000 /* shorter than what vmdesched takes for a clock that jumps */
#define SLACK	 0.02	 /* of the figures: the clock is read at switches, and a bit old */

/* A counter of 2.5 GHz: 0.4 ns a unit. */
#define SHIFT	   24
#define MULTIPLIER ((uint32_t)(0.4 * (1 << SHIFT)))

/* Where a kernel has itself and all memory, with `nokaslr` and `no5lvl`. */
#define KERNEL_BASE UINT64_C(0xffffffff80000000)
#define DIRECT_BASE UINT64_C(0xffff888000000000)

static const char *vmdesched, *ask, *source_dir;

static struct {
	struct tcg_guest guest;
	struct host_vm vm;
	pid_t competition;
	volatile uint64_t *clock; /* in the guest's memory */
	pthread_t hypervisor;
	atomic_bool stop;
	_Atomic int64_t shift; /* ns, added to what the thread has waited */
} test;

static const char init[] =
	"grep -E ' (vmw_steal_time|vmware_cyc2ns|__per_cpu_offset)$' /proc/kallsyms\n"
	"echo SYMBOLS; read go </dev/ttyS0\n"
	"vmdesched --config /bin/work &\n"
	"until guest_ask version >/dev/null; do sleep 1; done\n"
	"while :; do :; done & spinner=$!\n"
	"echo SPINNER $spinner\n"
	"while read go </dev/ttyS0; do echo \"SHOT $(guest_ask snapshot)\"; done\n";

static const char conf[] = "[vmdesched]\nsource = steal\n";

/* ---- the hypervisor ---- */

static uint64_t waited(void)
{
	uint64_t run, delay;

	assert_int_equal(proc_read_schedstat(test.vm.pid, test.vm.vcpus[0].tid, &run, &delay), 0);
	return delay;
}

/* Before all else on this machine: a real one is never late. */
static void *keep_the_clock(void *data)
{
	(void)data;
	pthread_setschedparam(pthread_self(), SCHED_FIFO,
			      &(struct sched_param){.sched_priority = 1});
	while (!test.stop) {
		uint64_t ns = waited() + (uint64_t)test.shift;

		*test.clock = (uint64_t)((unsigned __int128)ns * (1 << SHIFT) / MULTIPLIER);
		nanosleep(&(struct timespec){.tv_nsec = CLOCK_NS}, NULL);
	}
	return NULL;
}

static void *physical(uint64_t address)
{
	assert_true(address < test.guest.ram_size);
	return (char *)test.guest.ram + address;
}

/* The clock's place: a per-CPU variable of the only CPU, which is in the direct map. */
static void find_the_clock(void)
{
	uint64_t variable = 0, scale = 0, offsets = 0, address;
	char line[TCG_LINE], name[64];

	for (;;) {
		tcg_line(&test.guest, 120, line);
		if (!strcmp(line, "SYMBOLS"))
			break;
		if (sscanf(line, "%" SCNx64 " %*c %63s", &address, name) != 2)
			continue;
		if (!strcmp(name, "vmw_steal_time"))
			variable = address;
		else if (!strcmp(name, "vmware_cyc2ns"))
			scale = address;
		else if (!strcmp(name, "__per_cpu_offset"))
			offsets = address;
	}
	assert_true(variable && scale && offsets);
	memcpy(physical(scale - KERNEL_BASE), (uint32_t[]){MULTIPLIER, SHIFT}, 8);
	test.clock = physical(*(uint64_t *)physical(offsets - KERNEL_BASE) + variable -
			      DIRECT_BASE);
	assert_int_equal(*test.clock, 0);
}

static void go(void)
{
	assert_int_equal(write(test.guest.console, "go\n", 3), 3);
}

/* What the thread had waited before and after the guest took its snapshot. */
struct shot {
	json_t *json;
	double before, after; /* s */
};

static struct shot shot(void)
{
	static char line[TCG_LINE];
	struct shot s = {.before = ns_to_s(waited())};

	go();
	tcg_wait(&test.guest, "SHOT ", 120, line);
	s.after = ns_to_s(waited());
	s.json = json_loads(line + strlen("SHOT "), 0, NULL);
	assert_non_null(s.json);
	return s;
}

/* ---- the machine ---- */

/* Takes the CPU away for 3 ms of 6. */
static void compete(const cpu_set_t *cpu)
{
	test.competition = fork();
	if (test.competition)
		return;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	sched_setaffinity(0, sizeof(*cpu), cpu);
	sched_setscheduler(0, SCHED_FIFO, &(struct sched_param){.sched_priority = 1});
	for (;;) {
		for (uint64_t end = clock_mono() + SLICE_NS; clock_mono() < end;)
			;
		nanosleep(&(struct timespec){.tv_nsec = SLICE_NS}, NULL);
	}
}

static int start(void **state)
{
	const char *programs[] = {ask, NULL};
	struct tcg_options o = {.source_dir = source_dir,
				.vmdesched = vmdesched,
				.init = init,
				.conf = conf,
				.programs = programs,
				.append = "tsc=reliable nokaslr no5lvl",
				.shares_ram = true};
	struct failure f = {""};
	cpu_set_t all, one;

	(void)state;
	tcg_start(&test.guest, &o);
	if (host_find_qmp_on(test.guest.qmp, test.guest.pid, 10 * NS_PER_SEC, &f, &test.vm))
		fail_msg("%s", f.text);
	find_the_clock();
	cpus_allowed(&all);
	cpus_last(&all, &one);
	assert_int_equal(cpus_pin_process(test.guest.pid, &one), 0);
	/* Nobody else shall take it for long. */
	setpriority(PRIO_PROCESS, (id_t)test.vm.vcpus[0].tid, -20);
	compete(&one);
	assert_int_equal(pthread_create(&test.hypervisor, NULL, keep_the_clock, NULL), 0);
	go();
	return 0;
}

static int end(void **state)
{
	(void)state;
	if (test.competition > 0) {
		test.stop = true;
		pthread_join(test.hypervisor, NULL);
		kill(test.competition, SIGKILL);
		waitpid(test.competition, NULL, 0);
	}
	host_vm_done(&test.vm);
	tcg_end(&test.guest);
	return 0;
}

/* ---- what vmdesched makes of it ---- */

/* Of a process, what nobody had; and what the guest's kernel bills it for in all. */
static double of_process(const json_t *o, int pid, double *ret_reported)
{
	const json_t *p;
	size_t i;

	json_array_foreach(json_object_get(o, "processes"), i, p)
	{
		if (number(p, NULL, "pid") != pid)
			continue;
		*ret_reported = number(p, NULL, "reported_s");
		return *ret_reported - number(p, NULL, "true_s");
	}
	fail_msg("no process %d", pid);
	return 0;
}

/* Between what the host's kernel says of the time that surely lay between the two snapshots, and of
 * the time that may have. */
static double found_between(const struct shot *a, const struct shot *b, double least)
{
	double found = away(b->json) - away(a->json), most = b->after - a->before;

	check_snapshots(a->json, b->json);
	print_message("descheduled: %.3f s; by the host %.3f to %.3f s\n", found, least, most);
	if (found < least * (1 - SLACK) || found > most * (1 + SLACK))
		fail_msg("that is not what was stolen");
	return found;
}

static int epochs(const struct shot *a, const struct shot *b)
{
	return (int)(number(b->json, "counters", "steal_epochs") -
		     number(a->json, "counters", "steal_epochs"));
}

static void what_was_stolen_is_found(void **state)
{
	char line[TCG_LINE];
	double found, his, before, after, share;
	struct shot a, b;
	int pid = 0;

	(void)state;
	tcg_wait(&test.guest, "SPINNER ", 120, line);
	assert_int_equal(sscanf(line, "SPINNER %d", &pid), 1);
	a = shot();
	sleep(SECONDS);
	b = shot();
	assert_string_equal(json_string_value(json_object_get(b.json, "steal_clock")),
			    "vmware steal clock");
	found = found_between(&a, &b, b.before - a.after);
	his = of_process(b.json, pid, &after) - of_process(a.json, pid, &before);
	/* Others had the CPU, too, while the snapshots were taken: as often as it was taken
	 * away. */
	share = (after - before) /
		(number(b.json, NULL, "elapsed_s") - number(a.json, NULL, "elapsed_s"));
	print_message("of the busy process, which was on the CPU %.1f %% of the time: %.3f s\n",
		      100 * share, his);
	assert_true(found > SECONDS / 4.0);
	assert_true(share > 0.3);
	assert_near(his / found, share, 0.1);
	json_decref(a.json);
	json_decref(b.json);
}

static void a_clock_that_begins_anew_charges_nobody(void **state)
{
	struct shot a = shot(), b;
	double again;

	(void)state;
	test.shift = AWAY_S * (int64_t)NS_PER_SEC;
	sleep(1);
	test.shift = 0;
	again = ns_to_s(waited());
	sleep(SECONDS / 2);
	b = shot();
	found_between(&a, &b, b.before - again);
	/* On a machine that is very busy the clock may once be later than a gap is long. */
	assert_in_range(epochs(&a, &b), 2, 4);
	json_decref(a.json);
	json_decref(b.json);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_was_stolen_is_found),
		cmocka_unit_test(a_clock_that_begins_anew_charges_nobody),
	};

	if (argc < 4)
		return 2;
	if (geteuid() != 0)
		return 77;
	vmdesched = argv[1];
	ask = argv[2];
	source_dir = argv[3];
	return cmocka_run_group_tests(tests, start, end);
}
