/* SPDX-License-Identifier: MIT */
/*
 * vmm/rtc.c and its interrupts, by the data sheet of the MC146818: rates, the three flags and their
 * enables, register C, alarms with "don't care", 12 hours, SET; then on a board, with ticks kept
 * for VMDesched. The time of day alone is in test_devices.c.
 */
#include "device_ports.h"

#include "vmm/machine.h"
#include "vmm/reset.h"
#include "vmm/timers.h"
#include "vmm/vcpu_access.h"

#include <desched/vmdesched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#define MS  UINT64_C(1000000)
#define SEC UINT64_C(1000000000)

/* Tuesday, 2023-11-14 22:13:20 UTC, by date(1). */
#define NOW (UINT64_C(1700000000) * SEC)

enum { A = 10, B, C };
enum { UF = 0x10, AF = 0x20, PF = 0x40, IRQF = 0x80 };

static void rtc_write(struct rtc *r, uint16_t port, uint8_t value)
{
	struct bus bus = {0};

	assert_true(device_out(&rtc_device, r, &bus, port, value));
}

static void put(struct rtc *r, uint8_t index, uint8_t value)
{
	rtc_write(r, 0x70, index);
	rtc_write(r, 0x71, value);
}

static uint8_t get(struct rtc *r, uint8_t index, uint64_t real)
{
	rtc_write(r, 0x70, index);
	return rtc_read(r, 0x71, real);
}

static void begin(struct rtc *r)
{
	rtc_device.reset(r);
	rtc_advance(r, NOW);
	get(r, C, NOW);
}

/* Table 5, the column of 32.768 kHz, in ns; beyond 2000 a second none is given. */
static void rates(void **state)
{
	static const uint64_t expected[16] = {
		0,	 3906250, 7812500,  500000,   500000,	500000,	   976562,    1953125,
		3906250, 7812500, 15625000, 31250000, 62500000, 125000000, 250000000, 500000000};
	struct rtc r;

	(void)state;
	begin(&r);
	for (uint8_t rate = 0; rate < 16; rate++) {
		put(&r, A, 0x20 | rate);
		put(&r, B, 2);
		assert_int_equal(rtc_period(&r), 0); /* PIE is not set */
		put(&r, B, 2 | PF);
		assert_int_equal(rtc_period(&r), expected[rate]);
	}
	put(&r, A, 0x70 | 6); /* the divider is held in reset */
	assert_int_equal(rtc_period(&r), 0);
}

static void periodic_interrupt(void **state)
{
	struct rtc r;

	(void)state;
	begin(&r);
	r.changed = false;
	put(&r, B, 2 | PF);
	assert_true(r.changed);
	r.changed = false;
	put(&r, B, 2 | PF | AF); /* nothing new */
	assert_false(r.changed);
	rtc_tick(&r);
	assert_true(r.edge);
	assert_true(rtc_pending(&r));
	r.edge = false;
	rtc_tick(&r); /* the line is up already */
	assert_false(r.edge);
	assert_int_equal(get(&r, C, NOW), IRQF | PF);
	assert_false(rtc_pending(&r));
	assert_int_equal(get(&r, C, NOW), 0);
	rtc_tick(&r);
	assert_true(r.edge);
}

/* Without PIE the flag is there for who polls: 1/64 s at rate 10. */
static void periodic_flag(void **state)
{
	struct rtc r;

	(void)state;
	begin(&r);
	put(&r, A, 0x2a);
	get(&r, C, NOW);
	assert_int_equal(get(&r, C, NOW + 15 * MS), 0);
	assert_int_equal(get(&r, C, NOW + 16 * MS), PF);
	assert_int_equal(get(&r, C, NOW + 16 * MS), 0);
	assert_false(r.edge);
}

static void update_interrupt(void **state)
{
	struct rtc r;

	(void)state;
	begin(&r);
	put(&r, A, 0x20); /* no periods */
	assert_false(rtc_wants_seconds(&r));
	assert_int_equal(get(&r, C, NOW + SEC), UF); /* the flag comes all the same */
	assert_false(r.edge);
	put(&r, B, 2 | UF);
	assert_true(rtc_wants_seconds(&r));
	rtc_advance(&r, NOW + 2 * SEC - 1);
	assert_false(r.edge);
	rtc_advance(&r, NOW + 2 * SEC);
	assert_true(r.edge);
	assert_int_equal(get(&r, C, NOW + 2 * SEC), IRQF | UF);
	put(&r, B, 0x80 | 2 | UF); /* SET: no updates, and UIE is cleared */
	assert_int_equal(get(&r, B, NOW + 2 * SEC), 0x80 | 2);
	assert_int_equal(get(&r, C, NOW + 9 * SEC), 0);
}

