/* SPDX-License-Identifier: MIT */
/*
 * The monitor's devices, each spoken to as a driver would: 8259, 8254, 16550, CMOS clock,
 * VMDesched's port. What is expected is what their data sheets say. Timing is in test_ticker.c,
 * images are in test_image.c, the whole monitor is in tests/system/test_vm.c.
 */
#include "device_ports.h"

#include "vmm/machine.h"
#include "vmm/reset.h"
#include "vmm/sandbox.h"
#include "vmm/timers.h"
#include "vmm/vcpu_access.h"
#include "vmm/vcpu_ticks.h"

#include <desched/vmdesched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#define MS UINT64_C(1000000)

static bool pic_write(struct pic *p, uint16_t port, uint8_t value)
{
	struct bus bus = {0};

	return device_out(&pic_device, p, &bus, port, value);
}

static bool pic_read(struct pic *p, uint16_t port, uint32_t *ret)
{
	struct bus bus = {0};

	return device_in(&pic_device, p, &bus, port, ret);
}

static void set_up_pics(struct pic *p, uint8_t icw4)
{
	static const uint8_t ports[] = {0x20, 0x21, 0x21, 0x21, 0xa0, 0xa1, 0xa1, 0xa1};
	const uint8_t words[] = {0x11, 0x20, 4, icw4, 0x11, 0x28, 2, icw4};

	pic_device.reset(p);
	for (int i = 0; i < 8; i++)
		assert_true(pic_write(p, ports[i], words[i]));
	pic_write(p, 0x21, 0);
	pic_write(p, 0xa1, 0);
}

static void pic_priorities(void **state)
{
	struct pic p;

	(void)state;
	set_up_pics(&p, 1);
	assert_false(pic_pending(&p));
	pic_raise(&p, 4);
	pic_raise(&p, 1);
	assert_int_equal(pic_acknowledge(&p), 0x21);
	assert_false(pic_pending(&p)); /* 4 waits for 1 */
	pic_raise(&p, 0);
	assert_int_equal(pic_acknowledge(&p), 0x20); /* 0 does not */
	pic_write(&p, 0x20, 0x20);
	assert_false(pic_pending(&p));
	pic_write(&p, 0x20, 0x20);
	assert_int_equal(pic_acknowledge(&p), 0x24);
	assert_true(pic_busy(&p, 4));
	pic_write(&p, 0x20, 0x64); /* the end of 4, by name */
	assert_false(pic_busy(&p, 4));
}

static void pic_slave(void **state)
{
	struct pic p;
	uint32_t v = 0;

	(void)state;
	set_up_pics(&p, 1);
	pic_raise(&p, 10);
	pic_raise(&p, 5);
	assert_int_equal(pic_acknowledge(&p), 0x2a); /* by way of line 2, which goes before 5 */
	assert_false(pic_pending(&p));
	pic_write(&p, 0x20, 0x0b);
	assert_true(pic_read(&p, 0x20, &v));
	assert_int_equal(v, 1 << 2);
	pic_write(&p, 0xa0, 0x20);
	pic_write(&p, 0x20, 0x20);
	assert_int_equal(pic_acknowledge(&p), 0x25);
}

static void pic_masks(void **state)
{
	struct pic p;
	uint32_t v = 0;

	(void)state;
	set_up_pics(&p, 1);
	pic_write(&p, 0x21, 1 << 0);
	pic_raise(&p, 0);
	assert_false(pic_pending(&p));
	assert_int_equal(pic_acknowledge(&p), 0x27); /* nothing there: the spurious one */
	assert_true(pic_read(&p, 0x21, &v));
	assert_int_equal(v, 1);
	pic_write(&p, 0x21, 0);
	assert_int_equal(pic_acknowledge(&p), 0x20);
	assert_false(pic_read(&p, 0x60, &v));
}

static void pic_ends_by_itself(void **state)
{
	struct pic p;

	(void)state;
	set_up_pics(&p, 3);
	pic_raise(&p, 0);
	pic_acknowledge(&p);
	assert_false(pic_busy(&p, 0));
	pic_raise(&p, 0);
	assert_true(pic_pending(&p));
}

static void pit_write(struct pit *p, uint16_t port, uint8_t value, uint64_t now)
{
	struct bus bus = {.now = now};

	assert_true(device_out(&pit_device, p, &bus, port, value));
}

