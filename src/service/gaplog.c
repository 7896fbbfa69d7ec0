/* SPDX-License-Identifier: MIT */
#include "service/gaplog.h"

#include "base/text.h"
#include "base/units.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

bool gaplog_add(struct gaplog *log, const struct gaplog_gap *gap, uint64_t mono, uint64_t real)
{
	struct gaplog_entry *e = &log->kept[log->total++ % GAPLOG_KEPT];
	uint64_t begin = u64_sub_floor(gap->end, u64_max(gap->ns, gap->within));

	e->gap = *gap;
	snprintf(e->name, sizeof(e->name), "%s", gap->name);
	snprintf(e->vm, sizeof(e->vm), "%s", gap->vm ? gap->vm : "");
	e->gap.name = e->name;
	e->gap.vm = gap->vm ? e->vm : NULL;
	e->time = real - u64_sub_floor(mono, begin);
	log->total_ns += gap->ns;
	log->longest_ns = u64_max(log->longest_ns, gap->ns);
	if (quota_take(&log->quota, mono, &log->left_out))
		return true;
	log->unlogged++;
	return false;
}

static const char *verb(uint32_t state)
{
	switch (state) {
	case LEDGER_COSTOP:
		return "co-stopped";
	case LEDGER_LIMITED:
		return "held back by its limit";
	case LEDGER_SWAPWAIT:
		return "waiting for swapped-out memory";
	case LEDGER_WAIT:
		return "blocked by other work of the host";
	default:
		return "descheduled";
	}
}

/* ", process postgres (812) was running" */
static void put_who(const struct gaplog_entry *e, char *ret, size_t size)
{
	char name[4 * GAPLOG_NAME];

	text_escape(e->name, name, sizeof(name));
	if (e->gap.who == GAPLOG_PROCESS)
		snprintf(ret, size, ", process %s (%d) was running", name, e->gap.pid);
	else if (e->gap.who == GAPLOG_NOT_ASKED)
		ret[0] = '\0';
	else
		snprintf(ret, size, ", %s was running",
			 e->gap.who == GAPLOG_NOBODY   ? "nothing"
			 : e->gap.who == GAPLOG_HIDDEN ? "a process of another PID namespace"
						       : "an unknown process");
}

void gaplog_line(const struct gaplog *log, const char *source, char ret[GAPLOG_LINE_MAX])
{
	const struct gaplog_entry *e = &log->kept[(log->total - 1) % GAPLOG_KEPT];
	char name[4 * GAPLOG_NAME], who[sizeof(name) + 48], within[64] = "", vm[sizeof(who)] = "";
	time_t seconds = (time_t)(e->time / NS_PER_SEC);
	char hour[16] = "?", left_out[QUOTA_TEXT_MAX];
	struct tm tm;

	if (localtime_r(&seconds, &tm))
		strftime(hour, sizeof(hour), "%H:%M:%S", &tm);
	text_escape(e->vm, name, sizeof(name));
	if (e->gap.vm)
		snprintf(vm, sizeof(vm), " of %s", name);
	put_who(e, who, sizeof(who));
	if (e->gap.within > e->gap.ns + e->gap.ns / 2)
		snprintf(within, sizeof(within), " in the %.1f s", ns_to_s(e->gap.within));
	snprintf(ret, GAPLOG_LINE_MAX, "vCPU %u%s was %s %" PRIu64 " ms%s %s %s%s (source %s)%s",
		 e->gap.vcpu, vm, verb(e->gap.state), e->gap.ns / NS_PER_MS, within,
		 within[0] ? "from" : "at", hour, who, source, quota_text(log->left_out, left_out));
}

/* Names as they are, or escaped where they aren't UTF-8. */
static json_t *name_json(const char *name)
{
	json_t *o = json_string(name);
	char escaped[4 * GAPLOG_NAME];

	text_escape(name, escaped, sizeof(escaped));
	return o ? o : json_string(escaped);
}

static const char *const whose[] = {[GAPLOG_PROCESS] = "process",
				    [GAPLOG_NOBODY] = "nobody",
				    [GAPLOG_NOT_ASKED] = "blocked",
				    [GAPLOG_HIDDEN] = "hidden",
				    [GAPLOG_UNKNOWN] = "unknown"};

/* 0 for nobody, -1 for one who isn't known. */
static int pid_json(const struct gaplog_gap *gap)
{
	if (gap->who == GAPLOG_PROCESS)
		return (int)gap->pid;
	return gap->who == GAPLOG_NOBODY || gap->who == GAPLOG_NOT_ASKED ? 0 : -1;
}

static json_t *entry_json(const struct gaplog_entry *e)
{
	json_t *o = json_pack("{s:f, s:i, s:s, s:f, s:f, s:s, s:i, s:o}", "time_s",
			      ns_to_s(e->time), "cpu", (int)e->gap.vcpu, "state",
			      ledger_state_name(e->gap.state), "seconds", ns_to_s(e->gap.ns),
			      "within_s", ns_to_s(e->gap.within), "who", whose[e->gap.who], "pid",
			      pid_json(&e->gap), "name", name_json(e->name));

	if (e->gap.vm)
		json_object_set_new(o, "vm", name_json(e->vm));
	return o;
}

json_t *gaplog_json(const struct gaplog *log)
{
	json_t *list = json_array();

	for (uint64_t i = u64_sub_floor(log->total, GAPLOG_KEPT); i < log->total; i++)
		json_array_append_new(list, entry_json(&log->kept[i % GAPLOG_KEPT]));
	return json_pack("{s:s, s:I, s:f, s:f, s:I, s:o}", "schema", "desched-gaps/1", "total",
			 (json_int_t)log->total, "seconds", ns_to_s(log->total_ns), "longest_s",
			 ns_to_s(log->longest_ns), "unlogged", (json_int_t)log->unlogged, "gaps",
			 list);
}
