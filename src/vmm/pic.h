/* SPDX-License-Identifier: MIT */
/*
 * The pair of 8259 interrupt controllers, edge-triggered, in our own hands: only so does the
 * monitor see when a guest acknowledges a timer interrupt, and when it idles, on any KVM.
 */
#ifndef VMM_PIC_H
#define VMM_PIC_H

#include "vmm/device.h"

struct pic_chip {
	uint8_t requested, in_service, masked;
	uint8_t vector; /* of line 0 */
	uint8_t step;	/* the initialization word that comes next, 0: it is done */
	bool want_icw4, auto_eoi, read_service, special_mask, rotate;
	uint8_t lowest; /* the line of lowest priority */
};

struct pic {
	struct pic_chip chip[2]; /* master, slave at line 2 */
};

extern const struct device_ops pic_device;

/* An edge on line 0..15. */
void pic_raise(struct pic *p, unsigned line);

/* The line is raised, or being served: the guest has not taken it. */
bool pic_busy(const struct pic *p, unsigned line);
bool pic_raised(const struct pic *p, unsigned line); /* the former alone */

bool pic_pending(const struct pic *p);
uint8_t pic_acknowledge(struct pic *p); /* the vector of what is pending, which is now served */

#endif
