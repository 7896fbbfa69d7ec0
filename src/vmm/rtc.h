/* SPDX-License-Identifier: MIT */
/* The CMOS clock: the time of day in UTC, and some memory. It gives no interrupts. */
#ifndef VMM_RTC_H
#define VMM_RTC_H

#include <stdbool.h>
#include <stdint.h>

struct rtc {
	uint8_t index;
	uint8_t cells[128];
};

void rtc_reset(struct rtc *r);
bool rtc_write(struct rtc *r, uint16_t port, uint8_t value);

/* `real`: ns of CLOCK_REALTIME. */
bool rtc_read(struct rtc *r, uint16_t port, uint64_t real, uint8_t *ret);

#endif
