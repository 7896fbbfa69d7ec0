/* SPDX-License-Identifier: MIT */
#include "service/history.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define BLOCK  60			     /* samples */
#define BLOCKS (HISTORY_SAMPLES / BLOCK + 1) /* one of them is being filled */

struct block {
	uint64_t real[BLOCK];	/* ns: when the sample ended */
	uint32_t length[BLOCK]; /* us */
	uint32_t *cells[];	/* [things * figures]: us of each sample; NULL: 0 in all of them */
};

struct history {
	struct history_shape shape;
	unsigned things;
	uint64_t total; /* samples ever; the rings go by it */
	bool begun;
	uint64_t mono;	/* ns, when the last sample ended */
	uint64_t *sums; /* things * figures: as they were then */
	struct block *blocks[BLOCKS];
};

static size_t n_cells(const struct history *h)
{
	return h->things * h->shape.n_figures;
}

int history_new(const struct history_shape *shape, unsigned things, struct history **ret)
{
	struct history *h = calloc(1, sizeof(*h));

	if (!h)
		return -ENOMEM;
	h->shape = *shape;
	h->things = things;
	h->sums = calloc(n_cells(h) + 1, sizeof(*h->sums));
	if (!h->sums) {
		history_free(h);
		return -ENOMEM;
	}
	*ret = h;
	return 0;
}

static void free_cells(const struct history *h, struct block *b)
{
	for (size_t i = 0; b && i < n_cells(h); i++) {
		free(b->cells[i]);
		b->cells[i] = NULL;
	}
}

void history_free(struct history *h)
{
	if (!h)
		return;
	for (size_t i = 0; i < BLOCKS; i++) {
		free_cells(h, h->blocks[i]);
		free(h->blocks[i]);
	}
	free(h->sums);
	free(h);
}

static struct block *block_of(const struct history *h, uint64_t sample)
{
	return h->blocks[sample / BLOCK % BLOCKS];
}

/* us of one figure of one thing in one sample. */
static uint32_t cell(const struct history *h, uint64_t sample, size_t i)
{
	const uint32_t *cells = block_of(h, sample)->cells[i];

	return cells ? cells[sample % BLOCK] : 0;
}

/* The block of the next sample; one of eleven minutes ago is used again. */
static struct block *next_block(struct history *h)
{
	struct block **b = &h->blocks[h->total / BLOCK % BLOCKS];

	if (!*b)
		*b = calloc(1, sizeof(**b) + n_cells(h) * sizeof((*b)->cells[0]));
	else if (h->total % BLOCK == 0)
		free_cells(h, *b);
	return *b;
}

static bool is_peak(const struct history *h, size_t i)
{
	return i % h->shape.n_figures >= h->shape.n_figures - h->shape.n_peaks;
}

/* Whole us, so that no part of a sum is lost between two samples. */
static uint32_t gained(const struct history *h, size_t i, uint64_t now)
{
	uint64_t before = is_peak(h, i) ? 0 : h->sums[i] / NS_PER_US;

	return (uint32_t)u64_min(now / NS_PER_US - before, UINT32_MAX);
}

static int put(struct block *b, size_t i, uint64_t sample, uint32_t us)
{
	if (!us && !b->cells[i])
		return 0;
	if (!b->cells[i])
		b->cells[i] = calloc(BLOCK, sizeof(*b->cells[i]));
	if (!b->cells[i])
		return -ENOMEM;
	b->cells[i][sample % BLOCK] = us;
	return 0;
}

static int put_all(struct history *h, const uint64_t *now)
{
	struct block *b = next_block(h);
	int err = b ? 0 : -ENOMEM;

	for (size_t i = 0; i < n_cells(h) && !err; i++)
		err = put(b, i, h->total, gained(h, i, now[i]));
	return err;
}

int history_add(struct history *h, history_sums_fn sums, const void *of, uint64_t mono,
		uint64_t real)
{
	size_t n = h->shape.n_figures;
	uint64_t *now, length = u64_sub_floor(mono, h->mono);
	int err;

	if (h->begun && mono <= h->mono)
		return 0;
	now = calloc(n_cells(h) + 1, sizeof(*now));
	if (!now)
		return -ENOMEM;
	for (unsigned i = 0; i < h->things; i++)
		sums(of, i, &now[i * n]);
	err = h->begun ? put_all(h, now) : 0;
	if (err) {
		free(now);
		return err;
	}
	free(h->sums);
	h->sums = now;
	if (h->begun) {
		struct block *b = block_of(h, h->total);

		b->real[h->total % BLOCK] = real;
		b->length[h->total % BLOCK] = (uint32_t)u64_min(length / NS_PER_US, UINT32_MAX);
	}
	h->mono = mono;
	h->total += h->begun;
	h->begun = true;
	return 0;
}

static uint64_t first_kept(const struct history *h)
{
	return u64_sub_floor(h->total, HISTORY_SAMPLES);
}

uint64_t history_peak(const struct history *h, unsigned i, size_t figure, uint64_t mono)
{
	uint64_t most = 0, end = h->mono;

	for (uint64_t s = h->total; s > first_kept(h) && end > mono; s--) {
		most = u64_max(most, cell(h, s - 1, i * h->shape.n_figures + figure));
		end -= block_of(h, s - 1)->length[(s - 1) % BLOCK] * NS_PER_US;
	}
	return most * NS_PER_US;
}

/* ---- JSON ---- */

/* Of one thing, or of all (thing == h->things). */
static uint64_t value(const struct history *h, uint64_t sample, unsigned thing, size_t figure)
{
	unsigned first = thing < h->things ? thing : 0;
	unsigned last = thing < h->things ? thing + 1 : h->things;
	uint64_t sum = 0;

	for (unsigned k = first; k < last; k++) {
		size_t i = k * h->shape.n_figures + figure;
		uint64_t us = cell(h, sample, i);

		sum = is_peak(h, i) ? u64_max(sum, us) : sum + us;
	}
	return sum;
}

static json_t *seconds_of(uint64_t us)
{
	return json_real((double)us / 1e6);
}

static void put_figures(const struct history *h, unsigned thing, json_t *to)
{
	for (size_t i = 0; i < h->shape.n_figures; i++) {
		json_t *list = json_array();

		for (uint64_t s = first_kept(h); s < h->total; s++)
			json_array_append_new(list, seconds_of(value(h, s, thing, i)));
		json_object_set_new(to, h->shape.figures[i], list);
	}
}

json_t *history_json(const struct history *h)
{
	json_t *times = json_array(), *seconds = json_array(), *things = json_array();
	json_t *o = json_pack("{s:s, s:f}", "schema", h->shape.schema, "interval_s",
			      ns_to_s(HISTORY_INTERVAL));

	for (uint64_t s = first_kept(h); s < h->total; s++) {
		const struct block *b = block_of(h, s);

		json_array_append_new(times, json_real(ns_to_s(b->real[s % BLOCK])));
		json_array_append_new(seconds, seconds_of(b->length[s % BLOCK]));
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
