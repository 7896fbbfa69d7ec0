/* SPDX-License-Identifier: MIT */
#include "vmm/rtc.h"

#include "base/units.h"

#include <time.h>

#define INDEX	 0x70
#define DATA	 0x71
#define STATUS_A 0x0a
#define STATUS_B 0x0b
#define STATUS_C 0x0c
#define STATUS_D 0x0d
#define CENTURY	 0x32
#define BINARY	 0x04
#define HOURS_24 0x02
#define VALID	 0x80

void rtc_reset(struct rtc *r)
{
	time_t zero = 0;
	struct tm t;

	gmtime_r(&zero,
		 &t); /* glibc reads files at the first call, which the vCPU's thread may not */
	*r = (struct rtc){0};
	r->cells[STATUS_A] = 0x26;
	r->cells[STATUS_B] = HOURS_24;
}

bool rtc_write(struct rtc *r, uint16_t port, uint8_t value)
{
	if (port == INDEX)
		r->index = value & 0x7f;
	else if (port == DATA)
		r->cells[r->index] = value;
	return port == INDEX || port == DATA;
}

static uint8_t code(const struct rtc *r, int value)
{
	return (uint8_t)(r->cells[STATUS_B] & BINARY ? value : value / 10 << 4 | value % 10);
}

static uint8_t read_cell(const struct rtc *r, uint64_t real)
{
	time_t seconds = (time_t)(real / NS_PER_SEC);
	struct tm t;

	if (!gmtime_r(&seconds, &t))
		return 0;
	switch (r->index) {
	case 0:
		return code(r, t.tm_sec);
	case 2:
		return code(r, t.tm_min);
	case 4:
		return code(r, t.tm_hour);
	case 6:
		return code(r, t.tm_wday + 1);
	case 7:
		return code(r, t.tm_mday);
	case 8:
		return code(r, t.tm_mon + 1);
	case 9:
		return code(r, t.tm_year % 100);
	case CENTURY:
		return code(r, 19 + t.tm_year / 100);
	case STATUS_C:
		return 0;
	case STATUS_D:
		return VALID;
	default:
		return r->cells[r->index];
	}
}

bool rtc_read(struct rtc *r, uint16_t port, uint64_t real, uint8_t *ret)
{
	if (port == INDEX)
		*ret = 0xff;
	else if (port == DATA)
		*ret = read_cell(r, real);
	return port == INDEX || port == DATA;
}
