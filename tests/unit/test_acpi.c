/* SPDX-License-Identifier: MIT */
/*
 * vmm/acpi.c: the tables as ACPI 6.4 has them, found as a kernel finds them; vmm/power.c: the
 * registers. The DSDT's bytes are those of Intel's compiler (iasl) for the source that stands
 * beside them. That a stock kernel takes them is tests/system/nested-vm.sh.
 */
#include "device_ports.h"

#include "vmm/acpi.h"
#include "vmm/power.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static uint8_t bytes[1 << 20];
static const struct memory memory = {.base = bytes, .size = sizeof(bytes)};
static const struct acpi_device devices[] = {{0xd0000000, 0x1000, 5}, {0xd0002000, 0x1000, 11}};

/*
 * Name (\_S5, Package () { 5, 0, 0, 0 })
 * Scope (\_SB) {
 *     Device (VIR0) { Name (_HID, "LNRO0005") Name (_UID, 5)
 *         Name (_CRS, ResourceTemplate () { Memory32Fixed (ReadWrite, 0xD0000000, 0x1000)
 *             Interrupt (ResourceConsumer, Edge, ActiveHigh, Exclusive) { 5 } }) }
 *     Device (VIR1) { the same with 11 and 0xD0002000 } }
 */
static const uint8_t compiled[] = {
	0x08, 0x5f, 0x53, 0x35, 0x5f, 0x12, 0x07, 0x04, 0x0a, 0x05, 0x00, 0x00, 0x00, 0x10, 0x40,
	0x08, 0x5f, 0x53, 0x42, 0x5f, 0x5b, 0x82, 0x3b, 0x56, 0x49, 0x52, 0x30, 0x08, 0x5f, 0x48,
	0x49, 0x44, 0x0d, 0x4c, 0x4e, 0x52, 0x4f, 0x30, 0x30, 0x30, 0x35, 0x00, 0x08, 0x5f, 0x55,
	0x49, 0x44, 0x0a, 0x05, 0x08, 0x5f, 0x43, 0x52, 0x53, 0x11, 0x1a, 0x0a, 0x17, 0x86, 0x09,
	0x00, 0x01, 0x00, 0x00, 0x00, 0xd0, 0x00, 0x10, 0x00, 0x00, 0x89, 0x06, 0x00, 0x03, 0x01,
	0x05, 0x00, 0x00, 0x00, 0x79, 0x00, 0x5b, 0x82, 0x3b, 0x56, 0x49, 0x52, 0x31, 0x08, 0x5f,
	0x48, 0x49, 0x44, 0x0d, 0x4c, 0x4e, 0x52, 0x4f, 0x30, 0x30, 0x30, 0x35, 0x00, 0x08, 0x5f,
	0x55, 0x49, 0x44, 0x0a, 0x0b, 0x08, 0x5f, 0x43, 0x52, 0x53, 0x11, 0x1a, 0x0a, 0x17, 0x86,
	0x09, 0x00, 0x01, 0x00, 0x20, 0x00, 0xd0, 0x00, 0x10, 0x00, 0x00, 0x89, 0x06, 0x00, 0x03,
	0x01, 0x0b, 0x00, 0x00, 0x00, 0x79, 0x00,
};

static uint64_t number(const uint8_t *at, unsigned size)
{
	uint64_t n = 0;

	while (size--)
		n = n << 8 | at[size];
	return n;
}

static uint8_t sum(const uint8_t *at, uint64_t size)
{
	uint8_t s = 0;

	while (size--)
		s = (uint8_t)(s + *at++);
	return s;
}

/* A table with a good sum. */
static const uint8_t *table(uint64_t at, const char *signature)
{
	assert_true(at >= ACPI_ROOT && at < sizeof(bytes) - 36);
	assert_memory_equal(bytes + at, signature, 4);
	assert_int_equal(sum(bytes + at, number(bytes + at + 4, 4)), 0);
	return bytes + at;
}

