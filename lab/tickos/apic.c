/* SPDX-License-Identifier: MIT */
/*
 * The local APIC: its timer, and starting the other CPUs by it, which ACPI's tables name.
 */
#include "tickos.h"

#define ID	      0x020
#define DONE	      0x0b0
#define SPURIOUS      0x0f0
#define COMMAND	      0x300
#define DESTINATION   0x310
#define TIMER	      0x320
#define TIMER_COUNT   0x380
#define TIMER_DIVIDER 0x3e0

#define ENABLED	      0x100
#define PERIODIC      0x20000
#define DIVIDE_BY_1   0x0b
#define SEND_INIT     0x4500
#define SEND_STARTUP  0x4600
#define SEND_TO_OTHER 0xc4000 /* to all but oneself */

#define TIMER_HZ   1000000000u /* the monitor's; others would have to be measured */
#define ROOT_FIRST 0xe0000ull  /* where ACPI's root pointer is searched for */
#define ROOT_END   0x100000ull
#define LOCAL_APIC 0	     /* a type of entry */
#define TRAMPOLINE 0x8000ull /* in base memory, and free */
#define PATIENCE   100000000u

struct __attribute__((packed)) root_pointer {
	uint64_t signature;
	uint8_t reserved0[16];
	uint64_t xsdt;
};

struct __attribute__((packed)) header {
	uint32_t signature, length;
	uint8_t reserved[28];
};

struct __attribute__((packed)) entry {
	uint8_t type, length, processor, apic;
	uint32_t flags;
};

struct cpu *volatile starting;

static void apic_write(uint32_t at, uint32_t value)
{
	*(volatile uint32_t *)(APIC + at) = value;
}

static uint32_t apic_read(uint32_t at)
{
	return *(volatile uint32_t *)(APIC + at);
}

void apic_start_timer(uint32_t hz)
{
	apic_write(SPURIOUS, ENABLED | APIC_SPURIOUS_VECTOR);
	apic_write(TIMER_DIVIDER, DIVIDE_BY_1);
	apic_write(TIMER, PERIODIC | APIC_TIMER_VECTOR);
	apic_write(TIMER_COUNT, TIMER_HZ / hz);
}

void apic_done(void)
{
	apic_write(DONE, 0);
}

void apic_flood(void)
{
	for (;;)
		apic_write(COMMAND, SEND_TO_OTHER | FLOOD_VECTOR);
}

/* ACPI's table "APIC". */
static const struct header *find_table(void)
{
	for (uint64_t at = ROOT_FIRST; at < ROOT_END; at += 16) {
		const struct root_pointer *p = (const struct root_pointer *)at;
		const struct header *x = (const struct header *)p->xsdt;

		if (p->signature != 0x2052545020445352 || p->xsdt >= ROOT_END) /* "RSD PTR " */
			continue; /* elsewhere we have no pages */
		for (uint64_t i = sizeof(*x); i < x->length; i += 8) {
			const struct header *h = *(struct header *const *)((uint64_t)x + i);

			if ((uint64_t)h < ROOT_END && h->signature == 0x43495041) /* "APIC" */
				return h;
		}
	}
	return 0;
}

/* It runs the trampoline, finds in `starting` who it is, and takes that away when it is up. */
static void start_one(uint32_t apic, struct cpu *c)
{
	starting = c;
	apic_write(DESTINATION, apic << 24);
	apic_write(COMMAND, SEND_INIT);
	apic_write(DESTINATION, apic << 24);
	apic_write(COMMAND, SEND_STARTUP | TRAMPOLINE >> 12);
	for (uint32_t i = 0; starting && i < PATIENCE; i++)
		__asm__ volatile("pause");
	if (!starting)
		return;
	print("tickos: a CPU does not start\n");
	for (;;)
		__asm__ volatile("cli; hlt");
}

static void put_trampoline(void)
{
	for (uint64_t i = 0; i < (uint64_t)trampoline_end - (uint64_t)trampoline; i++)
		((volatile uint8_t *)TRAMPOLINE)[i] = trampoline[i];
}

/* Whatever they were about. */
void apic_start_others(void)
{
	const struct header *h = find_table();
	uint64_t at = (uint64_t)(h + 1) + 8, end = h ? (uint64_t)h + h->length : 0;

	put_trampoline();
	cpus_found = 1;
	while (at < end && cpus_found < CPUS_MAX) {
		const struct entry *e = (const struct entry *)at;

		if (e->type == LOCAL_APIC && e->flags & 1 && e->apic != apic_read(ID) >> 24)
			start_one(e->apic, &cpus[cpus_found++]);
		at += e->length;
	}
}
