/* SPDX-License-Identifier: MIT */
/*
 * What the VMs of a random host have by the fluid model (fluid.h): two ends for each, between which it
 * lies. The first are of averages; where a VM is far from these, the host is poured again as it goes on,
 * and then by what the policy's rates are of, and by its two rules for whoever wakes.
 */
#ifndef TEST_FLUID_ENDS_H
#define TEST_FLUID_ENDS_H

#include "fluid_host.h"

#define FLUID_SLICE 0.005 /* s */

/* Both ends for each VM. */
void fluid_ends(struct fluid_host *h);
/* The others move the ends apart, never together. */
void fluid_ends_again(struct fluid_host *h);
void fluid_ends_by_rates(struct fluid_host *h, double favour);
void fluid_ends_by_credit(struct fluid_host *h);
void fluid_ends_by_clock(struct fluid_host *h);

#endif