static void pit_read(struct pit *p, uint16_t port, uint64_t now, uint32_t *ret)
{
	struct bus bus = {.now = now};

	assert_true(device_in(&pit_device, p, &bus, port, ret));
}

static void program(struct pit *p, uint8_t command, uint16_t count, uint64_t now)
{
	pit_write(p, 0x43, command, now);
	pit_write(p, 0x40 + (command >> 6), (uint8_t)count, now);
	pit_write(p, 0x40 + (command >> 6), (uint8_t)(count >> 8), now);
}

static void pit_periods(void **state)
{
	bool once = true;
	struct pit p;

	(void)state;
	pit_device.reset(&p);
	assert_int_equal(pit_period(&p, &once), 0);
	program(&p, 0x34, 11932, MS);
	assert_true(p.changed);
	assert_in_range(pit_period(&p, &once), 10000100, 10000200); /* 11932 / 1193182 s */
	assert_false(once);
	program(&p, 0x36, 0, MS); /* 65536 */
	assert_in_range(pit_period(&p, &once), 54925400, 54925500);
	program(&p, 0x30, 11932, MS);
	assert_in_range(pit_period(&p, &once), 10000100, 10000200);
	assert_true(once);
	program(&p, 0x34, 1, MS); /* 1 MHz and more is not to be had */
	assert_int_equal(pit_period(&p, &once), PIT_FASTEST);
	pit_write(&p, 0x43, 0x34, MS); /* stopped until it is loaded */
	assert_int_equal(pit_period(&p, &once), 0);
}

static void pit_counts(void **state)
{
	uint32_t low = 0, high = 0, status = 0;
	struct pit p;

	(void)state;
	pit_device.reset(&p);
	pit_write(&p, 0x61, 1, MS);
	program(&p, 0xb0, 59659, MS); /* channel 2, mode 0, 50 ms */
	pit_write(&p, 0x43, 0x80, 11 * MS);
	pit_read(&p, 0x42, 30 * MS, &low); /* as latched, 10 ms on: 59659 - 11931 */
	pit_read(&p, 0x42, 30 * MS, &high);
	assert_in_range(low | high << 8, 47726, 47730);
	pit_read(&p, 0x61, 30 * MS, &status);
	assert_false(status & 0x20);
	pit_read(&p, 0x61, 52 * MS, &status);
	assert_true(status & 0x20);
	pit_write(&p, 0x43, 0xe8, 52 * MS); /* read back: status of channel 2 */
	pit_read(&p, 0x42, 52 * MS, &status);
	assert_int_equal(status, 0x80 | 0x30);
}

static void serial_write(struct serial *s, uint16_t port, uint8_t value)
{
	struct bus bus = {0};

	assert_true(device_out(&serial_device, s, &bus, port, value));
}

static void serial_read(struct serial *s, uint16_t port, uint32_t *ret)
{
	struct bus bus = {0};

	assert_true(device_in(&serial_device, s, &bus, port, ret));
}

static bool serial_pending(const struct serial *s)
{
	return serial_device.pending(s);
}

static void serial_port(void **state)
{
	struct serial s = {0};
	uint32_t v = 0;

	(void)state;
	serial_device.reset(&s);
	serial_write(&s, 0x3f8, 'x');
	assert_int_equal(s.out_used, 1);
	assert_int_equal(s.out[0], 'x');
	assert_false(serial_pending(&s));
	serial_write(&s, 0x3f9, 1);
	serial_put(&s, 'y');
	assert_true(serial_pending(&s));
	serial_read(&s, 0x3fa, &v);
	assert_int_equal(v & 0x0f, 4);
	serial_read(&s, 0x3fd, &v);
	assert_int_equal(v, 0x61);
	serial_read(&s, 0x3f8, &v);
	assert_int_equal(v, 'y');
	assert_false(serial_pending(&s));
	serial_write(&s, 0x3fb, 0x83); /* the divisor's door */
	serial_write(&s, 0x3f8, 12);
	assert_int_equal(s.divisor & 0xff, 12);
	assert_int_equal(s.out_used, 1);
	for (int i = 0; i < 300; i++)
		serial_put(&s, 'z');
	assert_int_equal(s.dropped, 300 - 255);
}

