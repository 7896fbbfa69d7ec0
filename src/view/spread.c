/* SPDX-License-Identifier: MIT */
#include "base/clock.h"
#include "base/units.h"
#include "view/rewrite_internal.h"

#include <errno.h>
#include <unistd.h>

uint64_t tick_ns(void)
{
	return NS_PER_SEC / (uint64_t)sysconf(_SC_CLK_TCK);
}

uint64_t counter_show(struct counter *c, uint64_t raw, uint64_t value)
{
	if (raw < c->raw)
		c->shown = 0;
	c->raw = raw;
	c->shown = u64_max(c->shown, value);
	return c->shown;
}

uint64_t spread_sum(const uint64_t *values, int n)
{
	uint64_t sum = 0;

	for (int i = 0; i < n; i++)
		sum += values[i];
	return sum;
}

void spread_add(struct spread *s, int n, const uint64_t *raw, uint64_t add)
{
	uint64_t grown[SPREAD_MAX] = {0}, all, left = add;

	for (int i = 0; i < n; i++) {
		grown[i] = u64_sub_floor(raw[i], s->raw[i]);
		s->raw[i] = raw[i];
	}
	all = spread_sum(grown, n);
	for (int i = 1; all && i < n; i++) {
		uint64_t part = clock_muldiv(add, grown[i], all);

		s->shown[i] += part;
		left -= part;
	}
	s->shown[0] += left;
}

int number_take(const char **at, uint64_t max, uint64_t *ret)
{
	const char *p = *at;
	uint64_t n = 0;

	if (*p != ' ')
		return -EBADMSG;
	while (*p == ' ')
		p++;
	if (*p < '0' || *p > '9')
		return -EBADMSG;
	for (; *p >= '0' && *p <= '9'; p++) {
		uint64_t digit = (uint64_t)(*p - '0');

		if (n > (max - digit) / 10)
			return -EBADMSG;
		n = 10 * n + digit;
	}
	*at = p;
	*ret = n;
	return 0;
}
