/* SPDX-License-Identifier: MIT */
#include "vmm/lapic.h"

#include "base/units.h"

enum {
	ID = 0x02,
	VERSION = 0x03,
	TPR = 0x08,
	PPR = 0x0a,
	EOI = 0x0b,
	LOGICAL = 0x0d,
	FORMAT = 0x0e,
	SPURIOUS = 0x0f,
	IN_SERVICE = 0x10,
	LEVEL = 0x18,
	REQUESTED = 0x20,
	ERRORS = 0x28,
	COMMAND = 0x30,
	DESTINATION = 0x31,
	LVT = 0x32,
	INITIAL = 0x38,
	CURRENT = 0x39,
	DIVIDER = 0x3e,
};

enum { FIXED, LOWEST, SMI, NMI = 4, INIT, STARTUP, EXTERNAL };
enum { TO_NAMED, TO_SELF, TO_ALL, TO_OTHERS };

#define SOFTWARE_ENABLED (1u << 8) /* of `spurious` */
#define MASKED		 (1u << 16)
#define PERIODIC	 (1u << 17)
#define LEVEL_ASSERT	 (1u << 14)
#define LEVEL_TRIGGER	 (1u << 15)
#define LOGICAL_MODE	 (1u << 11)
#define COMMAND_BITS	 0x000ccfffu
#define SEND_VECTOR	 (1u << 5) /* of `errors` */
#define RECEIVE_VECTOR	 (1u << 6)
#define NO_REGISTER	 (1u << 7)
#define VECTOR_MIN	 16
#define EVERYBODY	 0xff

/* What a guest may set in each entry of the local vector table. */
static const uint32_t lvt_bits[LAPIC_LVTS] = {
	[LAPIC_TIMER] = MASKED | PERIODIC | 0xff, [LAPIC_THERMAL] = MASKED | 0x7ff,
	[LAPIC_COUNTERS] = MASKED | 0x7ff,	  [LAPIC_LINT0] = MASKED | 0xa7ff,
	[LAPIC_LINT1] = MASKED | 0xa7ff,	  [LAPIC_ERROR] = MASKED | 0xff,
};

void lapic_reset(struct lapic *a, uint8_t id)
{
	*a = (struct lapic){.id = id,
			    .spurious = 0xff,
			    .format = UINT32_MAX,
			    .base = LAPIC_BASE | LAPIC_ENABLED,
			    .timer_changed = true};
	for (int i = 0; i < LAPIC_LVTS; i++)
		a->lvt[i] = MASKED;
}

void lapic_boot(struct lapic *a)
{
	a->spurious = SOFTWARE_ENABLED | 0x0f;
	a->lvt[LAPIC_LINT0] = EXTERNAL << 8;
	a->lvt[LAPIC_LINT1] = NMI << 8;
}

void lapic_init(struct lapic *a)
{
	struct lapic before = *a;

	lapic_reset(a, before.id);
	a->base = before.base;
	a->fired = before.fired;
	a->startup = before.startup; /* has come after the INIT */
	a->page = before.page;
}

bool lapic_has(const struct lapic *a, uint64_t at)
{
	return a->base & LAPIC_ENABLED && (at ^ a->base) < LAPIC_SIZE;
}

static bool is_on(const struct lapic *a)
{
	return a->base & LAPIC_ENABLED && a->spurious & SOFTWARE_ENABLED;
}

/* ---- sets of vectors ---- */

static void set(uint32_t *vectors, uint8_t vector, bool value)
{
	uint32_t bit = 1u << vector % 32;

	vectors[vector / 32] = value ? vectors[vector / 32] | bit : vectors[vector / 32] & ~bit;
}

static bool has(const uint32_t *vectors, uint8_t vector)
{
	return vectors[vector / 32] >> vector % 32 & 1;
}

/* The one that goes first, -1 if there is none. */
static int highest(const uint32_t *vectors)
{
	for (int i = 7; i >= 0; i--) {
		if (vectors[i])
			return i * 32 + 31 - __builtin_clz(vectors[i]);
	}
	return -1;
}

static uint8_t processor_priority(const struct lapic *a)
{
	int serving = highest(a->in_service);

	if (serving < 0 || a->priority >> 4 >= serving >> 4)
		return a->priority;
	return (uint8_t)(serving & 0xf0);
}

bool lapic_pending(const struct lapic *a)
{
	int vector = highest(a->requested);

	return is_on(a) && vector >= 0 && vector >> 4 > processor_priority(a) >> 4;
}

uint8_t lapic_acknowledge(struct lapic *a)
{
	uint8_t vector = (uint8_t)highest(a->requested);

	if (!lapic_pending(a))
		return (uint8_t)a->spurious;
	set(a->requested, vector, false);
	set(a->in_service, vector, true);
	return vector;
}

