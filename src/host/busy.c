/* SPDX-License-Identifier: MIT */
#include "host/busy.h"

#include "base/units.h"

#define IDLE_PART 500 /* that part of the time blocked is idle; less is a lock of the monitor */

#define PAUSES_MANY 100 /* a second */

/* Exits that a guest in a loop has, too. */
static bool is_sign(enum exit_class c)
{
	return c != EXIT_INTERRUPT && c != EXIT_TIMER && c != EXIT_WINDOW && c != EXIT_MSR &&
	       c != EXIT_APIC && c != EXIT_PAUSE && c != EXIT_SIGNAL;
}

/* False where this vCPU's exits are not reported. */
static bool count_signs(const struct vcpu_exits *e, uint64_t *ret)
{
	uint64_t any = 0, signs = 0;

	for (int i = 0; e && i < EXIT_CLASSES; i++) {
		any += e->kernel[i].n;
		if (is_sign(i))
			signs += e->kernel[i].n + e->user[i].n;
	}
	*ret = signs;
	return any;
}

static uint64_t blocked_of(const struct ledger *l)
{
	return l->ns[LEDGER_HALT] + l->ns[LEDGER_WAIT] + l->ns[LEDGER_SWAPWAIT];
}

void busy_update(struct busy *b, const struct ledger *now, const struct vcpu_exits *exits)
{
	uint64_t blocked = blocked_of(now), signs, before = b->at ? b->at : now->start;
	bool told = count_signs(exits, &signs);

	if (now->at < before + BUSY_APART_NS)
		return;
	if (b->at && blocked - b->blocked <= (now->at - before) / IDLE_PART)
		b->since = b->since ? b->since : before;
	else
		b->since = 0;
	if (!told || !b->since)
		b->quiet = 0;
	else if (signs != b->signs || !b->quiet)
		b->quiet = now->at;
	b->now = exits ? exits->kernel[EXIT_PAUSE].n : 0;
	if (!b->since)
		b->pauses = b->now;
	b->at = now->at;
	b->blocked = blocked;
	b->signs = signs;
}

enum busy_kind busy_kind(const struct busy *b)
{
	if (!b->since)
		return BUSY_IDLES;
	if ((double)(b->now - b->pauses) > PAUSES_MANY * ns_to_s(busy_for(b)))
		return BUSY_SPINS;
	if (!b->quiet)
		return BUSY_UNKNOWN;
	return busy_quiet_for(b) >= busy_for(b) / 2 ? BUSY_LOOPS : BUSY_WORKS;
}

const char *busy_kind_name(enum busy_kind k)
{
	static const char *const names[] = {[BUSY_IDLES] = "idles",
					    [BUSY_WORKS] = "works",
					    [BUSY_SPINS] = "spins",
					    [BUSY_LOOPS] = "loops",
					    [BUSY_UNKNOWN] = "unknown"};

	return names[k];
}

uint64_t busy_for(const struct busy *b)
{
	return b->since ? b->at - b->since : 0;
}

uint64_t busy_quiet_for(const struct busy *b)
{
	return b->quiet ? b->at - b->quiet : 0;
}

bool busy_is_runaway(const struct busy *b, uint64_t ns)
{
	return ns && b->since && (b->quiet ? busy_quiet_for(b) : busy_for(b)) >= ns;
}
