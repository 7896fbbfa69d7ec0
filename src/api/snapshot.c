/* SPDX-License-Identifier: MIT */
/*
 * vmdesched's answer, schema desched-agent/2 (vmdesched(8)), made into structures.
 *
 * A figure that is not there is 0, so that an older daemon can be asked; one that is there and
 * makes no sense makes the whole answer bad. Members that are not known are ignored.
 */
#include "api/snapshot.h"

#include "base/units.h"
#include "ledger/page_fields.h"
#include "wire/wire.h"

#include <ctype.h>
#include <errno.h>
#include <jansson.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Each reader adds to *bad instead of returning, so that a row of members reads as one. */
static uint64_t seconds(const json_t *o, const char *key, bool *bad)
{
	uint64_t ns = 0;

	*bad |= !wire_ns(o, key, &ns);
	return ns;
}

static uint64_t integer(const json_t *o, const char *key, uint64_t max, bool *bad)
{
	const json_t *v = json_object_get(o, key);
	json_int_t i = json_integer_value(v);

	if (!v)
		return 0;
	if (json_is_integer(v) && i >= 0 && (uint64_t)i <= max)
		return (uint64_t)i;
	*bad = true;
	return 0;
}

static void text(const json_t *o, const char *key, char *ret, size_t size, bool *bad)
{
	const json_t *v = json_object_get(o, key);

	if (v && !json_is_string(v))
		*bad = true;
	else
		snprintf(ret, size, "%s", v ? json_string_value(v) : "");
}

static struct desched_amounts amounts(const json_t *o, bool *bad)
{
	struct wire_amounts a = {.reported = 0};

	*bad |= !wire_amounts(o, &a);
	return (struct desched_amounts){
		.reported = a.reported,
		.true_time = a.truth,
		.descheduled = a.descheduled,
		.wait = a.wait,
		.unaccounted = a.unaccounted,
	};
}

static void read_summary(const json_t *o, struct desched_snapshot *s, bool *bad)
{
	const json_t *totals = json_object_get(o, "totals");
	const json_t *counters = json_object_get(o, "counters");

	struct wire_session session = {.id = 0};

	*bad |= !wire_session(o, &session);
	text(o, "source", s->source, sizeof(s->source), bad);
	text(o, "steal_clock", s->steal_clock, sizeof(s->steal_clock), bad);
	if (!json_is_object(totals))
		*bad = true;
	s->summary = (struct desched_summary){
		.session = session.id,
		.source = s->source,
		.steal_clock = s->steal_clock,
		.kernel_subtracts = json_is_true(json_object_get(o, "kernel_subtracts")),
		.complete = json_is_true(json_object_get(o, "complete")),
		.stale = json_is_true(json_object_get(o, "stale")),
		.estimated = json_object_get(totals, "low_s") != NULL,
		.elapsed = seconds(o, "elapsed_s", bad),
		.busy = amounts(totals, bad),
		.exited = amounts(json_object_get(o, "exited"), bad),
		.idle_descheduled = seconds(totals, "idle_descheduled_s", bad),
		.idle_wait = seconds(totals, "idle_wait_s", bad),
		.low = seconds(totals, "low_s", bad),
		.high = seconds(totals, "high_s", bad),
		.lost_switches = integer(counters, "lost_switches", INT64_MAX, bad),
		.lost_time = seconds(counters, "lost_run_s", bad),
		.unseen = seconds(counters, "unseen_s", bad),
		.idle_unaccounted = seconds(totals, "idle_unaccounted_s", bad),
		.late = seconds(counters, "late_s", bad),
		.lag = seconds(o, "lag_s", bad),
	};
}

static int read_cpus(const json_t *list, struct desched_snapshot *s, bool *bad)
{
	size_t n = json_array_size(list);

	s->cpus = calloc(n + 1, sizeof(*s->cpus));
	if (!s->cpus)
		return -ENOMEM;
	for (; s->n_cpus < n; s->n_cpus++) {
		const json_t *o = json_array_get(list, s->n_cpus);

		s->cpus[s->n_cpus] = (struct desched_cpu){
			.cpu = (unsigned)integer(o, "cpu", UINT_MAX, bad),
			.busy = seconds(o, "busy_s", bad),
			.idle = seconds(o, "idle_s", bad),
			.descheduled = seconds(o, "descheduled_s", bad),
			.wait = seconds(o, "wait_s", bad),
			.idle_descheduled = seconds(o, "idle_descheduled_s", bad),
			.idle_wait = seconds(o, "idle_wait_s", bad),
			.unaccounted = seconds(o, "unaccounted_s", bad),
			.idle_unaccounted = seconds(o, "idle_unaccounted_s", bad),
		};
	}
	return 0;
}

static void read_thread(const json_t *o, struct desched_thread *t, bool *bad)
{
	t->tid = (int)integer(o, "tid", INT_MAX, bad);
	text(o, "name", t->name, sizeof(t->name), bad);
	t->amounts = amounts(o, bad);
}

