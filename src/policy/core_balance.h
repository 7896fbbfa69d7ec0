/* SPDX-License-Identifier: MIT */
/* VMs are balanced over the domains of a host, some times in a minute, and their memory follows. */
#ifndef POLICY_CORE_BALANCE_H
#define POLICY_CORE_BALANCE_H

#include "policy/core_state.h"

void core_balance(struct core *c, uint64_t now);

#endif