/* Who reads register C before the interrupt is raised gets none. */
static void read_in_time(void **state)
{
	struct rtc r;

	(void)state;
	begin(&r);
	put(&r, B, 2 | UF);
	assert_true(get(&r, C, NOW + SEC) & UF);
	assert_false(r.edge);
}

/* Enabling what has happened already interrupts at once. */
static void late_enable(void **state)
{
	struct rtc r;

	(void)state;
	begin(&r);
	rtc_advance(&r, NOW + SEC);
	assert_false(r.edge);
	put(&r, B, 2 | UF);
	assert_true(r.edge);
}

static bool alarm_comes(uint8_t mode, uint8_t hour, uint8_t minute, uint8_t second, uint64_t after)
{
	struct rtc r;

	begin(&r);
	put(&r, B, mode | AF);
	put(&r, 1, second);
	put(&r, 3, minute);
	put(&r, 5, hour);
	rtc_advance(&r, NOW + (after - 1) * SEC);
	if (r.edge)
		return false;
	rtc_advance(&r, NOW + after * SEC);
	return r.edge && get(&r, C, NOW + after * SEC) & AF;
}

/* 22:13:20 is now. */
static void alarms(void **state)
{
	(void)state;
	assert_true(alarm_comes(2, 0x22, 0x13, 0x25, 5));
	assert_true(alarm_comes(6, 22, 13, 25, 5));	      /* binary */
	assert_true(alarm_comes(0, 0x90, 0x13, 0x25, 5));     /* 12 hours: 10 p.m. */
	assert_true(alarm_comes(0, 0x12, 0x00, 0x00, 6400));  /* midnight is 12 a.m. */
	assert_true(alarm_comes(2, 0xff, 0xc0, 0x30, 10));    /* each minute at 30 */
	assert_true(alarm_comes(2, 0xff, 0xff, 0xff, 1));     /* each second */
	assert_true(alarm_comes(2, 0xff, 0x14, 0x00, 40));    /* each hour */
	assert_true(alarm_comes(2, 0x22, 0x13, 0x20, 86400)); /* a whole day */
	assert_false(alarm_comes(2, 0x22, 0x13, 0x26, 5));
}

/* A paused guest finds the alarm that it slept through; a clock that goes back is no alarm. */
static void clock_jumps(void **state)
{
	struct rtc r;

	(void)state;
	begin(&r);
	put(&r, B, 2 | AF);
	put(&r, 1, 0x25);
	put(&r, 3, 0x13);
	put(&r, 5, 0x22);
	rtc_advance(&r, NOW - 1000 * SEC);
	assert_false(r.edge);
	rtc_advance(&r, NOW + 365 * 86400 * SEC);
	assert_true(r.edge);
}

static void twelve_hours(void **state)
{
	static const uint8_t expected[24] = {0x12, 0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x07,
					     0x08, 0x09, 0x10, 0x11, 0x92, 0x81, 0x82, 0x83,
					     0x84, 0x85, 0x86, 0x87, 0x88, 0x89, 0x90, 0x91};
	struct rtc r;

	(void)state;
	begin(&r);
	put(&r, B, 0);
	for (uint64_t h = 0; h < 24; h++)
		assert_int_equal(get(&r, 4, (19000 * 24 + h) * 3600 * SEC), expected[h]);
}

/* UIP: 244 us before the update and while it lasts, 1984 us. */
static void update_in_progress(void **state)
{
	struct rtc r;

	(void)state;
	begin(&r);
	assert_int_equal(get(&r, A, NOW), 0x26);
	assert_int_equal(get(&r, A, NOW + SEC - 2 * MS), 0xa6);
	put(&r, B, 0x82);
	assert_int_equal(get(&r, A, NOW + SEC - 2 * MS), 0x26);
}

