/* SPDX-License-Identifier: MIT */
#include "vmdesched/history.h"

#include "base/units.h"

#include <errno.h>
#include <stdlib.h>

struct cell {
	uint64_t busy, away, idle_away, unaccounted, idle_unaccounted; /* ns */
};

struct instant {
	uint64_t real, seconds; /* ns: when the sample ended, how long it was */
};

struct history {
	unsigned n_cpus;
	uint64_t total; /* samples ever; the rings go by it */
	bool begun;
	uint64_t mono;	    /* ns, when the last sample ended */
	struct cell *sums;  /* n_cpus: the account's sums then */
	struct cell *cells; /* HISTORY_SAMPLES * n_cpus */
	struct instant at[HISTORY_SAMPLES];
};

int history_new(unsigned n_cpus, struct history **ret)
{
	struct history *h = calloc(1, sizeof(*h));

	if (!h)
		return -ENOMEM;
	h->n_cpus = n_cpus;
	h->sums = calloc(n_cpus, sizeof(*h->sums));
	h->cells = calloc((size_t)n_cpus * HISTORY_SAMPLES, sizeof(*h->cells));
	if (!h->sums || !h->cells) {
		history_free(h);
		return -ENOMEM;
	}
	*ret = h;
	return 0;
}

void history_free(struct history *h)
{
	if (!h)
		return;
	free(h->sums);
	free(h->cells);
	free(h);
}

static struct cell *cell(const struct history *h, uint64_t sample, unsigned cpu)
{
	return &h->cells[sample % HISTORY_SAMPLES * h->n_cpus + cpu];
}

void history_add(struct history *h, const struct account *a, uint64_t mono, uint64_t real)
{
	uint64_t n = h->total % HISTORY_SAMPLES;

	if (h->begun && mono <= h->mono)
		return;
	for (unsigned cpu = 0; cpu < h->n_cpus; cpu++) {
		const struct account_cpu *c = &a->cpus[cpu];
		struct cell now = {c->busy.occupied, amounts_away(&c->busy), amounts_away(&c->idle),
				   c->busy.unaccounted, c->idle.unaccounted};
		struct cell *old = &h->sums[cpu];

		*cell(h, h->total, cpu) = (struct cell){
			now.busy - old->busy, now.away - old->away, now.idle_away - old->idle_away,
			now.unaccounted - old->unaccounted,
			now.idle_unaccounted - old->idle_unaccounted};
		*old = now;
	}
	h->at[n] = (struct instant){real, u64_sub_floor(mono, h->mono)};
	h->mono = mono;
	h->total += h->begun;
	h->begun = true;
}

/* One figure of one CPU, or of all (cpu == n_cpus), as a list over the samples. */
static json_t *series(const struct history *h, unsigned cpu, size_t figure)
{
	unsigned first = cpu < h->n_cpus ? cpu : 0, last = cpu < h->n_cpus ? cpu + 1 : h->n_cpus;
	json_t *list = json_array();

	for (uint64_t i = u64_sub_floor(h->total, HISTORY_SAMPLES); i < h->total; i++) {
		uint64_t sum = 0;

		for (unsigned c = first; c < last; c++)
			sum += *(const uint64_t *)((const char *)cell(h, i, c) + figure);
		json_array_append_new(list, json_real(ns_to_s(sum)));
	}
	return list;
}

static void put_figures(const struct history *h, unsigned cpu, json_t *to)
{
	json_object_set_new(to, "busy_s", series(h, cpu, offsetof(struct cell, busy)));
	json_object_set_new(to, "vmdesched_s", series(h, cpu, offsetof(struct cell, away)));
	json_object_set_new(to, "idle_vmdesched_s",
			    series(h, cpu, offsetof(struct cell, idle_away)));
	json_object_set_new(to, "unaccounted_s",
			    series(h, cpu, offsetof(struct cell, unaccounted)));
	json_object_set_new(to, "idle_unaccounted_s",
			    series(h, cpu, offsetof(struct cell, idle_unaccounted)));
}

json_t *history_json(const struct history *h)
{
	json_t *times = json_array(), *seconds = json_array(), *cpus = json_array();
	json_t *o = json_pack("{s:s, s:f}", "schema", "desched-history/2", "interval_s",
			      ns_to_s(HISTORY_INTERVAL));

	for (uint64_t i = u64_sub_floor(h->total, HISTORY_SAMPLES); i < h->total; i++) {
		const struct instant *at = &h->at[i % HISTORY_SAMPLES];

		json_array_append_new(times, json_real(ns_to_s(at->real)));
		json_array_append_new(seconds, json_real(ns_to_s(at->seconds)));
	}
	json_object_set_new(o, "time_s", times);
	json_object_set_new(o, "seconds", seconds);
	put_figures(h, h->n_cpus, o);
	for (unsigned cpu = 0; cpu < h->n_cpus; cpu++) {
		json_t *of = json_pack("{s:i}", "cpu", (int)cpu);

		put_figures(h, cpu, of);
		json_array_append_new(cpus, of);
	}
	json_object_set_new(o, "cpus", cpus);
	return o;
}
