/* SPDX-License-Identifier: MIT */
/*
 * Guest memory: one piece from guest address 0. Every access by an address that a guest, or an
 * image, has given goes through here.
 */
#ifndef VMM_MEMORY_H
#define VMM_MEMORY_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct memory {
	uint8_t *base;
	uint64_t size;
};

/* Where [at, at + size) of the guest's memory is, or NULL if it is not all there. */
static inline void *memory_at(const struct memory *m, uint64_t at, uint64_t size)
{
	if (at > m->size || size > m->size - at)
		return NULL;
	return m->base + at;
}

#endif
