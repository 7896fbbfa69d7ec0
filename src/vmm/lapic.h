/* SPDX-License-Identifier: MIT */
/*
 * The local APIC of one vCPU (Intel SDM vol. 3, "Advanced Programmable Interrupt Controller"), in
 * xAPIC mode, in our own hands for the same reason as the 8259s (pic.h). One of these per vCPU;
 * what one of them sends to the others is carried by vcpu_interrupts.c.
 *
 * Its timer does not tick by itself: a periodic one only says how often the guest wants ticks, and
 * a ticker decides when they come (ticker.h); a one-shot one is not a tick, and comes when it is
 * due. It counts at 1 GHz before its divider. LINT0 is wired on vCPU 0 alone, to the 8259s, and
 * does something only as ExtINT; nothing is wired to LINT1. There is no I/O APIC.
 *
 * Times are ns of the monitor's clock.
 */
#ifndef VMM_LAPIC_H
#define VMM_LAPIC_H

#include <stdbool.h>
#include <stdint.h>

#define LAPIC_BASE    UINT64_C(0xfee00000)
#define LAPIC_SIZE    0x1000u
#define LAPIC_VERSION 0x14
#define LAPIC_FASTEST 500000 /* ns: no more than 2000 timer interrupts a second */

/* IA32_APIC_BASE */
#define LAPIC_ENABLED (1u << 11)

enum lapic_lvt {
	LAPIC_TIMER,
	LAPIC_THERMAL,
	LAPIC_COUNTERS,
	LAPIC_LINT0,
	LAPIC_LINT1,
	LAPIC_ERROR,
	LAPIC_LVTS,
};

struct lapic {
	uint8_t id;
	uint8_t priority; /* TPR */
	uint32_t spurious, logical, format, errors_seen, errors;
	uint32_t command, destination; /* ICR */
	uint32_t lvt[LAPIC_LVTS];
	uint32_t requested[8], in_service[8], level[8]; /* IRR, ISR, TMR */
	uint32_t initial, divider;
	bool counts;	  /* the timer does */
	uint64_t started; /* ... since */
	uint64_t fired;	  /* one-shot: when it went off last; 0: never */
	uint64_t base;	  /* IA32_APIC_BASE as the vCPU has it */

	bool timer_changed; /* look at lapic_period() and lapic_due(), then clear it */
	bool sends;	    /* `command` was written and is to be carried out; then clear it */

	/* What has come and is not an interrupt; for the vCPU to act on and clear. */
	bool nmi, init, startup;
	uint8_t page; /* startup: where the vCPU is to begin, in 4 KiB */
};

/* As after power-up. As firmware leaves it for the vCPU that boots: enabled, LINT0 as ExtINT. */
void lapic_reset(struct lapic *a, uint8_t id);
void lapic_boot(struct lapic *a);

/* After an INIT: as after power-up, but for what INIT leaves alone. */
void lapic_init(struct lapic *a);

/* The address is one of its registers'. */
bool lapic_has(const struct lapic *a, uint64_t at);

/* `offset` within its page. Only 32 bits at once do anything. */
void lapic_write(struct lapic *a, uint32_t offset, unsigned size, uint32_t value, uint64_t now);
uint32_t lapic_read(struct lapic *a, uint32_t offset, unsigned size, uint64_t now);

/* What `from` has in its command register is for `to`; lapic_one(): and for no other one after it.
 * lapic_receive() gives it to `to`. */
bool lapic_reaches(const struct lapic *from, const struct lapic *to);
bool lapic_one(const struct lapic *from);
void lapic_receive(struct lapic *to, const struct lapic *from);

/* The timer goes off. It is busy while the guest has not taken that; requested: not even been
 * interrupted by it. */
void lapic_timer_fire(struct lapic *a, uint64_t now);
bool lapic_timer_busy(const struct lapic *a);
bool lapic_timer_requested(const struct lapic *a);

/* Periodic: time between two ticks, at least LAPIC_FASTEST; 0: it gives none. */
uint64_t lapic_period(const struct lapic *a);

/* One-shot: when it goes off, not within LAPIC_FASTEST of the last time; UINT64_MAX: never. */
uint64_t lapic_due(const struct lapic *a);

/* The 8259s' interrupt gets through to the vCPU. */
bool lapic_passes_pic(const struct lapic *a);

bool lapic_pending(const struct lapic *a);
uint8_t lapic_acknowledge(struct lapic *a); /* the vector of what is pending, now in service */

#endif
