/* SPDX-License-Identifier: MIT */
/*
 * The local APIC, spoken to as a driver would, and what several of them say to each other; ACPI's
 * table of them. What is expected is what Intel's SDM vol. 3 says in its chapter on the APIC (and
 * the ACPI specification in 5.2), not what the code does. Addresses and bits are written out.
 */
#include "vmm/acpi.h"
#include "vmm/machine.h"
#include "vmm/reset.h"
#include "vmm/vcpu_access.h"
#include "vmm/vcpu_interrupts.h"
#include "vmm/vcpu_ticks.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#define MS	UINT64_C(1000000)
#define ENABLED 0x1ff /* SVR: on, spurious vector 255 */

static void put(struct lapic *a, uint32_t at, uint32_t value)
{
	lapic_write(a, at, 4, value, 0);
}

static uint32_t get(struct lapic *a, uint32_t at)
{
	return lapic_read(a, at, 4, 0);
}

/* A vector comes by a message to oneself. */
static void self(struct lapic *a, uint8_t vector)
{
	put(a, 0x300, 0x40000 | vector);
	a->sends = false;
	assert_true(lapic_reaches(a, a));
	lapic_receive(a, a);
}

static void enable(struct lapic *a, uint8_t id)
{
	lapic_reset(a, id);
	put(a, 0xf0, ENABLED);
}

/* 11.4.7.1: the state after power-up. */
static void power_up(void **state)
{
	struct lapic a;

	(void)state;
	lapic_reset(&a, 5);
	assert_int_equal(get(&a, 0x20), 5u << 24);
	assert_int_equal(get(&a, 0x30) & 0xff, 0x14);
	assert_int_equal(get(&a, 0x30) >> 16 & 0xff, 5); /* the number of LVT entries less one */
	assert_int_equal(get(&a, 0x80), 0);
	assert_int_equal(get(&a, 0xd0), 0);
	assert_int_equal(get(&a, 0xe0), 0xffffffff);
	assert_int_equal(get(&a, 0xf0), 0xff);
	for (uint32_t at = 0x100; at < 0x280; at += 16)
		assert_int_equal(get(&a, at), 0);
	for (uint32_t at = 0x320; at <= 0x370; at += 16)
		assert_int_equal(get(&a, at), 0x10000);
	for (uint32_t at = 0x380; at <= 0x390; at += 16)
		assert_int_equal(get(&a, at), 0);
	assert_int_equal(get(&a, 0x3e0), 0);
	assert_false(lapic_passes_pic(&a));
	lapic_boot(&a);
	assert_true(lapic_passes_pic(&a));
}

/* 11.8.3.1: a higher class of vectors goes first, and interrupts a lower one; within a class the
 * higher vector waits for the end of the lower. */
static void priorities(void **state)
{
	struct lapic a;

	(void)state;
	enable(&a, 0);
	assert_false(lapic_pending(&a));
	self(&a, 0x41);
	self(&a, 0x52);
	assert_int_equal(get(&a, 0x220), 1u << 1 | 1u << 18); /* IRR: vectors 64 to 95 */
	assert_int_equal(lapic_acknowledge(&a), 0x52);
	assert_int_equal(get(&a, 0xa0), 0x50); /* PPR */
	assert_false(lapic_pending(&a));
	self(&a, 0x5f);
	assert_false(lapic_pending(&a));
	self(&a, 0x60);
	assert_int_equal(lapic_acknowledge(&a), 0x60);
	put(&a, 0xb0, 0);
	assert_int_equal(get(&a, 0xa0), 0x50);
	put(&a, 0xb0, 0);
	assert_int_equal(lapic_acknowledge(&a), 0x5f);
	put(&a, 0xb0, 0);
	assert_int_equal(lapic_acknowledge(&a), 0x41);
	put(&a, 0xb0, 0);
	assert_int_equal(get(&a, 0xa0), 0);
	put(&a, 0xb0, 0); /* the end of nothing */
	assert_false(lapic_pending(&a));
}

