/* SPDX-License-Identifier: MIT */
/* Memory for large arrays whose entries are laid out in whole cache lines. */
#ifndef BASE_LINES_H
#define BASE_LINES_H

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define LINE	  64
#define HUGE_PAGE (UINT64_C(2) << 20)

/* n zeroed entries, the first at the beginning of a cache line; NULL without memory. free(3).
 * What is walked at random is easier on the TLB in huge pages, if the kernel has some. */
static inline void *lines_alloc(size_t n, size_t size)
{
	size_t bytes, align;
	void *p;

	if (__builtin_mul_overflow(n, size, &bytes) || bytes > SIZE_MAX / 2)
		return NULL;
	align = bytes < 2 * HUGE_PAGE ? LINE : HUGE_PAGE;
	bytes = (bytes + LINE - 1) & ~(size_t)(LINE - 1);
	if (posix_memalign(&p, align, bytes))
		return NULL;
	if (align == HUGE_PAGE)
		madvise(p, bytes, MADV_HUGEPAGE);
	return memset(p, 0, bytes);
}

#endif
