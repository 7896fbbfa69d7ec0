/* SPDX-License-Identifier: MIT */
#include "ledger/page_fields.h"

#include <desched/page.h>

const struct page_field page_fields[PAGE_FIELDS] = {
	{"shares", PAGE_VALID_SHARES, offsetof(struct page_host, shares)},
	{"reservation_ppm", PAGE_VALID_RESERVATION, offsetof(struct page_host, reservation_ppm)},
	{"limit_ppm", PAGE_VALID_LIMIT, offsetof(struct page_host, limit_ppm)},
	{"overhead_ns", PAGE_VALID_OVERHEAD, offsetof(struct page_host, overhead_ns)},
	{"mem_size", PAGE_VALID_MEMORY, offsetof(struct page_host, mem_size)},
	{"mem_ballooned", PAGE_VALID_BALLOONED, offsetof(struct page_host, mem_ballooned)},
	{"mem_shared", PAGE_VALID_SHARED, offsetof(struct page_host, mem_shared)},
	{"mem_swapped", PAGE_VALID_SWAPPED, offsetof(struct page_host, mem_swapped)},
	{"mem_reservation", PAGE_VALID_MEM_RESERVATION,
	 offsetof(struct page_host, mem_reservation)},
	{"mem_used", PAGE_VALID_MEM_USED, offsetof(struct page_host, mem_used)},
};