/* 11.8.3.1: TPR holds back what is of its class or lower; PPR is the larger one of the two. */
static void task_priority(void **state)
{
	struct lapic a;

	(void)state;
	enable(&a, 0);
	put(&a, 0x80, 0x57);
	assert_int_equal(get(&a, 0xa0), 0x57);
	self(&a, 0x5f);
	assert_false(lapic_pending(&a));
	self(&a, 0x61);
	assert_int_equal(lapic_acknowledge(&a), 0x61);
	assert_int_equal(get(&a, 0xa0), 0x60);
	put(&a, 0xb0, 0);
	assert_int_equal(get(&a, 0xa0), 0x57);
	put(&a, 0x80, 0x4f);
	assert_true(lapic_pending(&a));
	put(&a, 0x80, 0xff);
	assert_int_equal(lapic_acknowledge(&a), 0xff); /* gone meanwhile: the spurious one, */
	assert_int_equal(get(&a, 0x170), 0);	       /* which is not in service (11.9) */
	assert_int_equal(get(&a, 0x220), 1u << 31);
	put(&a, 0x80, 0);
	assert_int_equal(lapic_acknowledge(&a), 0x5f);
}

/* 11.8.4: each vector is held once in IRR and once in ISR; TMR is set for level. */
static void acceptance(void **state)
{
	struct lapic a;

	(void)state;
	enable(&a, 0);
	self(&a, 0x31);
	self(&a, 0x31);
	assert_int_equal(lapic_acknowledge(&a), 0x31);
	assert_int_equal(get(&a, 0x110), 1u << 17);
	self(&a, 0x31);
	assert_int_equal(get(&a, 0x210), 1u << 17);
	assert_int_equal(get(&a, 0x190), 0);
	put(&a, 0xb0, 0);
	assert_int_equal(lapic_acknowledge(&a), 0x31);
	put(&a, 0xb0, 0);
	put(&a, 0x300, 0x4c000 | 0x31); /* level, assert */
	lapic_receive(&a, &a);
	assert_int_equal(get(&a, 0x190), 1u << 17);
	assert_int_equal(lapic_acknowledge(&a), 0x31);
	put(&a, 0xb0, 0);
	self(&a, 0x31);
	assert_int_equal(get(&a, 0x190), 0);
}

/* 11.5.3: errors show after a write, vectors below 16 are errors; reserved registers too. */
static void errors(void **state)
{
	struct lapic a;

	(void)state;
	enable(&a, 0);
	put(&a, 0x300, 0x40000 | 15);
	assert_false(a.sends);
	assert_int_equal(get(&a, 0x280), 0);
	put(&a, 0x280, 0);
	assert_int_equal(get(&a, 0x280), 1u << 5); /* send illegal vector */
	put(&a, 0x280, 0);
	assert_int_equal(get(&a, 0x280), 0);
	put(&a, 0x320, 0x05);
	put(&a, 0x380, 100);
	lapic_timer_fire(&a, MS);
	put(&a, 0x280, 0);
	assert_int_equal(get(&a, 0x280), 1u << 6); /* receive illegal vector */
	assert_false(lapic_pending(&a));
	put(&a, 0x370, 0xfe); /* from now on by an interrupt */
	get(&a, 0x40);
	assert_int_equal(lapic_acknowledge(&a), 0xfe);
	put(&a, 0x280, 0);
	assert_int_equal(get(&a, 0x280), 1u << 7); /* illegal register address */
}

/* 11.4.7.2: off by software, it takes messages but no interrupts, keeps what it has, and masks its
 * own sources, which stay masked. */
static void software_disable(void **state)
{
	struct lapic a;

	(void)state;
	enable(&a, 0);
	put(&a, 0x320, 0x20030);
	put(&a, 0x380, 10 * MS);
	assert_int_equal(lapic_period(&a), 2 * 10 * MS);
	self(&a, 0x40);
	put(&a, 0xf0, 0xff);
	assert_int_equal(get(&a, 0x220), 1);
	assert_int_equal(get(&a, 0x320), 0x30030);
	assert_int_equal(lapic_period(&a), 0);
	put(&a, 0x320, 0x20030);
	assert_int_equal(get(&a, 0x320), 0x30030);
	self(&a, 0x50);
	assert_int_equal(get(&a, 0x220), 1);
	put(&a, 0x300, 0x40400);
	lapic_receive(&a, &a);
	assert_true(a.nmi);
	put(&a, 0xf0, ENABLED);
	assert_int_equal(get(&a, 0x320), 0x30030);
	assert_int_equal(lapic_acknowledge(&a), 0x40);
}