static void end_of_interrupt(struct lapic *a)
{
	int vector = highest(a->in_service);

	if (vector >= 0)
		set(a->in_service, (uint8_t)vector, false);
}

/* ---- what comes in ---- */

static void complain(struct lapic *a, uint32_t error);

static void arrive(struct lapic *a, uint8_t vector, bool level)
{
	if (vector < VECTOR_MIN) {
		complain(a, RECEIVE_VECTOR);
		return;
	}
	if (!is_on(a))
		return;
	set(a->requested, vector, true);
	set(a->level, vector, level);
}

/* An error is noted, and tells so by an interrupt of its own, unless that is what is wrong. */
static void complain(struct lapic *a, uint32_t error)
{
	uint32_t entry = a->lvt[LAPIC_ERROR];

	a->errors |= error;
	if (!(entry & MASKED) && (uint8_t)entry >= VECTOR_MIN)
		arrive(a, (uint8_t)entry, false);
}

static unsigned mode_of(const struct lapic *a)
{
	return a->command >> 8 & 7;
}

static bool is_named(const struct lapic *from, const struct lapic *to)
{
	uint8_t name = (uint8_t)(from->destination >> 24), own = (uint8_t)(to->logical >> 24);

	if (name == EVERYBODY)
		return true;
	if (!(from->command & LOGICAL_MODE))
		return name == to->id;
	if (to->format >> 28 == 0xf)
		return name & own;
	return name >> 4 == own >> 4 && name & own & 0x0f;
}

bool lapic_reaches(const struct lapic *from, const struct lapic *to)
{
	bool fixed = mode_of(from) == FIXED;

	switch (from->command >> 18 & 3) {
	case TO_SELF:
		return fixed && from == to;
	case TO_ALL:
		return fixed;
	case TO_OTHERS:
		return from != to;
	default:
		return is_named(from, to);
	}
}

bool lapic_one(const struct lapic *from)
{
	return mode_of(from) == LOWEST;
}

void lapic_receive(struct lapic *to, const struct lapic *from)
{
	uint8_t vector = (uint8_t)from->command;

	switch (mode_of(from)) {
	case FIXED:
	case LOWEST:
		arrive(to, vector, from->command & LEVEL_TRIGGER);
		break;
	case NMI:
		to->nmi = true;
		break;
	case INIT: /* its end, which is a message of its own, means nothing any more */
		if ((from->command & (LEVEL_TRIGGER | LEVEL_ASSERT)) == LEVEL_TRIGGER)
			break;
		to->init = true;
		to->startup = false;
		break;
	case STARTUP:
		to->startup = true;
		to->page = vector;
		break;
	default:
		break;
	}
}

bool lapic_passes_pic(const struct lapic *a)
{
	uint32_t entry = a->lvt[LAPIC_LINT0];

	return !(a->base & LAPIC_ENABLED) || (entry & (MASKED | 0x700)) == EXTERNAL << 8;
}

/* ---- the timer ---- */

static uint64_t divider(const struct lapic *a)
{
	unsigned code = (a->divider & 3) | (a->divider >> 1 & 4);

	return 1u << ((code + 1) & 7);
}

static bool timer_on(const struct lapic *a, bool periodic)
{
	uint32_t entry = a->lvt[LAPIC_TIMER];

	return is_on(a) && a->counts && !(entry & MASKED) && periodic == !!(entry & PERIODIC);
}

uint64_t lapic_period(const struct lapic *a)
{
	return timer_on(a, true) ? u64_max(a->initial * divider(a), LAPIC_FASTEST) : 0;
}

uint64_t lapic_due(const struct lapic *a)
{
	if (!timer_on(a, false))
		return UINT64_MAX;
	return u64_max(a->started + a->initial * divider(a),
		       a->fired ? a->fired + LAPIC_FASTEST : 0);
}

static uint32_t current(const struct lapic *a, uint64_t now)
{
	uint64_t counted = u64_sub_floor(now, a->started) / divider(a);

	if (!a->counts)
		return 0;
	if (a->lvt[LAPIC_TIMER] & PERIODIC)
		return a->initial - (uint32_t)(counted % a->initial);
	return (uint32_t)u64_sub_floor(a->initial, counted);
}

void lapic_timer_fire(struct lapic *a, uint64_t now)
{
	arrive(a, (uint8_t)a->lvt[LAPIC_TIMER], false);
	if (a->lvt[LAPIC_TIMER] & PERIODIC)
		return;
	a->fired = now;
	a->counts = false;
}

bool lapic_timer_requested(const struct lapic *a)
{
	return has(a->requested, (uint8_t)a->lvt[LAPIC_TIMER]);
}

bool lapic_timer_busy(const struct lapic *a)
{
	return lapic_timer_requested(a) || has(a->in_service, (uint8_t)a->lvt[LAPIC_TIMER]);
}