static const uint8_t *fadt(void)
{
	const uint8_t *root;

	acpi_put(&memory, devices, 2, 0);
	assert_int_equal(ACPI_ROOT % 16, 0);
	assert_memory_equal(bytes + ACPI_ROOT, "RSD PTR ", 8);
	assert_int_equal(sum(bytes + ACPI_ROOT, 20), 0);
	assert_int_equal(sum(bytes + ACPI_ROOT, 36), 0);
	root = table(number(bytes + ACPI_ROOT + 24, 8), "XSDT");
	assert_int_equal(number(root + 4, 4), 36 + 8);
	return table(number(root + 36, 8), "FACP");
}

/* Offsets: table 5.9. */
static void registers_are_told(void **state)
{
	const uint8_t *t = fadt();

	(void)state;
	assert_int_equal(number(t + 46, 2), 9);	    /* SCI_INT */
	assert_int_equal(number(t + 48, 4), 0);	    /* SMI_CMD: always in ACPI mode */
	assert_int_equal(number(t + 56, 4), 0x600); /* PM1a_EVT_BLK */
	assert_int_equal(number(t + 64, 4), 0x604); /* PM1a_CNT_BLK */
	assert_int_equal(t[88], 4);
	assert_int_equal(t[89], 2);
	assert_int_equal(t[108], 0x32);		     /* CENTURY */
	assert_int_equal(number(t + 109, 2) & 3, 1); /* legacy devices, no 8042 */
	assert_true(number(t + 112, 4) & 1 << 10);   /* RESET_REG_SUP */
	assert_int_equal(t[116], 1);		     /* in ports */
	assert_int_equal(number(t + 120, 8), 0xcf9);
	assert_int_equal(t[128], 6);
	assert_memory_equal(bytes + number(t + 36, 4), "FACS", 4);
	assert_int_equal(number(t + 36, 4) % 64, 0);
}

static void devices_are_told(void **state)
{
	const uint8_t *t = fadt(), *names = table(number(t + 40, 4), "DSDT");

	(void)state;
	assert_int_equal(number(names + 4, 4), 36 + sizeof(compiled));
	assert_memory_equal(names + 36, compiled, sizeof(compiled));
}

/* No more than there is room for, nothing outside. */
static void many_devices(void **state)
{
	struct acpi_device many[100] = {{0}};

	(void)state;
	memset(bytes, 0, sizeof(bytes));
	acpi_put(&memory, many, 100, 100);
	for (uint32_t i = 0; i < sizeof(bytes); i++)
		assert_true(i >= ACPI_ROOT && i < ACPI_ROOT + 0x1000 ? true : !bytes[i]);
}

static uint32_t in(struct power *p, uint16_t port)
{
	const struct bus bus = {0};
	uint32_t v = 0;

	assert_true(device_in(&power_device, p, &bus, port, &v));
	return v;
}

static bool out(struct power *p, uint16_t port, uint16_t value)
{
	struct bus bus = {0};

	assert_true(device_out(&power_device, p, &bus, port, value));
	assert_false(bus.reset);
	return bus.off;
}

static void sleep_is_off(void **state)
{
	struct power p = {0};
	struct bus bus = {0};
	uint32_t v;

	(void)state;
	assert_int_equal(in(&p, 0x600), 0);
	assert_false(out(&p, 0x602, 0x20));
	assert_int_equal(in(&p, 0x602), 0x20);
	assert_false(out(&p, 0x604, 5 << 10));
	assert_int_equal(in(&p, 0x604), 5 << 10 | 1); /* SCI_EN */
	assert_true(out(&p, 0x604, 5 << 10 | 1 << 13));
	assert_false(device_in(&power_device, &p, &bus, 0x606, &v));
	assert_false(device_out(&power_device, &p, &bus, 0x5ff, 0xffff));
	assert_false(bus.off);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(registers_are_told),
		cmocka_unit_test(devices_are_told),
		cmocka_unit_test(many_devices),
		cmocka_unit_test(sleep_is_off),
	};

	return cmocka_run_group_tests_name("acpi", tests, NULL, NULL);
}