/* 11.5.4: the divider's codes; a periodic timer begins again, a one-shot one ends at 0. */
static void timer(void **state)
{
	static const uint32_t codes[][2] = {{0x0, 2},  {0x1, 4},  {0x2, 8},   {0x3, 16},
					    {0x8, 32}, {0x9, 64}, {0xa, 128}, {0xb, 1}};
	struct lapic a;

	(void)state;
	enable(&a, 0);
	put(&a, 0x320, 0x20040); /* periodic */
	for (size_t i = 0; i < 8; i++) {
		put(&a, 0x3e0, codes[i][0]);
		lapic_write(&a, 0x380, 4, 1000000, 5 * MS);
		assert_int_equal(lapic_period(&a), MS * codes[i][1]);
	}
	assert_int_equal(lapic_read(&a, 0x390, 4, 5 * MS), 1000000);
	assert_int_equal(lapic_read(&a, 0x390, 4, 5 * MS + MS / 4), 750000);
	assert_int_equal(lapic_read(&a, 0x390, 4, 6 * MS + MS / 4), 750000);
	assert_int_equal(lapic_due(&a), UINT64_MAX);
	put(&a, 0x320, 0x00040); /* one-shot: another mode stops it */
	assert_int_equal(lapic_due(&a), UINT64_MAX);
	lapic_write(&a, 0x380, 4, 1000000, 20 * MS);
	assert_int_equal(lapic_period(&a), 0);
	assert_int_equal(lapic_due(&a), 21 * MS);
	assert_int_equal(lapic_read(&a, 0x390, 4, 20 * MS + MS / 2), 500000);
	assert_int_equal(lapic_read(&a, 0x390, 4, 30 * MS), 0);
	lapic_timer_fire(&a, 21 * MS);
	assert_int_equal(lapic_due(&a), UINT64_MAX);
	assert_int_equal(lapic_read(&a, 0x390, 4, 21 * MS), 0);
	assert_int_equal(get(&a, 0x380), 1000000);
	assert_true(lapic_timer_requested(&a));
	assert_int_equal(lapic_acknowledge(&a), 0x40);
	assert_false(lapic_timer_requested(&a));
	assert_true(lapic_timer_busy(&a));
	put(&a, 0xb0, 0);
	assert_false(lapic_timer_busy(&a));
	lapic_write(&a, 0x380, 4, 1000000, 30 * MS);
	lapic_write(&a, 0x380, 4, 0, 30 * MS); /* 0 stops it */
	assert_int_equal(lapic_due(&a), UINT64_MAX);
}

/* Not in the data sheet: no more than 2000 a second, either way; what ends masked is over. */
static void timer_limits(void **state)
{
	struct lapic a;

	(void)state;
	enable(&a, 0);
	put(&a, 0x3e0, 0xb);
	put(&a, 0x320, 0x20040);
	put(&a, 0x380, 1000); /* 1 MHz */
	assert_int_equal(lapic_period(&a), MS / 2);
	put(&a, 0x380, 0xffffffff);
	assert_int_equal(lapic_period(&a), 0xffffffff);
	put(&a, 0x320, 0x00040);
	lapic_write(&a, 0x380, 4, 1000, 10 * MS);
	assert_int_equal(lapic_due(&a), 10 * MS + 1000); /* the first one */
	lapic_timer_fire(&a, 10 * MS + 1000);
	lapic_write(&a, 0x380, 4, 1000, 10 * MS + 2000);
	assert_int_equal(lapic_due(&a), 10 * MS + 1000 + MS / 2);
	lapic_write(&a, 0x320, 4, 0x10040, 10 * MS + 2500);
	lapic_write(&a, 0x320, 4, 0x00040, 30 * MS);
	assert_int_equal(lapic_due(&a), UINT64_MAX);
}

struct four {
	struct lapic a[4];
};

/* Who of the four is reached by what the first one sends, as bits. */
static unsigned reached(struct four *f, uint32_t destination, uint32_t command)
{
	unsigned set = 0;

	put(&f->a[0], 0x310, destination << 24);
	put(&f->a[0], 0x300, command);
	assert_int_equal(get(&f->a[0], 0x300), command);
	assert_true(f->a[0].sends);
	for (unsigned i = 0; i < 4; i++)
		set |= (unsigned)lapic_reaches(&f->a[0], &f->a[i]) << i;
	return set;
}

