/* SPDX-License-Identifier: MIT */
#include "lab/tid_filter.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

static int compare(const void *a, const void *b)
{
	pid_t x = *(const pid_t *)a, y = *(const pid_t *)b;

	return (x > y) - (x < y);
}

/* The least distance of neighbours that ends a range, so that there are not too many. */
static pid_t least_distance(const pid_t *tids, size_t n)
{
	pid_t least = 1, next;
	size_t longer;

	do {
		longer = 0;
		next = INT_MAX;
		for (size_t i = 1; i < n; i++) {
			pid_t distance = tids[i] - tids[i - 1];

			if (distance <= least)
				continue;
			longer++;
			next = distance < next ? distance : next;
		}
		if (longer < TID_FILTER_RANGES)
			return least;
		least = next;
	} while (1);
}

void tid_filter(pid_t *tids, size_t n, const char *field, char ret[TID_FILTER_SIZE])
{
	size_t first = 0, used = 0;
	pid_t least;

	qsort(tids, n, sizeof(*tids), compare);
	least = least_distance(tids, n);
	for (size_t i = 0; i < n; i++) {
		if (i + 1 < n && tids[i + 1] - tids[i] <= least)
			continue;
		used += (size_t)snprintf(ret + used, TID_FILTER_SIZE - used,
					 "%s(%s >= %d && %s <= %d)", used ? " || " : "", field,
					 tids[first], field, tids[i]);
		first = i + 1;
	}
}
