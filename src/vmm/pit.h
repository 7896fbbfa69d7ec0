/* SPDX-License-Identifier: MIT */
/*
 * The 8254 timer. Channel 0 does not tick by itself: it only says how often the guest wants ticks,
 * and the ticker (ticker.h) decides when they come. Channel 2 counts for guests that calibrate by
 * it; the speaker is silent. Times are ns.
 */
#ifndef VMM_PIT_H
#define VMM_PIT_H

#include "vmm/device.h"

#define PIT_LINE    0
#define PIT_FASTEST 500000 /* ns: no guest gets more than 2000 ticks a second */

struct pit_channel {
	uint32_t count;	 /* 1..65536 */
	uint64_t loaded; /* when */
	uint16_t latch;
	uint8_t mode, access, low, status;
	bool latched, status_latched, high_next, read_high;
};

struct pit {
	struct pit_channel channel[3];
	bool gate2;   /* by the speaker's port: channel 2 counts */
	bool changed; /* channel 0 was programmed: look at pit_period(), then clear it */
};

extern const struct device_ops pit_device;

/* The time between two ticks of channel 0, at least PIT_FASTEST; 0 if it gives none. *ret_once: it
 * gives only one. */
uint64_t pit_period(const struct pit *p, bool *ret_once);

#endif