static void serial_transmitter(void **state)
{
	struct serial s = {0};
	uint32_t v = 0;

	(void)state;
	serial_device.reset(&s);
	serial_write(&s, 0x3f9, 2);
	assert_true(serial_pending(&s)); /* it is empty */
	serial_read(&s, 0x3fa, &v);
	assert_int_equal(v & 0x0f, 2);
	assert_false(serial_pending(&s)); /* which has been seen */
	serial_write(&s, 0x3f8, 'x');
	assert_true(serial_pending(&s));
}

static void rtc_write(struct rtc *r, uint16_t port, uint8_t value)
{
	struct bus bus = {0};

	assert_true(device_out(&rtc_device, r, &bus, port, value));
}

static uint8_t cmos(struct rtc *r, uint8_t index)
{
	rtc_write(r, 0x70, index);
	return rtc_read(r, 0x71, UINT64_C(1700000000) * 1000 * MS);
}

/* 1700000000 is Tuesday, 2023-11-14 22:13:20 UTC, by date(1). */
static void clock_of_day(void **state)
{
	static const uint8_t expected[][2] = {{0, 0x20}, {2, 0x13}, {4, 0x22}, {6, 0x03},
					      {7, 0x14}, {8, 0x11}, {9, 0x23}, {0x32, 0x20}};
	struct rtc r;

	(void)state;
	rtc_device.reset(&r);
	for (size_t i = 0; i < sizeof(expected) / 2; i++)
		assert_int_equal(cmos(&r, expected[i][0]), expected[i][1]);
	rtc_write(&r, 0x70, 0x0b);
	rtc_write(&r, 0x71, 6); /* binary */
	assert_int_equal(cmos(&r, 4), 22);
}

/* A board with one vCPU, after power-up. */
static struct machine *make_machine(struct memory memory)
{
	struct machine *m = calloc(1, sizeof(*m));

	m->board.memory = memory;
	m->board.block.fd = -1;
	m->cpus = 1;
	machine_reset(m);
	return m;
}

static struct port_timers timers_of(struct machine *m)
{
	return (struct port_timers){&m->board.ticker, &m->board.clock_ticker};
}

static void desched_port(void **state)
{
	static _Alignas(4096) uint8_t bytes[4 * 4096];
	struct machine *m = make_machine((struct memory){.base = bytes, .size = sizeof(bytes)});
	struct vcpu *v = &m->cpu[0];
	struct vmdesched_page page;
	static const uint32_t bad[] = {1, 4095, 4097, 4 * 4096, 0x80000000, 0xfffff000};

	(void)state;
	assert_int_equal(vcpu_port_read(v, 0x568, 4), 0);
	assert_int_equal(vcpu_port_read(v, 0x56c, 4), 0);
	assert_int_equal(vcpu_port_read(v, 0x560, 4), VMDESCHED_MAGIC);
	assert_int_equal(vcpu_port_read(v, 0x560, 1), UINT32_MAX);
	for (size_t i = 0; i < sizeof(bad) / 4; i++) {
		vcpu_port_write(v, 0x560, 4, bad[i]);
		assert_int_equal(v->port.page, 0);
	}
	vcpu_port_write(v, 0x560, 4, 3 * 4096);
	machine_set_policy(m, TICK_DESCHED);
	ticker_start(&m->board.ticker, 10 * MS, 0, 0);
	ticker_reading(&m->board.ticker, 60 * MS, 10 * MS);
	port_publish(&v->port, timers_of(m), false, &m->board.memory);
	memcpy(&page, bytes + 3 * 4096, sizeof(page));
	assert_int_equal(page.magic, VMDESCHED_MAGIC);
	assert_int_equal(page.bits, VMDESCHED_WANTED);
	assert_int_equal(page.backlog, 5);
	assert_int_equal(page.away_ns, 50 * MS);
	assert_int_equal(page.run_ns, 10 * MS);
	vcpu_port_write(v, 0x564, 1, 1);
	while (ticker_fire(&m->board.ticker))
		;
	port_publish(&v->port, timers_of(m), true,
		     &m->board.memory); /* the last one is on its way */
	memcpy(&page, bytes + 3 * 4096, sizeof(page));
	assert_int_equal(page.bits, VMDESCHED_WANTED);
	port_publish(&v->port, timers_of(m), false, &m->board.memory);
	memcpy(&page, bytes + 3 * 4096, sizeof(page));
	assert_int_equal(page.bits, 0);
	free(m);
}

