/* SPDX-License-Identifier: MIT */
/*
 * A made-up world, the file that a writer makes of it, and what that must come to: every sample of
 * every entity, once, and nothing else. Nothing is shared with the importers.
 */
#ifndef DATA_WORLD_H
#define DATA_WORLD_H

#include "data/data.h"

#include "base/units.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#define START 1767648000 /* 2026-01-05 21:20:00 UTC: some worlds pass midnight */
#define MIB_D 1048576.0

/* ---- the file, and what it must come to ---- */

struct expected {
	enum data_kind kind;
	/* The owner by its id, or its name where it has none. */
	char owner[64], name[64], id[64];
	enum data_quantity quantity;
	double from, to, value;
	bool seen;
};

struct world {
	uint64_t dice;			 /* what a figure is depends on this and on its place */
	unsigned n, step, owners, parts; /* intervals, seconds, machines or VMs, of each */
	char text[1 << 20];
	size_t size;
	struct expected *expected;
	size_t n_expected;
};

static void put(struct world *w, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void put(struct world *w, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	w->size += (size_t)vsnprintf(w->text + w->size, sizeof(w->text) - w->size, format, ap);
	va_end(ap);
	assert_true(w->size < sizeof(w->text));
}

/* A figure of the world: 1 to `most`, always the same for the same place. */
static unsigned figure(const struct world *w, unsigned owner, unsigned part, unsigned what,
		       unsigned t, unsigned most)
{
	uint64_t x = w->dice + owner * 0x9e3779b97f4a7c15u + part * 0xbf58476d1ce4e5b9u +
		     what * 0x94d049bb133111ebu + t * 0xd6e8feb86659fd93u;

	x ^= x >> 32;
	x *= 0xd6e8feb86659fd93u;
	x ^= x >> 32;
	x *= 0xd6e8feb86659fd93u;
	x ^= x >> 32;
	return 1 + (unsigned)(x % most);
}

static double time_of(const struct world *w, unsigned t)
{
	return START + (double)t * w->step;
}

/* Interval `t` ends at time_of(t). */
static struct expected *expect(struct world *w, enum data_kind kind, enum data_quantity quantity,
			       unsigned t, double value)
{
	struct expected *x;

	w->expected = reallocarray(w->expected, w->n_expected + 1, sizeof(*x));
	assert_non_null(w->expected);
	x = &w->expected[w->n_expected++];
	*x = (struct expected){.kind = kind,
			       .quantity = quantity,
			       .from = time_of(w, t - 1),
			       .to = time_of(w, t),
			       .value = value};
	return x;
}

static void name_it(struct expected *x, const char *owner, const char *name, const char *id)
{
	snprintf(x->owner, sizeof(x->owner), "%s", owner);
	snprintf(x->name, sizeof(x->name), "%s", name);
	snprintf(x->id, sizeof(x->id), "%s", id);
}

/* ---- what was read ---- */

#define ENTITIES 512

struct reader {
	struct world *w;
	struct data_entity entities[ENTITIES];
	uint32_t n;
	size_t last; /* of those that are expected */
};

static int take_entity(void *of, uint32_t number, const struct data_entity *e)
{
	struct reader *r = of;

	assert_int_equal(number, r->n);
	assert_true(number < ENTITIES);
	assert_true(e->owner == DATA_NONE || e->owner < number);
	r->entities[r->n++] = *e;
	return 1;
}

static bool is_it(const struct reader *r, const struct data_sample *s, const struct expected *x)
{
	const struct data_entity *e = &r->entities[s->entity];
	const struct data_entity *o = e->owner == DATA_NONE ? NULL : &r->entities[e->owner];
	const char *owner = !o ? "" : o->id[0] ? o->id : o->name;

	return x->kind == e->kind && x->quantity == s->quantity && !strcmp(x->owner, owner) &&
	       !strcmp(x->name, e->name) && !strcmp(x->id, e->id) && fabs(x->to - s->to) < 1e-3 &&
	       fabs(x->from - s->from) < 1e-3;
}

static int take_sample(void *of, const struct data_sample *s)
{
	struct reader *r = of;
	const struct data_entity *e = &r->entities[s->entity];

	/* They come in some order: the next one is mostly near the last. */
	for (size_t i = 0; i < r->w->n_expected; i++) {
		size_t at = (r->last + i) % r->w->n_expected;
		struct expected *x = &r->w->expected[at];

		if (!is_it(r, s, x))
			continue;
		if (x->seen || !(fabs(s->value - x->value) <= 1e-6 * (1 + x->value)))
			fail_msg("%s '%s' (%s) %s at %.0f: %.9g, not %.9g%s",
				 data_kind_name(e->kind), e->name, e->id,
				 data_quantities[s->quantity].name, s->to, s->value, x->value,
				 x->seen ? ", a second time" : "");
		x->seen = true;
		r->last = at;
		return 0;
	}
	fail_msg("%s '%s' (%s) %s from %.3f to %.3f: not in the world", data_kind_name(e->kind),
		 e->name, e->id, data_quantities[s->quantity].name, s->from, s->to);
	return 0;
}

static void judge(struct world *w, uint64_t quantities, const char *format)
{
	struct reader r = {.w = w};
	const struct data_sink sink = {&r, quantities, take_entity, take_sample, NULL};
	const struct data_options o = {.side = DATA_ANY};
	struct data_file file;
	struct failure f = {""};

	for (size_t i = 0; i < w->n_expected; i++)
		w->expected[i].seen = false;
	if (data_parse(w->text, w->size, &o, &sink, "file", &f, &file))
		fail_msg("%s: %s\n%.400s", format, f.text, w->text);
	assert_string_equal(file.format, format);
	if (skips_lost(&file.skips)) {
		char text[300];

		skips_describe(&file.skips, text, sizeof(text));
		fail_msg("%s: left out: %s", format, text);
	}
	for (size_t i = 0; i < w->n_expected; i++) {
		const struct expected *x = &w->expected[i];

		if (!x->seen && (quantities & DATA_BIT(x->quantity)))
			fail_msg("%s: %s '%s' (%s) %s at %.0f is missing", format,
				 data_kind_name(x->kind), x->name, x->id,
				 data_quantities[x->quantity].name, x->to);
	}
}

/* For all quantities, and for each alone: nothing depends on what else is wanted. */
static void judge_all(struct world *w, const char *format)
{
	uint64_t there = 0;

	judge(w, DATA_ALL, format);
	for (size_t i = 0; i < w->n_expected; i++)
		there |= DATA_BIT(w->expected[i].quantity);
	for (int q = 0; q < DATA_QUANTITIES; q++)
		if (there & DATA_BIT(q))
			judge(w, DATA_BIT(q), format);
}

typedef void (*write_fn)(struct world *w);

static void try_worlds(write_fn write, const char *format)
{
	static struct world w;

	for (unsigned seed = 1; seed <= 6; seed++) {
		w = (struct world){.dice = seed * 0x2545f4914f6cdd1du,
				   .n = 2 + seed * 2,
				   .step = seed % 2 ? 5 : 300,
				   .owners = 1 + seed % 3,
				   .parts = 1 + seed % 4};
		/* Across midnight. */
		if (seed == 6)
			w.n = 40;
		write(&w);
		judge_all(&w, format);
		free(w.expected);
	}
}

static void clock_text(double at, const char *format, char *ret, size_t size)
{
	time_t time = (time_t)at;
	struct tm tm;

	assert_non_null(gmtime_r(&time, &tm));
	assert_true(strftime(ret, size, format, &tm) > 0);
}

/* What figures are of, so that each has dice of its own. */
enum { W_RUN, W_READY, W_COSTOP, W_MEMORY, W_READ, W_SENT, W_OTHER };

/* Seconds of an interval, of hundredths of a percent of one CPU. */
static double percent_seconds(const struct world *w, unsigned hundredths)
{
	return hundredths / 1e4 * w->step;
}

#endif
