/* SPDX-License-Identifier: MIT */
/* Time on a guest's CPU, by what the vCPU did meanwhile: of a task, a process, a group, a CPU. */
#ifndef GUEST_AMOUNTS_H
#define GUEST_AMOUNTS_H

#include <desched/ledger.h>
#include <stdint.h>

struct amounts {
	uint64_t occupied;	      /* ns on the guest's CPU, whether that ran or not */
	uint64_t away[LEDGER_STATES]; /* of that, ns in which the vCPU was in this state */
	uint64_t unaccounted;	      /* of that, ns of which the source knows nothing */
};

#define AMOUNTS_UNKNOWN LEDGER_STATES /* in place of a state: unaccounted */

/* away in the four descheduled states; in all states; occupied minus that and what is
 * unaccounted. */
uint64_t amounts_descheduled(const struct amounts *a);
uint64_t amounts_away(const struct amounts *a);
uint64_t amounts_true(const struct amounts *a);
void amounts_add(struct amounts *into, const struct amounts *from);

/* What was away in this state, or AMOUNTS_UNKNOWN. */
uint64_t *amounts_in(struct amounts *a, uint32_t state);

#endif