/* The process' side of the port: a tick of the backlog for each reading, and by how much the clock
 * is to be set when the monitor has given one up. */
static void desched_port_asked(void **state)
{
	struct machine *m = make_machine((struct memory){0});
	struct vcpu *v = &m->cpu[0];
	unsigned ticks = 0;

	(void)state;
	machine_set_policy(m, TICK_DESCHED);
	assert_int_equal(vcpu_port_read(v, 0x564, 1), 0);
	assert_int_equal(vcpu_port_read(v, 0x564, 4), 0);
	assert_int_equal(vcpu_port_read(v, 0x564, 2), UINT32_MAX);
	ticker_start(&m->board.ticker, 10 * MS, 0, 0);
	ticker_reading(&m->board.ticker, 60 * MS, 10 * MS - TICKER_SLACK - 1);
	for (; vcpu_port_read(v, 0x564, 1) == VMDESCHED_WANTED; ticks++)
		assert_true(ticker_fire(&m->board.ticker));
	assert_int_equal(ticks, 5);
	assert_int_equal(v->port.entered, 1);
	ticker_reading(&m->board.ticker, 61 * 1000 * MS, 10 * MS);
	assert_int_equal(vcpu_port_read(v, 0x564, 1), VMDESCHED_SET);
	assert_in_range(vcpu_port_read(v, 0x564, 4), 60930, 60940);
	assert_int_equal(vcpu_port_read(v, 0x564, 1), 0);
	assert_int_equal(vcpu_port_read(v, 0x564, 4), 0);
	free(m);
}

/* A reset: devices as they were at power-up, counters as they are. */
static void board_begins_anew(void **state)
{
	struct machine *m = make_machine((struct memory){0});
	struct vcpu *v = &m->cpu[0];

	(void)state;
	machine_set_policy(m, TICK_DESCHED);
	m->board.bus.now = MS;
	timers_reading(&m->board, MS, MS);
	vcpu_port_write(v, 0x43, 1, 0x34);
	vcpu_port_write(v, 0x40, 1, 0);
	vcpu_port_write(v, 0x40, 1, 1);
	vcpu_port_write(v, 0x564, 1, 1);
	vcpu_port_write(v, 0x3f9, 1, 3);
	timers_reading(&m->board, 1000 * MS, 1000 * MS);
	timers_fire(&m->board);
	timers_reading(&m->board, 2000 * MS, 2000 * MS);
	assert_true(timers_fire(&m->board));
	machine_reset(m);
	assert_false(timers_fire(&m->board));
	assert_true(timers_next(&m->board) == TICK_NEVER);
	assert_false(m->board.ticker.vmdesched);
	assert_int_equal(v->port.entered, 1);
	assert_false(pic_raised(&m->board.pic, 0));
	assert_int_equal(vcpu_port_read(v, 0x3f9, 1), 0);
	assert_int_equal(vcpu_port_read(v, 0x21, 1), 0xff);
	free(m);
}

/* A guest says by the port or by the page's word, at offset 96, that VMDesched runs. */
static void desched_word(void **state)
{
	static _Alignas(4096) uint8_t bytes[4096 * 2];
	uint32_t *word = (uint32_t *)(void *)(bytes + 4096 + 96);
	struct machine *m = make_machine((struct memory){.base = bytes, .size = sizeof(bytes)});
	struct vcpu *v = &m->cpu[0];

	(void)state;
	*word = 3;
	vcpu_look(v);
	assert_false(m->board.ticker.vmdesched); /* no page yet */
	vcpu_port_write(v, 0x560, 4, 4096);
	vcpu_look(v);
	vcpu_look(v);
	assert_true(m->board.ticker.vmdesched);
	assert_int_equal(v->port.entered, 1);
	port_publish(&v->port, timers_of(m), false, &m->board.memory);
	assert_int_equal(*word, 3); /* the guest's own */
	*word = 2;
	vcpu_look(v);
	assert_false(m->board.ticker.vmdesched);
	vcpu_port_write(v, 0x564, 1, 1);
	vcpu_look(v);
	assert_true(m->board.ticker.vmdesched);
	vcpu_port_write(v, 0x564, 1, 0);
	assert_false(m->board.ticker.vmdesched);
	assert_int_equal(v->port.entered, 2);
	free(m);
}

