/* SPDX-License-Identifier: MIT */
/*
 * libvmGuestLib.so.0 as a program sees it that was written for VMware's guest API: compiled against
 * prototypes only, linked with the shared library, on a machine whose vmdesched is
 * fake_vmdesched.h.
 */
#include "fake_vmdesched.h"
#include "vmGuestLib.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define OK	    VMGUESTLIB_ERROR_SUCCESS
#define UNAVAILABLE VMGUESTLIB_ERROR_NOT_AVAILABLE
#define UNSUPPORTED VMGUESTLIB_ERROR_UNSUPPORTED_VERSION
#define CANARY	    0x5555555555555555u

static struct fake fake;
static VMGuestLibHandle handle;

static int start(void **state)
{
	(void)state;
	fake = (struct fake){.answer = FAKE_ANSWER};
	return fake_start(&fake) || VMGuestLib_OpenHandle(&handle);
}

static int stop(void **state)
{
	(void)state;
	assert_int_equal(VMGuestLib_CloseHandle(handle), OK);
	fake_stop(&fake);
	return 0;
}

/* A failure leaves the figure as it was, and a 32-bit one writes 32 bits. */
#define CHECK32(name, error, expected)                                                             \
	do {                                                                                       \
		uint32_t v[2] = {0x55555555, 0x55555555};                                          \
		assert_int_equal(VMGuestLib_Get##name(handle, v), error);                          \
		assert_int_equal(v[0], (error) ? 0x55555555 : (expected));                         \
		assert_int_equal(v[1], 0x55555555);                                                \
	} while (0)
#define CHECK64(name, error, expected)                                                             \
	do {                                                                                       \
		uint64_t v = CANARY;                                                               \
		assert_int_equal(VMGuestLib_Get##name(handle, &v), error);                         \
		assert_int_equal(v, (error) ? CANARY : (expected));                                \
	} while (0)

static void figures_of_the_host(void **state)
{
	(void)state;
	assert_int_equal(VMGuestLib_UpdateInfo(handle), OK);
	CHECK64(SessionId, OK, 4711u);
	CHECK32(CpuReservationMHz, OK, 1250); /* half of a CPU of 2500 MHz */
	CHECK32(CpuLimitMHz, OK, 5000);	      /* two of them */
	CHECK32(CpuShares, OK, 2000);
	CHECK32(HostProcessorSpeed, OK, 2500);
	CHECK32(MemBalloonedMB, OK, 512); /* and 1 MiB less a byte: cut off */
	CHECK32(MemSharedMB, OK, 100);
	CHECK32(MemUsedMB, OK, 3072);
	CHECK32(MemSwappedMB, UNAVAILABLE, 0);
	CHECK32(MemReservationMB, UNAVAILABLE, 0);
}

static void what_desched_never_has(void **state)
{
	size_t size = 100;
	char path[100] = "untouched";

	(void)state;
	assert_int_equal(VMGuestLib_UpdateInfo(handle), OK);
	CHECK32(MemLimitMB, UNSUPPORTED, 0);
	CHECK32(MemShares, UNSUPPORTED, 0);
	CHECK64(MemShares64, UNSUPPORTED, 0);
	CHECK32(MemMappedMB, UNSUPPORTED, 0);
	CHECK32(MemActiveMB, UNSUPPORTED, 0);
	CHECK32(MemOverheadMB, UNSUPPORTED, 0);
	CHECK32(MemSharedSavedMB, UNSUPPORTED, 0);
	CHECK64(MemTargetSizeMB, UNSUPPORTED, 0);
	CHECK32(HostNumCpuCores, UNSUPPORTED, 0);
	CHECK64(HostCpuUsedMs, UNSUPPORTED, 0);
	CHECK64(HostMemSwappedMB, UNSUPPORTED, 0);
	CHECK64(HostMemSharedMB, UNSUPPORTED, 0);
	CHECK64(HostMemUsedMB, UNSUPPORTED, 0);
	CHECK64(HostMemPhysMB, UNSUPPORTED, 0);
	CHECK64(HostMemPhysFreeMB, UNSUPPORTED, 0);
	CHECK64(HostMemKernOvhdMB, UNSUPPORTED, 0);
	CHECK64(HostMemMappedMB, UNSUPPORTED, 0);
	CHECK64(HostMemUnmappedMB, UNSUPPORTED, 0);
	assert_int_equal(VMGuestLib_GetResourcePoolPath(handle, &size, path), UNSUPPORTED);
	assert_string_equal(path, "untouched");
}

/* Used and stolen time are parts of the elapsed time of two CPUs; what is left was idle or wait,
 * which fake_vmdesched.h adds up to 106.5 s and 1.75 s. */
static void used_and_stolen_are_parts_of_elapsed(void **state)
{
	uint64_t used, stolen, elapsed;

	(void)state;
	assert_int_equal(VMGuestLib_UpdateInfo(handle), OK);
	assert_int_equal(VMGuestLib_GetCpuUsedMs(handle, &used), OK);
	assert_int_equal(VMGuestLib_GetCpuStolenMs(handle, &stolen), OK);
	assert_int_equal(VMGuestLib_GetElapsedMs(handle, &elapsed), OK);
	assert_int_equal(used, 73750);
	assert_int_equal(stolen, 18000);
	assert_int_equal(elapsed, 100000);
	assert_int_equal(2 * elapsed - used - stolen, 106500 + 1750);
}

static void figures_without_a_page(void **state)
{
	(void)state;
	fake.answer = FAKE_SNAPSHOT("1", "");
	assert_int_equal(VMGuestLib_UpdateInfo(handle), OK);
	CHECK64(CpuStolenMs, OK, 18000u);
	CHECK32(CpuReservationMHz, UNAVAILABLE, 0);
	CHECK32(CpuShares, UNAVAILABLE, 0);
	CHECK32(MemUsedMB, UNAVAILABLE, 0);
}

static void a_figure_that_does_not_fit_is_not_cut(void **state)
{
	(void)state;
	fake.answer = FAKE_SNAPSHOT("1", ",\"page\":{\"shares\":4294967296}");
	assert_int_equal(VMGuestLib_UpdateInfo(handle), OK);
	CHECK32(CpuShares, UNAVAILABLE, 0);
	fake.answer = FAKE_SNAPSHOT("1", ",\"page\":{\"shares\":4294967295}");
	assert_int_equal(VMGuestLib_UpdateInfo(handle), OK);
	CHECK32(CpuShares, OK, 4294967295u);
}

static void no_info_before_the_first_update(void **state)
{
	(void)state;
	CHECK64(CpuUsedMs, VMGUESTLIB_ERROR_NO_INFO, 0);
	CHECK32(HostNumCpuCores, VMGUESTLIB_ERROR_NO_INFO, 0);
	CHECK64(SessionId, VMGUESTLIB_ERROR_NO_INFO, 0);
}

static void an_update_that_fails_leaves_no_info(void **state)
{
	(void)state;
	assert_int_equal(VMGuestLib_UpdateInfo(handle), OK);
	fake.answer = "{\"schema\":\"desched-agent/9\"}\n";
	assert_int_equal(VMGuestLib_UpdateInfo(handle), UNSUPPORTED);
	CHECK64(CpuUsedMs, VMGUESTLIB_ERROR_NO_INFO, 0);
	fake.answer = "{\"error\":\"the snapshot failed\"}\n";
	assert_int_equal(VMGuestLib_UpdateInfo(handle), VMGUESTLIB_ERROR_OTHER);
	fake.answer = FAKE_ANSWER;
	assert_int_equal(VMGuestLib_UpdateInfo(handle), OK);
	CHECK64(CpuUsedMs, OK, 73750u);
}

/* The machine moves: the daemon on the way has another session, and the figures begin anew. */
static void the_session_changes_with_the_daemon(void **state)
{
	(void)state;
	fake.hang_up = true;
	assert_int_equal(VMGuestLib_UpdateInfo(handle), OK);
	CHECK64(SessionId, OK, 4711u);
	fake_stop(&fake);
	assert_int_equal(VMGuestLib_UpdateInfo(handle), VMGUESTLIB_ERROR_NOT_ENABLED);
	fake.answer = FAKE_SNAPSHOT("9223372036854775807", "");
	assert_int_equal(fake_start(&fake), 0);
	assert_int_equal(VMGuestLib_UpdateInfo(handle), OK);
	CHECK64(SessionId, OK, 9223372036854775807u);
}

static void handles_and_arguments(void **state)
{
	const VMGuestLibHandle none = NULL;
	uint64_t v;

	(void)state;
	assert_int_equal(VMGuestLib_OpenHandle(NULL), VMGUESTLIB_ERROR_INVALID_ARG);
	assert_int_equal(VMGuestLib_UpdateInfo(none), VMGUESTLIB_ERROR_INVALID_HANDLE);
	assert_int_equal(VMGuestLib_CloseHandle(none), VMGUESTLIB_ERROR_INVALID_HANDLE);
	assert_int_equal(VMGuestLib_GetCpuUsedMs(none, &v), VMGUESTLIB_ERROR_INVALID_HANDLE);
	assert_int_equal(VMGuestLib_UpdateInfo(handle), OK);
	assert_int_equal(VMGuestLib_GetCpuUsedMs(handle, NULL), VMGUESTLIB_ERROR_INVALID_ARG);
	assert_int_equal(VMGuestLib_GetSessionId(handle, NULL), VMGUESTLIB_ERROR_INVALID_ARG);
}

static void every_error_has_a_text(void **state)
{
	const char *unknown = VMGuestLib_GetErrorText((VMGuestLibError)11);

	(void)state;
	for (int e = 0; e <= 10; e++) {
		assert_non_null(VMGuestLib_GetErrorText((VMGuestLibError)e));
		assert_string_not_equal(VMGuestLib_GetErrorText((VMGuestLibError)e), unknown);
	}
	assert_string_equal(VMGuestLib_GetErrorText((VMGuestLibError)-1), unknown);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(figures_of_the_host, start, stop),
		cmocka_unit_test_setup_teardown(what_desched_never_has, start, stop),
		cmocka_unit_test_setup_teardown(used_and_stolen_are_parts_of_elapsed, start, stop),
		cmocka_unit_test_setup_teardown(figures_without_a_page, start, stop),
		cmocka_unit_test_setup_teardown(a_figure_that_does_not_fit_is_not_cut, start, stop),
		cmocka_unit_test_setup_teardown(no_info_before_the_first_update, start, stop),
		cmocka_unit_test_setup_teardown(an_update_that_fails_leaves_no_info, start, stop),
		cmocka_unit_test_setup_teardown(the_session_changes_with_the_daemon, start, stop),
		cmocka_unit_test_setup_teardown(handles_and_arguments, start, stop),
		cmocka_unit_test(every_error_has_a_text),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
