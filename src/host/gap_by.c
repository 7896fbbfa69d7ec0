/* SPDX-License-Identifier: MIT */
#include "host/gap_by.h"

#include "base/text.h"
#include "bpf/vcpu_state.h"

#include <stdio.h>
#include <string.h>

const char *gap_by_kind_name(enum gap_by_kind k)
{
	static const char *const names[] = {[GAP_RAN_THREAD] = "thread",
					    [GAP_RAN_HIDDEN] = "hidden",
					    [GAP_RAN_NOBODY] = "idle",
					    [GAP_RAN_BLOCKED] = "blocked",
					    [GAP_RAN_UNKNOWN] = "unknown"};

	return names[k];
}

static enum gap_by_kind kind_of(const struct gap *gap)
{
	if (gap->by == GAP_BY_NOBODY)
		return vcpu_state_is_blocked(gap->state) ? GAP_RAN_BLOCKED : GAP_RAN_NOBODY;
	if (gap->by == GAP_BY_HIDDEN)
		return GAP_RAN_HIDDEN;
	return gap->by ? GAP_RAN_THREAD : GAP_RAN_UNKNOWN;
}

struct gap_by gap_by_of(const struct gap *gap)
{
	struct gap_by who = {.kind = kind_of(gap)};
	char path[64];

	if (who.kind != GAP_RAN_THREAD)
		return who;
	who.tid = (pid_t)gap->by;
	snprintf(path, sizeof(path), "/proc/%d/comm", who.tid);
	if (file_read(path, who.name, sizeof(who.name)) <= 0)
		snprintf(who.name, sizeof(who.name), "?");
	who.name[strcspn(who.name, "\n")] = '\0';
	text_clean(who.name);
	return who;
}
