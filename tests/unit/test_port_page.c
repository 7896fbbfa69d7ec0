/* SPDX-License-Identifier: MIT */
/* Where VMDesched's port may be asked at all (guest/port_page.c): trees of /sys and /proc as
 * machines have them. That the page itself is found is shown in tests/system/nested-vm.sh. */
#include "guest/port_page.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

static char root[] = "/tmp/test-port-page.XXXXXX";

static void put(const char *path, const char *text)
{
	char full[256];
	FILE *f;

	snprintf(full, sizeof(full), "%s%s", root, path);
	for (char *p = full + strlen(root) + 1; (p = strchr(p, '/')); p++) {
		*p = '\0';
		mkdir(full, 0700);
		*p = '/';
	}
	f = fopen(full, "w");
	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

static void range(const char *start, const char *end, const char *type)
{
	put("/sys/firmware/memmap/2/start", start);
	put("/sys/firmware/memmap/2/end", end);
	put("/sys/firmware/memmap/2/type", type);
}

static int expected(uint64_t *ret)
{
	return port_page_expected(root, ret);
}

static void our_machine(void **state)
{
	uint64_t size = 0;

	(void)state;
	put("/proc/ioports", "0000-001f : dma1\n03f8-03ff : serial\n");
	range("0xd4000000\n", "0xd403ffff\n", "Reserved\n");
	assert_int_equal(expected(&size), 0);
	assert_int_equal(size, 0x40000);
	put("/proc/ioports", "0000-0cf7 : PCI Bus 0000:00\n  03f8-03ff : serial\n");
	assert_int_equal(expected(&size), 0);
}

static void other_machines(void **state)
{
	uint64_t size = 7;

	(void)state;
	assert_int_equal(port_page_expected("/no/such/directory", &size), -ENODEV);
	put("/proc/ioports", "");
	range("0xd4000000\n", "0xd403ffff\n", "System RAM\n");
	assert_int_equal(expected(&size), -ENODEV);
	range("0xd4001000\n", "0xd403ffff\n", "Reserved\n");
	assert_int_equal(expected(&size), -ENODEV);
	range("0xd4000000\n", "0xd402ffff\n", "Reserved\n"); /* no power of two */
	assert_int_equal(expected(&size), -ENODEV);
	range("0xd4000000\n", "0xd3ffffff\n", "Reserved\n");
	assert_int_equal(expected(&size), -ENODEV);
	range("", "", "");
	assert_int_equal(expected(&size), -ENODEV);
	range("0xd4000000\n", "0xd403ffff\n", "Reserved\n");
	put("/proc/ioports", "0000-0cf7 : PCI Bus 0000:00\n  056c-056f : something\n");
	assert_int_equal(expected(&size), -ENODEV);
	assert_int_equal(size, 7);
}

static int set_up(void **state)
{
	(void)state;
	return mkdtemp(root) ? 0 : -1;
}

static int tear_down(void **state)
{
	char command[128];

	(void)state;
	snprintf(command, sizeof(command), "rm -r '%s'", root);
	return system(command);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(our_machine),
		cmocka_unit_test(other_machines),
	};

	return cmocka_run_group_tests_name("port_page", tests, set_up, tear_down);
}