/* Where the ledger page is; devices do not reach it, and what is written there goes nowhere. */
static void ledger_page(void **state)
{
	static uint8_t bytes[4096], page[4096];
	struct machine *m = make_machine((struct memory){bytes, sizeof(bytes), page, sizeof(page)});
	struct vcpu *v = &m->cpu[0];

	(void)state;
	assert_int_equal(vcpu_port_read(v, 0x568, 4), 0xd4000000);
	assert_int_equal(vcpu_port_read(v, 0x56c, 4), 4096);
	assert_int_equal(vcpu_port_read(v, 0x568, 1), UINT32_MAX);
	assert_null(memory_at(&m->board.memory, 0xd4000000, 1));
	board_memory_write(&m->board, 0xd4000000, 8, UINT64_MAX);
	assert_int_equal(page[0], 0);
	free(m);
}

static void ends(void **state)
{
	struct machine *m = make_machine((struct memory){0});
	struct vcpu *v = &m->cpu[0];

	(void)state;
	vcpu_port_write(v, 0x64, 1, 0xfe);
	assert_int_equal(m->end, MACHINE_RESET);
	m->end = MACHINE_RUNS;
	machine_reset(m);
	vcpu_port_write(v, 0x604, 2, 0x2000);
	assert_int_equal(m->end, MACHINE_POWEROFF);
	m->end = MACHINE_RUNS;
	machine_reset(m);
	vcpu_port_write(v, 0xcf9, 1, 6);
	assert_int_equal(m->end, MACHINE_RESET);
	assert_int_equal(vcpu_port_read(v, 0xcf8, 4), UINT32_MAX);
	free(m);
}

/* An access of another size, or just beside a device or 4096 ports further, finds nothing. */
static void only_their_ports(void **state)
{
	static const struct {
		uint16_t port;
		unsigned size;
	} nothing[] = {{0x40, 2},   {0x60, 1},	 {0x62, 1},  {0x22, 1},	 {0x6f, 1},   {0x72, 1},
		       {0x3f7, 1},  {0x400, 1},	 {0x600, 1}, {0x601, 2}, {0x606, 2},  {0x64, 2},
		       {0x64, 4},   {0xcf9, 2},	 {0x4cf, 1}, {0x4d2, 1}, {0x1040, 1}, {0x1064, 1},
		       {0x1604, 2}, {0xf064, 1}, {0xffff, 1}};
	struct machine *m = make_machine((struct memory){0});
	struct board before;

	(void)state;
	before = m->board;
	for (size_t i = 0; i < sizeof(nothing) / sizeof(nothing[0]); i++) {
		vcpu_port_write(&m->cpu[0], nothing[i].port, nothing[i].size, 0x20fe);
		assert_int_equal(vcpu_port_read(&m->cpu[0], nothing[i].port, nothing[i].size),
				 UINT32_MAX);
		assert_memory_equal(&m->board, &before, sizeof(before));
		assert_int_equal(m->end, MACHINE_RUNS);
	}
	assert_int_equal(vcpu_port_read(&m->cpu[0], 0x64, 1), 0);
	free(m);
}

static void allow_lists(void **state)
{
	(void)state;
	assert_in_range(sandbox_size(SANDBOX_VCPU), 1, 27);
	assert_in_range(sandbox_size(SANDBOX_MAIN), 1, 50);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pic_priorities),
		cmocka_unit_test(pic_slave),
		cmocka_unit_test(pic_masks),
		cmocka_unit_test(pic_ends_by_itself),
		cmocka_unit_test(pit_periods),
		cmocka_unit_test(pit_counts),
		cmocka_unit_test(serial_port),
		cmocka_unit_test(serial_transmitter),
		cmocka_unit_test(clock_of_day),
		cmocka_unit_test(desched_port),
		cmocka_unit_test(desched_port_asked),
		cmocka_unit_test(board_begins_anew),
		cmocka_unit_test(desched_word),
		cmocka_unit_test(ledger_page),
		cmocka_unit_test(ends),
		cmocka_unit_test(only_their_ports),
		cmocka_unit_test(allow_lists),
	};

	return cmocka_run_group_tests_name("devices", tests, NULL, NULL);
}
