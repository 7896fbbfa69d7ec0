/* SPDX-License-Identifier: MIT */
#include "vmdesched/gaplog.h"

#include "base/units.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

bool gaplog_add(struct gaplog *log, const struct source_gap *gap, uint64_t mono, uint64_t real)
{
	struct gaplog_entry *e = &log->kept[log->total++ % GAPLOG_KEPT];
	uint64_t begin = u64_sub_floor(gap->end, u64_max(gap->ns, gap->within));

	e->gap = *gap;
	snprintf(e->name, sizeof(e->name), "%s", gap->name);
	e->gap.name = e->name;
	e->time = real - u64_sub_floor(mono, begin);
	log->total_ns += gap->ns;
	log->longest_ns = u64_max(log->longest_ns, gap->ns);
	if (quota_take(&log->quota, mono, &log->left_out))
		return true;
	log->unlogged++;
	return false;
}

/* A process may call itself anything: what could take over a terminal or forge a line is shown as
 * `\xNN`. */
static void escape(const char *name, char *to, size_t size)
{
	size_t n = 0;

	for (; *name && n + 5 < size; name++) {
		if ((unsigned char)*name < ' ' || (unsigned char)*name > '~' || *name == '\\')
			n += (size_t)snprintf(to + n, size - n, "\\x%02x", (unsigned char)*name);
		else
			to[n++] = *name;
	}
	to[n] = '\0';
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

void gaplog_line(const struct gaplog *log, const char *source, char ret[GAPLOG_LINE_MAX])
{
	const struct gaplog_entry *e = &log->kept[(log->total - 1) % GAPLOG_KEPT];
	char name[4 * ACCOUNT_COMM_SIZE], who[sizeof(name) + 32], within[64] = "";
	time_t seconds = (time_t)(e->time / NS_PER_SEC);
	char hour[16] = "?", left_out[QUOTA_TEXT_MAX];
	struct tm tm;

	if (localtime_r(&seconds, &tm))
		strftime(hour, sizeof(hour), "%H:%M:%S", &tm);
	escape(e->name, name, sizeof(name));
	if (e->gap.pid > 0)
		snprintf(who, sizeof(who), "process %s (%d)", name, e->gap.pid);
	else
		snprintf(who, sizeof(who), "%s", e->gap.pid ? "an unknown process" : "nothing");
	if (e->gap.within > e->gap.ns + e->gap.ns / 2)
		snprintf(within, sizeof(within), " in the %.1f s", ns_to_s(e->gap.within));
	snprintf(ret, GAPLOG_LINE_MAX,
		 "vCPU %u was %s %" PRIu64 " ms%s %s %s, %.120s was running (source %s)%s",
		 e->gap.cpu, verb(e->gap.state), e->gap.ns / NS_PER_MS, within,
		 within[0] ? "from" : "at", hour, who, source, quota_text(log->left_out, left_out));
}

static uint64_t unaccounted_of(const struct account *a)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < a->n_cpus; i++)
		sum += a->cpus[i].busy.unaccounted + a->cpus[i].idle.unaccounted;
	return sum;
}

static void clock_text(uint64_t real, char ret[16])
{
	time_t seconds = (time_t)(real / NS_PER_SEC);
	struct tm tm;

	snprintf(ret, 16, "?");
	if (localtime_r(&seconds, &tm))
		strftime(ret, 16, "%H:%M:%S", &tm);
}

bool silence_note(struct silence *s, const struct account *a, uint64_t real,
		  char ret[SILENCE_LINE_MAX])
{
	uint64_t now = unaccounted_of(a), last = s->last, began = s->real;
	bool grows = began && now > last + SILENCE_MIN;
	char from[16], to[16];

	s->last = now;
	s->real = real;
	clock_text(s->since ? s->since : began, from);
	clock_text(began, to);
	if (grows && !s->since) {
		s->since = began;
		s->before = last;
		snprintf(ret, SILENCE_LINE_MAX,
			 "the host or hypervisor said nothing of the time from %s on: it is "
			 "unaccounted",
			 from);
		return true;
	}
	if (grows || !s->since)
		return false;
	s->since = 0;
	snprintf(ret, SILENCE_LINE_MAX,
		 "%.2f s of CPU time are unaccounted between %s and %s: neither true nor away",
		 ns_to_s(last - s->before), from, to);
	return true;
}

static json_t *entry_json(const struct gaplog_entry *e)
{
	json_t *name = json_string(e->name);
	char escaped[4 * ACCOUNT_COMM_SIZE];

	escape(e->name, escaped, sizeof(escaped));
	return json_pack("{s:f, s:i, s:s, s:f, s:f, s:i, s:o}", "time_s", ns_to_s(e->time), "cpu",
			 (int)e->gap.cpu, "state", ledger_state_name(e->gap.state), "seconds",
			 ns_to_s(e->gap.ns), "within_s", ns_to_s(e->gap.within), "pid",
			 (int)e->gap.pid, "name", name ? name : json_string(escaped));
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
