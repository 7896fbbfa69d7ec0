/* SPDX-License-Identifier: MIT */
#include "guest/amounts.h"

#include "base/units.h"

uint64_t amounts_descheduled(const struct amounts *a)
{
	uint64_t sum = 0;

	for (uint32_t s = 0; s < LEDGER_STATES; s++)
		sum += ledger_state_descheduled(s) ? a->away[s] : 0;
	return sum;
}

uint64_t amounts_away(const struct amounts *a)
{
	uint64_t sum = 0;

	for (int s = 0; s < LEDGER_STATES; s++)
		sum += a->away[s];
	return sum;
}

uint64_t amounts_true(const struct amounts *a)
{
	return u64_sub_floor(a->occupied, amounts_away(a) + a->unaccounted);
}

void amounts_add(struct amounts *into, const struct amounts *from)
{
	into->occupied += from->occupied;
	for (int s = 0; s < LEDGER_STATES; s++)
		into->away[s] += from->away[s];
	into->unaccounted += from->unaccounted;
}

uint64_t *amounts_in(struct amounts *a, uint32_t state)
{
	return state == AMOUNTS_UNKNOWN ? &a->unaccounted : &a->away[state];
}