/* 11.6.2: destinations, physical, flat, by cluster, and by shorthand. */
static void destinations(void **state)
{
	struct four f;

	(void)state;
	for (uint8_t i = 0; i < 4; i++) {
		enable(&f.a[i], i);
		put(&f.a[i], 0xd0, 1u << (24 + i));
	}
	assert_int_equal(reached(&f, 2, 0x4040), 1 << 2);
	assert_int_equal(reached(&f, 9, 0x4040), 0);
	assert_int_equal(reached(&f, 0xff, 0x4040), 0xf);
	assert_int_equal(reached(&f, 0x0a, 0x4840), 0xa);
	assert_int_equal(reached(&f, 0xff, 0x4840), 0xf);
	assert_int_equal(reached(&f, 3, 0x44040), 1 << 0); /* self */
	assert_int_equal(reached(&f, 3, 0x84040), 0xf);	   /* all */
	assert_int_equal(reached(&f, 3, 0xc4040), 0xe);	   /* all others */
	assert_int_equal(reached(&f, 3, 0xc4500), 0xe);	   /* INIT to all others */
	assert_int_equal(reached(&f, 3, 0x84500), 0);	   /* table 11-3: invalid */
	assert_int_equal(reached(&f, 3, 0x44400), 0);
	for (uint8_t i = 0; i < 4; i++) {
		put(&f.a[i], 0xe0, 0x0fffffff); /* two clusters of two */
		put(&f.a[i], 0xd0, (uint32_t)(i >> 1) << 28 | 1u << (24 + (i & 1)));
	}
	assert_int_equal(reached(&f, 0x13, 0x4840), 0xc);
	assert_int_equal(reached(&f, 0x01, 0x4840), 0x1);
	assert_int_equal(reached(&f, 0x21, 0x4840), 0);
	assert_false(lapic_one(&f.a[0]));
	reached(&f, 0xff, 0x4140);
	assert_true(lapic_one(&f.a[0]));
}

/* 11.6.1, MP initialization: INIT resets all but the id; its de-assertion, a message of its own in
 * old processors, means nothing; a start-up message has a page. */
static void messages(void **state)
{
	struct four f;

	(void)state;
	for (uint8_t i = 0; i < 4; i++)
		enable(&f.a[i], i);
	self(&f.a[1], 0x50);
	put(&f.a[0], 0x300, 0x8500);
	lapic_receive(&f.a[1], &f.a[0]);
	assert_false(f.a[1].init);
	put(&f.a[0], 0x300, 0xc500);
	lapic_receive(&f.a[1], &f.a[0]);
	assert_true(f.a[1].init);
	put(&f.a[0], 0x300, 0x4608);
	lapic_receive(&f.a[1], &f.a[0]);
	f.a[1].init = false;
	lapic_init(&f.a[1]);
	assert_true(f.a[1].startup);
	assert_int_equal(f.a[1].page, 8);
	assert_int_equal(get(&f.a[1], 0x20), 1u << 24);
	assert_int_equal(get(&f.a[1], 0xf0), 0xff);
	assert_int_equal(get(&f.a[1], 0x220), 0);
	put(&f.a[0], 0x300, 0x4500); /* and again: what was to start it is gone */
	lapic_receive(&f.a[1], &f.a[0]);
	assert_false(f.a[1].startup);
	put(&f.a[0], 0x300, 0x4200); /* SMI: there is none */
	lapic_receive(&f.a[2], &f.a[0]);
	assert_false(f.a[2].init || f.a[2].nmi || f.a[2].startup || lapic_pending(&f.a[2]));
}

/* 11.4.1: registers are 32 bits wide, on boundaries of 16 bytes; 11.4.4: where they are, and
 * whether. */
static void access_rules(void **state)
{
	struct lapic a;

	(void)state;
	enable(&a, 0);
	lapic_write(&a, 0x80, 1, 0x20, 0);
	lapic_write(&a, 0x84, 4, 0x20, 0);
	assert_int_equal(get(&a, 0x80), 0);
	put(&a, 0x20, 7u << 24);
	assert_int_equal(get(&a, 0x20), 0);
	put(&a, 0xe0, 0);
	assert_int_equal(get(&a, 0xe0), 0x0fffffff);
	assert_true(lapic_has(&a, 0xfee00000));
	assert_true(lapic_has(&a, 0xfee00fff));
	assert_false(lapic_has(&a, 0xfee01000));
	a.base = 0xfee00000; /* off by its MSR: the 8259s have the vCPU to themselves */
	assert_false(lapic_has(&a, 0xfee00000));
	assert_true(lapic_passes_pic(&a));
	self(&a, 0x40);
	assert_false(lapic_pending(&a));
}

/* ---- with the rest of the machine ---- */

static struct machine *machine(unsigned cpus)
{
	static _Alignas(4096) uint8_t bytes[16 * 4096];
	struct machine *m = calloc(1, sizeof(*m));

