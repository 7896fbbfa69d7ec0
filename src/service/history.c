/* SPDX-License-Identifier: MIT */
#include "service/history.h"

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#define BLOCK  60			     /* samples */
#define BLOCKS (HISTORY_SAMPLES / BLOCK + 1) /* one of them is being filled */
#define TICKS  1024			     /* more than samples, as one may be of several ticks */

/* When ticks were: those of several histories are the same. */
struct history_clock {
	uint64_t n;			   /* ticks ever; the ring goes by it */
	uint64_t mono[TICKS], real[TICKS]; /* ns */
};

/* us of each sample: as long as all are small, 2 bytes of each. */
struct column {
	bool wide;
	union {
		uint16_t narrow[BLOCK];
		uint32_t wide[BLOCK];
	} us;
};

struct block {
	uint16_t ticks[BLOCK];	/* that each sample is long */
	struct column *cells[]; /* [things * figures]; NULL: 0 in all of them */
};

struct history {
	struct history_shape shape;
	const struct history_clock *clock;
	unsigned things;
	uint64_t total; /* samples ever; the rings go by it */
	bool begun;
	uint64_t tick;	/* of the clock's: where the last sample ended */
	uint64_t *sums; /* things * figures: as they were then */
	struct block *blocks[BLOCKS];
};

int history_clock_new(struct history_clock **ret)
{
	struct history_clock *c = calloc(1, sizeof(*c));

	if (!c)
		return -ENOMEM;
	*ret = c;
	return 0;
}

void history_clock_free(struct history_clock *c)
{
	free(c);
}

void history_tick(struct history_clock *c, uint64_t mono, uint64_t real)
{
	if (c->n && mono <= c->mono[(c->n - 1) % TICKS])
		return;
	c->mono[c->n % TICKS] = mono;
	c->real[c->n % TICKS] = real;
	c->n++;
}

static size_t n_cells(const struct history *h)
{
	return h->things * h->shape.n_figures;
}

int history_new(const struct history_shape *shape, unsigned things,
		const struct history_clock *clock, struct history **ret)
{
	struct history *h = calloc(1, sizeof(*h));

	if (!h)
		return -ENOMEM;
	h->shape = *shape;
	h->things = things;
	h->clock = clock;
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
	const struct column *c = block_of(h, sample)->cells[i];

	if (!c)
		return 0;
	return c->wide ? c->us.wide[sample % BLOCK] : c->us.narrow[sample % BLOCK];
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

/* Room for figures of that size. */
static struct column *new_column(bool wide)
{
	struct column *c = calloc(1, offsetof(struct column, us) +
					     (wide ? sizeof(c->us.wide) : sizeof(c->us.narrow)));

	if (c)
		c->wide = wide;
	return c;
}

static struct column *widen(struct column *narrow)
{
	struct column *c = new_column(true);

	for (unsigned i = 0; c && i < BLOCK; i++)
		c->us.wide[i] = narrow->us.narrow[i];
	if (c)
		free(narrow);
	return c;
}

static int put(struct block *b, size_t i, uint64_t sample, uint32_t us)
{
	bool wide = us > UINT16_MAX;
	struct column *c = b->cells[i];

	if (!us && !c)
		return 0;
	if (!c)
		c = new_column(wide);
	else if (wide && !c->wide)
		c = widen(c);
	if (!c)
		return -ENOMEM;
	b->cells[i] = c;
	if (c->wide)
		c->us.wide[sample % BLOCK] = us;
	else
		c->us.narrow[sample % BLOCK] = (uint16_t)us;
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

int history_add(struct history *h, history_sums_fn sums, const void *of)
{
	size_t n = h->shape.n_figures;
	uint64_t *now, tick = h->clock->n, length = tick - h->tick;
	int err;

	if (h->begun && !length)
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
	if (h->begun)
		block_of(h, h->total)->ticks[h->total % BLOCK] = (uint16_t)u64_min(length, TICKS);
	h->tick = tick;
	h->total += h->begun;
	h->begun = true;
	return 0;
}

/* ---- times ---- */

static uint64_t ticks_of(const struct history *h, uint64_t sample)
{
	return block_of(h, sample)->ticks[sample % BLOCK];
}

/* The first sample that is kept and whose beginning the clock still has; the tick of that is in *ret_tick. */
static uint64_t first_kept(const struct history *h, uint64_t *ret_tick)
{
	uint64_t oldest = u64_sub_floor(h->clock->n, TICKS), tick = h->tick, s = h->total;

	for (; s > u64_sub_floor(h->total, HISTORY_SAMPLES); s--) {
		if (tick < oldest + 1 + ticks_of(h, s - 1))
			break;
		tick -= ticks_of(h, s - 1);
	}
	*ret_tick = tick;
	return s;
}

static uint64_t mono_at(const struct history *h, uint64_t tick)
{
	return h->clock->mono[(tick - 1) % TICKS];
}

uint64_t history_peak(const struct history *h, unsigned i, size_t figure, uint64_t mono)
{
	uint64_t most = 0, tick, first = first_kept(h, &tick);

	tick = h->tick;
	for (uint64_t s = h->total; s > first && mono_at(h, tick) > mono; s--) {
		most = u64_max(most, cell(h, s - 1, i * h->shape.n_figures + figure));
		tick -= ticks_of(h, s - 1);
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

static void put_figures(const struct history *h, uint64_t first, unsigned thing, json_t *to)
{
	for (size_t i = 0; i < h->shape.n_figures; i++) {
		json_t *list = json_array();

		for (uint64_t s = first; s < h->total; s++)
			json_array_append_new(list, seconds_of(value(h, s, thing, i)));
		json_object_set_new(to, h->shape.figures[i], list);
	}
}

json_t *history_json(const struct history *h)
{
	json_t *times = json_array(), *seconds = json_array(), *things = json_array();
	uint64_t tick, first = first_kept(h, &tick);
	json_t *o = json_pack("{s:s, s:f}", "schema", h->shape.schema, "interval_s",
			      ns_to_s(HISTORY_INTERVAL));

	for (uint64_t s = first; s < h->total; s++) {
		uint64_t began = mono_at(h, tick);

		tick += ticks_of(h, s);
		json_array_append_new(times,
				      json_real(ns_to_s(h->clock->real[(tick - 1) % TICKS])));
		json_array_append_new(seconds, seconds_of((mono_at(h, tick) - began) / NS_PER_US));
	}
	json_object_set_new(o, "time_s", times);
	json_object_set_new(o, "seconds", seconds);
	put_figures(h, first, h->things, o);
	for (unsigned i = 0; i < h->things; i++) {
		json_t *of = json_pack("{s:i}", h->shape.thing, (int)i);

		put_figures(h, first, i, of);
		json_array_append_new(things, of);
	}
	json_object_set_new(o, h->shape.things, things);
	return o;
}
