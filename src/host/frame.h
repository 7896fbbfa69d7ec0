/* SPDX-License-Identifier: MIT */
/* What was measured, as everybody else takes it: one type for screens, reports and the wire. */
#ifndef HOST_FRAME_H
#define HOST_FRAME_H

#include "host/choice.h"
#include "host/measure.h"
#include "wire/host_frame.h"

/* The last reading (measure_read()). VMs whose end was reported (measure_reported()) are not in it.
 * -ENOMEM. */
int host_frame_take(const struct measurement *m, struct host_frame *ret);

/* The same with each vCPU as a VM of its own, called "NAME/INDEX", and with nothing but ledgers and
 * who ran while it waited. -ENOMEM. */
int host_frame_take_vcpus(const struct measurement *m, struct host_frame *ret);

/* Of the last reading, those VMs alone that have ended and whose end was not reported yet. -ENOMEM. */
int host_frame_take_ended(const struct measurement *m, struct host_frame *ret);

/* Whether a VM of anybody's frame is one that is asked for. */
bool host_frame_wanted(const struct host_frame_vm *vm, struct choice *c);

#endif