	memset(bytes, 0, sizeof(bytes));
	m->board.memory = (struct memory){.base = bytes, .size = sizeof(bytes)};
	m->board.block.fd = -1;
	m->cpus = cpus;
	machine_reset(m);
	machine_set_policy(m, TICK_DESCHED);
	return m;
}

static void poke(struct vcpu *v, uint32_t at, uint32_t value)
{
	vcpu_memory_write(v, 0xfee00000 + at, 4, value);
}

static void pass(struct machine *m, unsigned cpu, uint64_t ns, uint64_t run)
{
	struct ticker *k = &m->cpu[cpu].ticker;

	m->board.bus.now += ns;
	ticker_reading(k, m->board.bus.now, k->cpu + run);
	if (!cpu)
		ticker_reading(&m->board.ticker, m->board.bus.now, m->board.ticker.cpu + run);
	vcpu_tick(&m->cpu[cpu]);
}

static void start_timer(struct vcpu *v, uint32_t ns)
{
	poke(v, 0xf0, ENABLED);
	poke(v, 0x3e0, 0xb);
	poke(v, 0x320, 0x20040);
	poke(v, 0x380, ns);
	vcpu_tick(v);
}

/* One vCPU's backlog is its own, and so is what it says by VMDesched's port. */
static void backlog_of_each(void **state)
{
	struct machine *m = machine(2);
	struct vcpu *other = &m->cpu[1];

	(void)state;
	start_timer(&m->cpu[0], 10 * MS);
	start_timer(other, 10 * MS);
	pass(m, 0, 15 * MS, 15 * MS);
	assert_int_equal(vcpu_acknowledge(&m->cpu[0]), 0x40);
	pass(m, 1, 50 * MS, 0);
	assert_int_equal(vcpu_ticker(other)->tick.backlog, 6); /* 65 ms since it began */
	assert_int_equal(vcpu_ticker(&m->cpu[0])->tick.backlog, 0);
	assert_false(vcpu_pending(other)); /* not while others than VMDesched run */
	vcpu_port_write(other, 0x560, 4, 3 * 4096);
	vcpu_port_write(other, 0x564, 1, 1);
	assert_false(m->cpu[0].ticker.vmdesched);
	for (int i = 0; i < 6; i++) {
		pass(m, 1, 0, 0);
		pass(m, 1, 0, 0); /* no second one before the first is acknowledged */
		assert_int_equal(vcpu_acknowledge(other), 0x40);
		assert_false(vcpu_pending(other));
		pass(m, 1, 0, 0);
		assert_false(vcpu_pending(other));
		poke(other, 0xb0, 0);
	}
	pass(m, 1, 0, 0);
	assert_false(vcpu_pending(other));
	assert_int_equal(vcpu_ticker(other)->tick.delivered, 6);
	assert_int_equal(other->port.entered, 1);
	free(m);
}

/* Programmed to go on as it does, the timer keeps its backlog; another count begins anew. */
static void timer_goes_on(void **state)
{
	struct machine *m = machine(1);
	struct vcpu *v = &m->cpu[0];

	(void)state;
	start_timer(v, 10 * MS);
	pass(m, 0, 50 * MS, 0);
	assert_int_equal(vcpu_ticker(v)->tick.backlog, 5);
	poke(v, 0x320, 0x20041);
	pass(m, 0, 0, 0);
	assert_int_equal(vcpu_ticker(v)->tick.backlog, 5);
	poke(v, 0x380, 10 * MS);
	pass(m, 0, 0, 0);
	assert_int_equal(vcpu_ticker(v)->tick.backlog, 0);
	assert_int_equal(vcpu_ticker(v)->tick.due, 0);
	poke(v, 0x320, 0x30041);
	pass(m, 0, 100 * MS, 100 * MS);
	assert_false(vcpu_pending(v));
	free(m);
}

