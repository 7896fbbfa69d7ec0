/* SPDX-License-Identifier: MIT */
/*
 * A guest under QEMU TCG that is stopped for a while, and its clock. The guest's clocksource is
 * acpi_pm, which wraps every 4.7 s: a longer pause is lost but for its remainder, as on a
 * hypervisor that does not catch up. The truth is what the guest prints as its time of day, held to
 * the host's clock when the line arrives; vmdesched is the only one in there that could set it.
 *
 *     test_clock VMDESCHED SOURCE-DIR PAUSE-MS...
 */
#include "tcg_guest.h"

#include "base/clock.h"
#include "base/units.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#define WRAP_S	    4.688 /* 2^24 / 3.579545 MHz */
#define CLOCK_LINES 5	  /* one a second: more than the policy waits for quiet */
#define NEAR_S	    3.5	  /* whole seconds, a slow guest, a busy host */

static const char *vmdesched, *source_dir;
static int pauses_ms[8], n_pauses;

struct vm {
	struct tcg_guest guest;
	int lines;     /* of ours, so far */
	double behind; /* s: the host's clock less what the guest said */
	double lag;    /* s, as vmdesched has it; NAN until then */
	int steps, jumps, pauses;
};

/* QEMU's RTC is up to a second behind: rather be ahead, which is no reason to step. */
static const char init[] = "read now </sys/class/rtc/rtc0/since_epoch && date -s @$((now + 1))\n"
			   "vmdesched --config /bin/work &\n"
			   "while sleep 1; do\n"
			   "	grep -h '^desched_\\(clock\\|pauses\\)' /run/d.prom 2>/dev/null\n"
			   "	echo \"NOW $(date +%s)\"\n"
			   "done\n";
static const char conf[] = "[vmdesched]\nsource = page\n[gaps]\nthreshold = 0\n"
			   "[metrics]\ntextfile = /run/d.prom\ninterval = 1\nprocesses = 0\n"
			   "[clock]\nmode = set\n";

static void start(struct vm *vm)
{
	const struct tcg_options o = {.source_dir = source_dir,
				      .vmdesched = vmdesched,
				      .init = init,
				      .conf = conf,
				      .append = "clocksource=acpi_pm"};

	*vm = (struct vm){.lag = 0.0 / 0.0};
	tcg_start(&vm->guest, &o);
	tcg_publish(&vm->guest);
}

static void take_line(struct vm *vm, const char *line)
{
	long now;

	sscanf(line, "desched_clock_lag_seconds %lf", &vm->lag);
	sscanf(line, "desched_clock_steps_total %d", &vm->steps);
	sscanf(line, "desched_clock_jumps_total %d", &vm->jumps);
	sscanf(line, "desched_pauses_total %d", &vm->pauses);
	if (!strncmp(line, "vmdesched:", 10))
		print_message("guest: %s\n", line);
	if (sscanf(line, "NOW %ld", &now) != 1)
		return;
	vm->lines++;
	vm->behind = ns_to_s(clock_real()) - (double)now;
}

/* Reads what the guest prints until `n` more of its lines have come, at most a minute for each. */
static void read_lines(struct vm *vm, int n)
{
	int target = vm->lines + n;
	char line[TCG_LINE];

	while (vm->lines < target) {
		tcg_line(&vm->guest, 60, line);
		take_line(vm, line);
		/* Set past the host's clock: never. */
		if (vm->behind < -NEAR_S)
			fail_msg("the guest is %.1f s ahead of its host", -vm->behind);
	}
}

static void pause_vm(struct vm *vm, int ms)
{
	kill(vm->guest.pid, SIGSTOP);
	nanosleep(&(struct timespec){ms / 1000, (long)(ms % 1000) * 1000000}, NULL);
	kill(vm->guest.pid, SIGCONT);
}

/* No clock is lost in it: whoever sets one is wrong. */
static void check_short(struct vm *vm, int ms)
{
	int steps = vm->steps, pauses = vm->pauses;

	pause_vm(vm, ms);
	read_lines(vm, CLOCK_LINES);
	assert_int_equal(vm->steps, steps);
	assert_in_range((int)(10 * (vm->behind + 10)), 100 - (int)(10 * NEAR_S),
			100 + (int)(10 * NEAR_S));
	assert_true(ms < 1000 || vm->pauses > pauses);
}

static void check_long(struct vm *vm, int ms)
{
	int steps = vm->steps, jumps = vm->jumps;
	double lost = 0;

	pause_vm(vm, ms);
	for (int i = 0; i < 60 && vm->steps == steps; i++) {
		read_lines(vm, 1);
		lost = vm->behind > lost ? vm->behind : lost;
	}
	print_message("%d ms of pause: %.1f s behind, then %.1f s after %d step\n", ms, lost,
		      vm->behind, vm->steps - steps);
	assert_true(lost > ms / 1000.0 - WRAP_S - NEAR_S); /* the world is as described */
	assert_int_equal(vm->steps, steps + 1);
	assert_true(vm->jumps > jumps);
	read_lines(vm, 2);
	assert_int_equal(vm->steps, steps + 1);
	if (vm->behind > NEAR_S || vm->lag > 1 || vm->lag < -1)
		fail_msg("%.1f s behind after the step, %.3f s by vmdesched", vm->behind, vm->lag);
}

static void pauses_are_survived(void **state)
{
	struct vm vm;

	(void)state;
	start(&vm);
	for (int i = 0; i < 180 && !(vm.lag > -1e9); i++)
		read_lines(&vm, 1);
	assert_true(vm.lag > -1e9);
	read_lines(&vm, 2);
	for (int i = 0; i < n_pauses; i++) {
		if (pauses_ms[i] / 1000.0 < WRAP_S)
			check_short(&vm, pauses_ms[i]);
		else
			check_long(&vm, pauses_ms[i]);
	}
	tcg_end(&vm.guest);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(pauses_are_survived)};

	if (argc < 4)
		return 2;
	vmdesched = argv[1];
	source_dir = argv[2];
	for (int i = 3; i < argc && n_pauses < 8; i++)
		pauses_ms[n_pauses++] = atoi(argv[i]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