/* Time whose owner is not known stands under a number below 0. */
static int pid_of(const json_t *o, bool *bad)
{
	const json_t *pid = json_object_get(o, "pid");

	if (json_is_integer(pid) && json_integer_value(pid) < 0)
		return 0;
	return (int)integer(o, "pid", INT_MAX, bad);
}

/* s->threads has room for all. */
static void read_process(const json_t *o, struct desched_snapshot *s, bool *bad)
{
	struct held_process *p = &s->processes[s->n_processes++];
	const json_t *threads = json_object_get(o, "threads");

	p->public.pid = pid_of(o, bad);
	p->public.id = integer(o, "id", INT64_MAX, bad);
	text(o, "name", p->public.name, sizeof(p->public.name), bad);
	p->public.own = amounts(o, bad);
	p->public.children = amounts(json_object_get(o, "children"), bad);
	p->public.n_threads = json_array_size(threads);
	p->first_thread = s->n_threads;
	for (size_t i = 0; i < p->public.n_threads; i++)
		read_thread(json_array_get(threads, i), &s->threads[s->n_threads++], bad);
}

static int read_processes(const json_t *list, struct desched_snapshot *s, bool *bad)
{
	size_t n = json_array_size(list), threads = 0;

	for (size_t i = 0; i < n; i++)
		threads += json_array_size(json_object_get(json_array_get(list, i), "threads"));
	s->processes = calloc(n + 1, sizeof(*s->processes));
	s->threads = calloc(threads + 1, sizeof(*s->threads));
	if (!s->processes || !s->threads)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++)
		read_process(json_array_get(list, i), s, bad);
	return 0;
}

static uint32_t state_of(const json_t *name, bool *bad)
{
	for (uint32_t state = 0; json_is_string(name) && state < LEDGER_STATES; state++)
		if (!strcmp(json_string_value(name), ledger_state_name(state)))
			return state;
	*bad = true;
	return 0;
}

static void read_ledger(const json_t *o, struct ledger *l, bool *bad)
{
	const json_t *ns = json_object_get(o, "ns");

	if (json_is_null(o))
		return; /* the daemon could not read it */
	l->start = integer(o, "start", INT64_MAX, bad);
	l->at = integer(o, "at", INT64_MAX, bad);
	l->state = state_of(json_object_get(o, "state"), bad);
	for (uint32_t state = 0; state < LEDGER_STATES; state++)
		l->ns[state] = integer(ns, ledger_state_name(state), INT64_MAX, bad);
	if (!ledger_valid(l))
		*bad = true;
}

static int read_page(const json_t *o, struct desched_snapshot *s, bool *bad)
{
	const json_t *vcpus = json_object_get(o, "vcpus");
	size_t n = json_array_size(vcpus);

	if (!json_is_object(o))
		return 0;
	s->ledgers = calloc(n + 1, sizeof(*s->ledgers));
	if (!s->ledgers)
		return -ENOMEM;
	s->has_page = true;
	s->page.updates = integer(o, "updates", INT64_MAX, bad);
	s->page.clock.ticks_hz = integer(o, "ticks_hz", INT64_MAX, bad);
	for (int i = 0; i < PAGE_FIELDS; i++) {
		const struct page_field *f = &page_fields[i];
		void *at = (char *)&s->page + f->offset;

		*(uint64_t *)at = integer(o, f->name, INT64_MAX, bad);
		if (json_object_get(o, f->name))
			s->page.valid |= f->valid;
	}
	for (; s->n_ledgers < n; s->n_ledgers++)
		read_ledger(json_array_get(vcpus, s->n_ledgers), &s->ledgers[s->n_ledgers], bad);
	return 0;
}

static int read_answer(const json_t *o, struct desched_snapshot *s)
{
	bool bad = false;
	int err;

	if (json_object_get(o, "error"))
		return -EREMOTEIO;
	if (!wire_is_snapshot(o))
		return -EPROTO;
	read_summary(o, s, &bad);
	err = read_cpus(json_object_get(o, "cpus"), s, &bad);
	if (!err)
		err = read_processes(json_object_get(o, "processes"), s, &bad);
	if (!err)
		err = read_page(json_object_get(o, "page"), s, &bad);
	return err ? err : bad ? -EPROTO : 0;
}

int snapshot_parse(const char *answer, size_t size, struct desched_snapshot **ret)
{
	struct desched_snapshot *s = calloc(1, sizeof(*s));
	json_t *o = NULL;
	int err = s ? wire_load(answer, size, &o) : -ENOMEM;

	if (!err)
		err = read_answer(o, s);
	else if (err != -ENOMEM)
		err = -EPROTO;
	json_decref(o);
	if (err) {
		desched_snapshot_free(s);
		return err;
	}
	*ret = s;
	return 0;
}

uint64_t snapshot_speed(const char *cpuinfo)
{
	const char *line = strstr(cpuinfo, "\ncpu MHz");
	const char *colon = line ? strchr(line, ':') : NULL;
	double mhz = colon ? strtod(colon + 1, NULL) : 0;

	return mhz > 0 && mhz < 1e6 ? (uint64_t)llround(mhz * 1e6) : 0;
}
