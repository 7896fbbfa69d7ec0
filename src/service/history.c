/* SPDX-License-Identifier: MIT */
#include "service/history.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>

struct instant {
	uint64_t real, seconds; /* ns: when the sample ended, how long it was */
};

struct history {
	struct history_shape shape;
	unsigned things;
	uint64_t total; /* samples ever; the rings go by it */
	bool begun;
	uint64_t mono;	 /* ns, when the last sample ended */
	uint64_t *sums;	 /* things * figures: as they were then */
	uint64_t *cells; /* HISTORY_SAMPLES * things * figures */
	struct instant at[HISTORY_SAMPLES];
};

int history_new(const struct history_shape *shape, unsigned things, struct history **ret)
{
	struct history *h = calloc(1, sizeof(*h));
	size_t row = things * shape->n_figures;

	if (!h)
		return -ENOMEM;
	h->shape = *shape;
	h->things = things;
	h->sums = calloc(row, sizeof(*h->sums));
	h->cells = calloc(row * HISTORY_SAMPLES, sizeof(*h->cells));
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

/* The figures of one thing in one sample. */
static uint64_t *cell(const struct history *h, uint64_t sample, unsigned thing)
{
	return &h->cells[(sample % HISTORY_SAMPLES * h->things + thing) * h->shape.n_figures];
}

void history_add(struct history *h, history_sums_fn sums, const void *of, uint64_t mono,
		 uint64_t real)
{
	size_t n = h->shape.n_figures;

	if (h->begun && mono <= h->mono)
		return;
	for (unsigned i = 0; i < h->things; i++) {
		uint64_t now[HISTORY_FIGURES_MAX] = {0}, *to = cell(h, h->total, i);

		sums(of, i, now);
		for (size_t k = 0; k < n; k++) {
			to[k] = now[k] - h->sums[i * n + k];
			h->sums[i * n + k] = now[k];
		}
	}
	h->at[h->total % HISTORY_SAMPLES] = (struct instant){real, u64_sub_floor(mono, h->mono)};
	h->mono = mono;
	h->total += h->begun;
	h->begun = true;
}

/* One figure of one thing, or of all (thing == h->things), as a list over the samples. */
static json_t *series(const struct history *h, unsigned thing, size_t figure)
{
	unsigned first = thing < h->things ? thing : 0;
	unsigned last = thing < h->things ? thing + 1 : h->things;
	json_t *list = json_array();

	for (uint64_t i = u64_sub_floor(h->total, HISTORY_SAMPLES); i < h->total; i++) {
		uint64_t sum = 0;

		for (unsigned k = first; k < last; k++)
			sum += cell(h, i, k)[figure];
		json_array_append_new(list, json_real(ns_to_s(sum)));
	}
	return list;
}

static void put_figures(const struct history *h, unsigned thing, json_t *to)
{
	for (size_t i = 0; i < h->shape.n_figures; i++)
		json_object_set_new(to, h->shape.figures[i], series(h, thing, i));
}

json_t *history_json(const struct history *h)
{
	json_t *times = json_array(), *seconds = json_array(), *things = json_array();
	json_t *o = json_pack("{s:s, s:f}", "schema", h->shape.schema, "interval_s",
			      ns_to_s(HISTORY_INTERVAL));

	for (uint64_t i = u64_sub_floor(h->total, HISTORY_SAMPLES); i < h->total; i++) {
		const struct instant *at = &h->at[i % HISTORY_SAMPLES];

		json_array_append_new(times, json_real(ns_to_s(at->real)));
		json_array_append_new(seconds, json_real(ns_to_s(at->seconds)));
	}
	json_object_set_new(o, "time_s", times);
	json_object_set_new(o, "seconds", seconds);
	put_figures(h, h->things, o);
	for (unsigned i = 0; i < h->things; i++) {
		json_t *of = json_pack("{s:i}", h->shape.thing, (int)i);

		put_figures(h, i, of);
		json_array_append_new(things, of);
	}
	json_object_set_new(o, h->shape.things, things);
	return o;
}
