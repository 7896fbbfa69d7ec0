/* SPDX-License-Identifier: MIT */
#include "base/cpulist.h"

#include <ctype.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>

/* Digits alone: strtoull() would take blanks and signs, too. */
static bool take_number(const char **at, uint32_t *ret)
{
	unsigned long long n;
	char *end;

	if (!isdigit((unsigned char)**at))
		return false;
	n = strtoull(*at, &end, 10); /* ULLONG_MAX for what is too large */
	if (n > UINT32_MAX)
		return false;
	*at = end;
	*ret = (uint32_t)n;
	return true;
}

int cpulist_next(const char **list, uint32_t *ret_first, uint32_t *ret_last)
{
	const char *at = *list;
	uint32_t first, last;

	if (!*at)
		return 0;
	if (!take_number(&at, &first))
		return -EINVAL;
	last = first;
	if (*at == '-' && (at++, !take_number(&at, &last)))
		return -EINVAL;
	if (last < first || (*at && (*at != ',' || !at[1])))
		return -EINVAL;
	*list = at + (*at == ',');
	*ret_first = first;
	*ret_last = last;
	return 1;
}
