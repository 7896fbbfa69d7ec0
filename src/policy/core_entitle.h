/* SPDX-License-Identifier: MIT */
/* What each VM is served by, some times a second: demand, entitlement, rate. */
#ifndef POLICY_CORE_ENTITLE_H
#define POLICY_CORE_ENTITLE_H

#include "policy/core_state.h"

/* `change` vCPUs more (or fewer) of the VM want to run. */
void core_active(struct core *c, uint32_t vm, uint64_t now, int change);
/* At the end of a slice: a reservation that was lent out comes back. */
void core_draw(struct core *c, uint32_t vm, uint64_t now);
/* Sees what is demanded, divides the host anew. */
void core_divide(struct core *c, uint64_t now);
/* What was seen of the demand of a vCPU, or of a VM, before now counts no more. */
void core_unseen_vcpu(struct core *c, uint32_t vcpu, uint64_t now);
void core_unseen(struct core *c, uint32_t vm, uint64_t now);
/* VMs or groups have come or changed: they may no longer be all alike (core->uniform), which is
 * when shares alone say who gets what, and are the same for each vCPU. */
void core_entitle_changed(struct core *c, uint64_t now);

#endif