/* ---- registers ---- */

static bool exists(unsigned reg)
{
	return reg == ID || reg == VERSION || (reg >= TPR && reg <= ERRORS) ||
	       (reg >= COMMAND && reg <= CURRENT) || reg == DIVIDER;
}

/* Another mode stops the timer; so does its end while it is masked. */
static void write_mode(struct lapic *a, uint32_t value, uint64_t now)
{
	uint32_t before = a->lvt[LAPIC_TIMER];
	bool over = !(before & PERIODIC) && before & MASKED && !current(a, now);

	if ((before ^ value) & PERIODIC || over)
		a->counts = false;
	a->timer_changed = true;
}

static void write_lvt(struct lapic *a, unsigned entry, uint32_t value, uint64_t now)
{
	if (entry == LAPIC_TIMER)
		write_mode(a, value, now);
	a->lvt[entry] = value & lvt_bits[entry];
	if (!(a->spurious & SOFTWARE_ENABLED))
		a->lvt[entry] |= MASKED;
}

/* Turned off by software, it masks all of its own sources. */
static void write_spurious(struct lapic *a, uint32_t value, uint64_t now)
{
	a->spurious = value & (SOFTWARE_ENABLED | 0xff);
	for (int i = 0; i < LAPIC_LVTS; i++)
		write_lvt(a, i, a->lvt[i], now);
}

static void write_command(struct lapic *a, uint32_t value)
{
	bool vectored;

	a->command = value & COMMAND_BITS;
	vectored = mode_of(a) == FIXED || mode_of(a) == LOWEST;
	a->sends = !vectored || (uint8_t)value >= VECTOR_MIN;
	if (!a->sends)
		complain(a, SEND_VECTOR);
}

static void write_timer(struct lapic *a, unsigned reg, uint32_t value, uint64_t now)
{
	if (reg == DIVIDER) {
		a->divider = value & 0x0b;
	} else {
		a->initial = value;
		a->started = now;
		a->counts = value;
	}
	a->timer_changed = true;
}

static void write_register(struct lapic *a, unsigned reg, uint32_t value, uint64_t now)
{
	switch (reg) {
	case TPR:
		a->priority = (uint8_t)value;
		break;
	case EOI:
		end_of_interrupt(a);
		break;
	case LOGICAL:
		a->logical = value & 0xff000000;
		break;
	case FORMAT:
		a->format = value | 0x0fffffff;
		break;
	case SPURIOUS:
		write_spurious(a, value, now);
		break;
	case ERRORS: /* shows what has come up since the last time */
		a->errors_seen = a->errors;
		a->errors = 0;
		break;
	case COMMAND:
		write_command(a, value);
		break;
	case DESTINATION:
		a->destination = value & 0xff000000;
		break;
	case INITIAL:
	case DIVIDER:
		write_timer(a, reg, value, now);
		break;
	default:
		if (reg >= LVT && reg < LVT + LAPIC_LVTS)
			write_lvt(a, reg - LVT, value, now);
	}
}

void lapic_write(struct lapic *a, uint32_t offset, unsigned size, uint32_t value, uint64_t now)
{
	if (size != 4 || offset % 16)
		return;
	if (exists(offset / 16))
		write_register(a, offset / 16, value, now);
	else
		complain(a, NO_REGISTER);
}

static uint32_t read_register(const struct lapic *a, unsigned reg, uint64_t now)
{
	switch (reg) {
	case ID:
		return (uint32_t)a->id << 24;
	case VERSION:
		return LAPIC_VERSION | (LAPIC_LVTS - 1) << 16;
	case TPR:
		return a->priority;
	case PPR:
		return processor_priority(a);
	case LOGICAL:
		return a->logical;
	case FORMAT:
		return a->format;
	case SPURIOUS:
		return a->spurious;
	case ERRORS:
		return a->errors_seen;
	case COMMAND:
		return a->command;
	case DESTINATION:
		return a->destination;
	case INITIAL:
		return a->initial;
	case CURRENT:
		return current(a, now);
	case DIVIDER:
		return a->divider;
	default:
		return 0;
	}
}

uint32_t lapic_read(struct lapic *a, uint32_t offset, unsigned size, uint64_t now)
{
	unsigned reg = offset / 16;

	if (size != 4 || offset % 16)
		return 0;
	if (!exists(reg))
		complain(a, NO_REGISTER);
	if (reg >= IN_SERVICE && reg < LEVEL)
		return a->in_service[reg - IN_SERVICE];
	if (reg >= LEVEL && reg < REQUESTED)
		return a->level[reg - LEVEL];
	if (reg >= REQUESTED && reg < ERRORS)
		return a->requested[reg - REQUESTED];
	if (reg >= LVT && reg < LVT + LAPIC_LVTS)
		return a->lvt[reg - LVT];
	return read_register(a, reg, now);
}