/* On a board with the 8259s as a PC sets them up, the clock's line open. */
static struct machine *make_machine(void)
{
	static const uint8_t words[][2] = {{0x20, 0x11}, {0x21, 0x20}, {0x21, 4},    {0x21, 1},
					   {0x21, 0},	 {0xa0, 0x11}, {0xa1, 0x28}, {0xa1, 2},
					   {0xa1, 1},	 {0xa1, 0}};
	struct machine *m = calloc(1, sizeof(*m));

	m->board.block.fd = -1;
	m->cpus = 1;
	machine_reset(m);
	machine_set_policy(m, TICK_DESCHED);
	for (size_t i = 0; i < sizeof(words) / 2; i++)
		board_port_write(&m->board, words[i][0], 1, words[i][1]);
	timers_reading(&m->board, SEC, SEC);
	return m;
}

static void out(struct machine *m, uint16_t port, uint8_t value)
{
	board_port_write(&m->board, port, 1, value);
}

/* What a guest does with one: true if there was one. */
static bool take(struct machine *m)
{
	if (!pic_pending(&m->board.pic))
		return false;
	assert_int_equal(pic_acknowledge(&m->board.pic), 0x28);
	out(m, 0x70, C);
	assert_true(board_port_read(&m->board, 0x71, 1) & IRQF);
	out(m, 0xa0, 0x20);
	out(m, 0x20, 0x20);
	return true;
}

/* 1/64 s away twenty times over: nothing of it comes but where VMDesched asks, each time one. */
static void backlog_of_its_own(void **state)
{
	struct machine *m = make_machine();
	uint64_t mono = SEC, cpu = SEC, live = 0, late = 0;

	(void)state;
	out(m, 0x70, A);
	out(m, 0x71, 0x2a);
	out(m, 0x70, B);
	out(m, 0x71, 2 | PF);
	for (int i = 0; i < 640; i++) {
		timers_fire(&m->board);
		live += take(m);
		mono += 2 * MS;
		cpu += MS;
		timers_reading(&m->board, mono, cpu);
	}
	assert_in_range(live, 40, 41); /* 640 ms of 15.625 */
	assert_in_range(m->board.clock_ticker.tick.backlog, 40, 41);
	assert_int_equal(m->board.ticker.tick.due, 0);
	while (vcpu_port_read(&m->cpu[0], VMDESCHED_ASK, 1) & VMDESCHED_WANTED) {
		timers_fire(&m->board);
		assert_true(take(m));
		timers_fire(&m->board);
		assert_false(take(m));
		late++;
	}
	assert_in_range(late, 40, 41);
	free(m);
}

/* A guest that does not read register C gets no other, and none is lost. */
static void not_acknowledged(void **state)
{
	struct machine *m = make_machine();

	(void)state;
	out(m, 0x70, A);
	out(m, 0x71, 0x2a);
	out(m, 0x70, B);
	out(m, 0x71, 2 | PF);
	for (uint64_t i = 1; i <= 1000; i++) {
		timers_fire(&m->board);
		timers_reading(&m->board, SEC + i * MS, SEC + i * MS);
		if (pic_pending(&m->board.pic)) {
			pic_acknowledge(&m->board.pic);
			out(m, 0xa0, 0x20);
			out(m, 0x20, 0x20);
		}
	}
	assert_int_equal(m->board.clock_ticker.tick.delivered, 1);
	out(m, 0x70, C);
	board_port_read(&m->board, 0x71, 1);
	timers_fire(&m->board);
	assert_in_range(m->board.clock_ticker.tick.delivered + m->board.clock_ticker.tick.backlog,
			62, 64);
	free(m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rates),
		cmocka_unit_test(periodic_interrupt),
		cmocka_unit_test(periodic_flag),
		cmocka_unit_test(update_interrupt),
		cmocka_unit_test(late_enable),
		cmocka_unit_test(read_in_time),
		cmocka_unit_test(alarms),
		cmocka_unit_test(clock_jumps),
		cmocka_unit_test(twelve_hours),
		cmocka_unit_test(update_in_progress),
		cmocka_unit_test(backlog_of_its_own),
		cmocka_unit_test(not_acknowledged),
	};

	return cmocka_run_group_tests_name("rtc", tests, NULL, NULL);
}
