/* SPDX-License-Identifier: MIT */
#include "service/quota.h"

#include <inttypes.h>
#include <stdio.h>

bool quota_take(struct quota *q, uint64_t now, uint64_t *ret_before)
{
	uint64_t more = q->refilled ? u64_sub_floor(now, q->refilled) / QUOTA_REFILL : QUOTA_BURST;

	if (more) {
		q->tokens = u64_min(q->tokens + more, QUOTA_BURST);
		q->refilled = now;
	}
	if (!q->tokens) {
		q->left_out++;
		return false;
	}
	q->tokens--;
	*ret_before = q->left_out;
	q->left_out = 0;
	return true;
}

const char *quota_text(uint64_t before, char ret[QUOTA_TEXT_MAX])
{
	ret[0] = '\0';
	if (before)
		snprintf(ret, QUOTA_TEXT_MAX, " (%" PRIu64 " line%s left out before this one)",
			 before, before == 1 ? " was" : "s were");
	return ret;
}
