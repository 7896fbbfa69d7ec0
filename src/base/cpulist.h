/* SPDX-License-Identifier: MIT */
/* Lists of CPUs as people and the kernel write them: "3", "0-3,5". */
#ifndef BASE_CPULIST_H
#define BASE_CPULIST_H

#include <stdint.h>

/* Takes the next range from the list; *list moves behind it and its comma. 1; 0 at the end of the
 * list; -EINVAL for what isn't a list. */
int cpulist_next(const char **list, uint32_t *ret_first, uint32_t *ret_last);

#endif
