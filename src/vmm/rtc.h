/* SPDX-License-Identifier: MIT */
/*
 * The CMOS clock, an MC146818: the host's time of day in UTC, which a guest cannot set, and some
 * memory. Its interrupts: one for each second, an alarm, and a periodic one, for which it only says
 * how often the guest wants it; a ticker (ticker.h) decides when it comes. An interrupt is over,
 * and another one can come, when the guest has read register C.
 *
 * `real`: ns of CLOCK_REALTIME.
 */
#ifndef VMM_RTC_H
#define VMM_RTC_H

#include "vmm/device.h"

#define RTC_LINE 8

struct rtc {
	uint8_t index;
	uint8_t cells[128];
	uint64_t second;  /* flags are as of it, since 1970; 0: none yet */
	uint64_t periods; /* since 1970: as many as a guest has seen that polls for them */
	bool changed;	  /* look at rtc_period(), then clear it */
	bool edge;	  /* an interrupt is to be raised */
};

extern const struct device_ops rtc_device;

/* What the guest reads at a port, if it is `real`. */
uint8_t rtc_read(struct rtc *r, uint16_t port, uint64_t real);

/* The time between two periodic interrupts, at least PIT_FASTEST; 0 if the guest wants none. */
uint64_t rtc_period(const struct rtc *r);
void rtc_tick(struct rtc *r); /* one of them */

/* The guest wants an interrupt for seconds, or some second; rtc_advance() gives it. */
bool rtc_wants_seconds(const struct rtc *r);
void rtc_advance(struct rtc *r, uint64_t real);

/* An interrupt was raised, and the guest has not read why. */
bool rtc_pending(const struct rtc *r);

#endif
