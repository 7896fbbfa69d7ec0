/* SPDX-License-Identifier: MIT */
/*
 * Guest memory: one piece from guest address 0. Every access by an address that a guest, or an
 * image, has given goes through here. The ledger page (ledger_page.h) isn't part of it: devices
 * don't reach it.
 */
#ifndef VMM_MEMORY_H
#define VMM_MEMORY_H

#include <desched/vmdesched.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define MEMORY_PAGE	VMDESCHED_LEDGER_AT /* where a guest finds the ledger page */
#define MEMORY_PAGE_MAX (UINT64_C(64) << 20)

struct memory {
	uint8_t *base;
	uint64_t size;
	const uint8_t *page; /* the ledger page, NULL: none */
	uint64_t page_size;
};

/* Where [at, at + size) of the guest's memory is, or NULL if it is not all there. */
static inline void *memory_at(const struct memory *m, uint64_t at, uint64_t size)
{
	if (at > m->size || size > m->size - at)
		return NULL;
	return m->base + at;
}

#endif
