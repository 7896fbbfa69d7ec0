/* SPDX-License-Identifier: MIT */
/*
 * `vmdesched --ticks`: whose the port is, and what the process may still do. That it works is
 * tests/system/nested-ticks.sh; the port's other side is test_devices.c, test_ticker.c, test_rtc.c.
 */
#include "base/proc.h"
#include "guest/ioport.h"
#include "vmdesched/allowed.h"
#include "vmdesched/backlog.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

static void ports_of_others(void **state)
{
	(void)state;
	assert_true(ioport_is_free(""));
	assert_true(ioport_is_free("0000-0cf7 : PCI Bus 0000:00\n"
				   "  03f8-03ff : serial\n"
				   "  0604-0605 : ACPI PM1a_CNT_BLK\n"));
	assert_true(ioport_is_free("0550-055f : a\n0570-057f : b\n"));
	assert_false(ioport_is_free("0550-0560 : a\n"));
	assert_false(ioport_is_free("056f-056f : a\n"));
	assert_false(ioport_is_free("0000-0cf7 : PCI Bus 0000:00\n  0400-05ff : pnp 00:01\n"));
	assert_false(ioport_is_free("0000-ffff : \n")); /* one without a name is somebody */
	assert_true(ioport_is_free("nonsense\n\n-:\n0560\n"));
}

static int all_is_refused(void)
{
	struct timespec t = {.tv_nsec = 1000};

	if (clock_nanosleep(CLOCK_MONOTONIC, 0, &t, NULL))
		return 3;
#ifdef DESCHED_ASAN
	return 0; /* no filter there, see confine.c */
#endif
	if (open("/dev/null", O_RDONLY) >= 0 || errno != EPERM)
		return 4;
	if (getpid() >= 0) /* not even that */
		return 5;
	return clock_settime(CLOCK_REALTIME, &t) != -1 || errno != EPERM ? 6 : 0;
}

/* In a child: 0, or the number of the check that failed. */
static int confined(void)
{
	char text[4096], *caps;
	struct confine keep;
	struct failure f;

	allowed_backlog(false, &keep);
	if (confine_privileges("", keep.capabilities, keep.n_capabilities, &f))
		return 1;
	if (file_read("/proc/self/status", text, sizeof(text)) < 0 ||
	    !(caps = strstr(text, "CapPrm:")) || strncmp(caps + 8, "0000000000000000", 16) != 0)
		return 2;
	return confine_system_calls(keep.lists, keep.n_lists, &f) ? 7 : all_is_refused();
}

static void it_may_wait_and_no_more(void **state)
{
	pid_t pid = fork();
	int status;

	(void)state;
	if (pid == 0)
		_exit(confined());
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

/* No machine that runs tests has the port: it says so, and is of no higher priority than before. */
static void elsewhere_nothing_happens(void **state)
{
	struct failure f = {.text = ""};
	int err = backlog_open(&f);

	(void)state;
	assert_true(err == -ENODEV || err == -EPERM || err == -ENOSYS);
	assert_non_null(strstr(f.text, "0x560"));
	assert_int_equal(sched_getscheduler(0), SCHED_OTHER);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ports_of_others),
		cmocka_unit_test(it_may_wait_and_no_more),
		cmocka_unit_test(elsewhere_nothing_happens),
	};

	return cmocka_run_group_tests_name("backlog", tests, NULL, NULL);
}