/* The 8254's ticks go by the 8259s to vCPU 0, past its local APIC, until that masks LINT0. */
static void virtual_wire(void **state)
{
	static const uint8_t words[][2] = {{0x20, 0x11}, {0x21, 0x20}, {0x21, 4}, {0x21, 1},
					   {0x21, 0xfe}, {0x43, 0x34}, {0x40, 0}, {0x40, 0x10}};
	struct machine *m = machine(2);

	(void)state;
	m->board.bus.now = MS;
	for (size_t i = 0; i < sizeof(words) / 2; i++)
		vcpu_port_write(&m->cpu[1], words[i][0], 1, words[i][1]);
	pass(m, 0, 0, 0);
	pass(m, 0, 4 * MS, 4 * MS);
	assert_true(vcpu_pending(&m->cpu[0]));
	poke(&m->cpu[1], 0xf0, ENABLED); /* its LINT0 leads nowhere, whatever it makes of it */
	poke(&m->cpu[1], 0x350, 0x700);
	assert_false(vcpu_pending(&m->cpu[1]));
	poke(&m->cpu[0], 0x350, 0x10700);
	assert_false(vcpu_pending(&m->cpu[0]));
	poke(&m->cpu[0], 0x350, 0x700);
	assert_int_equal(vcpu_acknowledge(&m->cpu[0]), 0x20);
	free(m);
}

/* What is sent is told to whom it is for, and to nobody else. */
static void messages_wake(void **state)
{
	struct machine *m = machine(4);

	(void)state;
	for (unsigned i = 0; i < 4; i++)
		poke(&m->cpu[i], 0xf0, ENABLED);
	poke(&m->cpu[0], 0x310, 2u << 24);
	poke(&m->cpu[0], 0x300, 0x4041);
	assert_true(m->cpu[2].wake && !m->cpu[1].wake && !m->cpu[3].wake && !m->cpu[0].wake);
	assert_int_equal(vcpu_acknowledge(&m->cpu[2]), 0x41);
	poke(&m->cpu[3], 0x310, 0xffu << 24); /* lowest priority: one of all */
	poke(&m->cpu[3], 0x300, 0x4150);
	assert_int_equal(vcpu_pending(&m->cpu[0]) + vcpu_pending(&m->cpu[1]) +
				 vcpu_pending(&m->cpu[2]) + vcpu_pending(&m->cpu[3]),
			 1);
	free(m);
}

static uint8_t sum(const uint8_t *p, size_t size)
{
	uint8_t s = 0;

	while (size--)
		s = (uint8_t)(s + *p++);
	return s;
}

static uint32_t word(const uint8_t *p)
{
	return (uint32_t)(p[0] | p[1] << 8 | p[2] << 16) | (uint32_t)p[3] << 24;
}

/* ACPI 5.2.5 to 5.2.12, read at the offsets that are printed there. */
static void table(void **state)
{
	static uint8_t bytes[1 << 20];
	struct memory m = {.base = bytes, .size = sizeof(bytes)};
	const uint8_t *root = bytes + 0xe0000, *xsdt, *madt;
	unsigned apics = 0;

	(void)state;
	acpi_put(&m, NULL, 0, 3);
	assert_memory_equal(root, "RSD PTR ", 8);
	assert_int_equal(sum(root, 20), 0);
	assert_int_equal(sum(root, 36), 0);
	assert_int_equal(root[15], 2);
	xsdt = bytes + word(root + 24);
	assert_memory_equal(xsdt, "XSDT", 4);
	assert_int_equal(word(xsdt + 4), 36 + 2 * 8);
	assert_int_equal(sum(xsdt, word(xsdt + 4)), 0);
	madt = bytes + word(xsdt + 44);
	assert_memory_equal(madt, "APIC", 4);
	assert_int_equal(sum(madt, word(madt + 4)), 0);
	assert_int_equal(word(madt + 36), 0xfee00000);
	assert_int_equal(word(madt + 40), 1); /* there are 8259s */
	for (const uint8_t *e = madt + 44; e < madt + word(madt + 4); e += e[1]) {
		assert_true(e[1] >= 2);
		if (e[0] != 0)
			continue;
		assert_int_equal(e[1], 8);
		assert_int_equal(e[3], apics++);
		assert_int_equal(word(e + 4), 1);
	}
	assert_int_equal(apics, 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(power_up),	 cmocka_unit_test(priorities),
		cmocka_unit_test(task_priority), cmocka_unit_test(acceptance),
		cmocka_unit_test(errors),	 cmocka_unit_test(software_disable),
		cmocka_unit_test(timer),	 cmocka_unit_test(timer_limits),
		cmocka_unit_test(destinations),	 cmocka_unit_test(messages),
		cmocka_unit_test(access_rules),	 cmocka_unit_test(backlog_of_each),
		cmocka_unit_test(timer_goes_on), cmocka_unit_test(virtual_wire),
		cmocka_unit_test(messages_wake), cmocka_unit_test(table),
	};

	return cmocka_run_group_tests_name("lapic", tests, NULL, NULL);
}
