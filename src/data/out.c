/* SPDX-License-Identifier: MIT */
#include "data/out.h"

#include "base/cleanup.h"
#include "base/hash.h"
#include "base/units.h"

#include <desched/ledger.h>

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Running out of memory is a result, not the end of the program. */

#define ENTITIES_MAX (1u << 20)
#define TIME_MAX     1e11 /* seconds: three thousand years */
#define VALUE_MAX    1e18
#define CLOCK_SLACK  2 /* s: times of whole seconds, which are late */
#define SECONDS_MAX  1e12

const struct out_ledger_state out_ledger_states[OUT_STATES] = {
	{LEDGER_RUN, DATA_CPU},		  {LEDGER_READY, DATA_READY},
	{LEDGER_COSTOP, DATA_COSTOP},	  {LEDGER_LIMITED, DATA_LIMITED},
	{LEDGER_SWAPWAIT, DATA_SWAPWAIT},
};

struct out_entity {
	uint32_t number;
	enum data_kind kind;
	bool wanted;
	unsigned cpus;
	void *state;
	UT_hash_handle hh;
	char key[]; /* kind and owner, name, NUL, id, NUL */
};

#define KEY_HEAD 9 /* one digit, eight of the owner's number */

void out_init(struct out *o, const struct data_sink *sink, const struct data_options *options,
	      const char *path, struct failure *f)
{
	*o = (struct out){.sink = sink, .options = options, .path = path, .f = f};
}

void out_done(struct out *o)
{
	struct out_entity *x, *next;

	HASH_ITER (hh, o->by_key, x, next) {
		HASH_DEL(o->by_key, x);
		free(x->state);
		free(x);
	}
	free(o->entities);
	free(o->key);
	o->entities = NULL;
	o->key = NULL;
	o->n = 0;
}

/* ---- entities ---- */

/* The key of the entity in o->key. Returns its size, 0: no memory. */
static size_t make_key(struct out *o, const struct data_entity *e)
{
	size_t name = strlen(e->name) + 1, id = strlen(e->id) + 1, size = KEY_HEAD + name + id;
	uint32_t owner = e->owner;

	if (size > o->key_size) {
		char *key = realloc(o->key, 2 * size);

		if (!key)
			return 0;
		o->key = key;
		o->key_size = 2 * size;
	}
	o->key[0] = (char)('0' + e->kind);
	for (int i = 1; i < KEY_HEAD; i++, owner >>= 4)
		o->key[i] = (char)('a' + (owner & 15));
	memcpy(o->key + KEY_HEAD, e->name, name);
	memcpy(o->key + KEY_HEAD + name, e->id, id);
	return size;
}

static int grow(struct out *o)
{
	size_t room = o->n ? 2 * o->n : 64;
	struct out_entity **list;

	/* Full when the number of entities is a power of two, from 64 on. */
	if (o->n && (o->n < 64 || (o->n & (o->n - 1))))
		return 0;
	list = reallocarray(o->entities, room, sizeof(struct out_entity *));
	if (!list)
		return -ENOMEM;
	o->entities = list;
	return 0;
}

/* NULL: no memory. */
static struct out_entity *add(struct out *o, size_t size)
{
	struct out_entity *x = grow(o) ? NULL : calloc(1, sizeof(*x) + size);

	if (!x)
		return NULL;
	memcpy(x->key, o->key, size);
	x->number = (uint32_t)o->n;
	HASH_ADD(hh, o->by_key, key, (unsigned)size, x);
	if (!x->hh.tbl) {
		free(x);
		return NULL;
	}
	o->entities[o->n++] = x;
	return x;
}

/* The sink sees names and ids that stay where they are. */
static int announce(struct out *o, struct out_entity *x, const struct data_entity *e)
{
	const char *name = x->key + KEY_HEAD;
	const struct data_entity kept = {e->kind, e->owner, name, name + strlen(name) + 1};
	int wanted = o->sink->entity(o->sink->of, x->number, &kept);

	x->wanted = wanted > 0;
	return wanted;
}

int out_find(struct out *o, const struct data_entity *e, uint32_t *ret)
{
	size_t size = make_key(o, e);
	struct out_entity *x = NULL;

	if (!size)
		return -ENOMEM;
	HASH_FIND(hh, o->by_key, o->key, (unsigned)size, x);
	if (x)
		*ret = x->number;
	return x != NULL;
}

int out_entity(struct out *o, const struct data_entity *e, uint32_t *ret)
{
	int wanted, there = out_find(o, e, ret);
	struct out_entity *x;

	if (there)
		return there < 0 ? there : o->entities[*ret]->wanted;
	if (o->n >= ENTITIES_MAX)
		return -E2BIG;
	x = add(o, KEY_HEAD + strlen(e->name) + strlen(e->id) + 2);
	if (!x)
		return -ENOMEM;
	x->kind = e->kind;
	wanted = announce(o, x, e);
	*ret = x->number;
	return wanted;
}

int out_vcpu(struct out *o, uint32_t vm, size_t index, uint32_t *ret)
{
	struct data_entity e = {DATA_KIND_VCPU, vm, "", ""};
	char name[24];

	snprintf(name, sizeof(name), "%zu", index);
	e.name = name;
	return out_entity(o, &e, ret);
}

void out_set_cpus(struct out *o, uint32_t entity, unsigned n)
{
	o->entities[entity]->cpus = n;
}

unsigned out_own_cpus(const struct out *o, uint32_t entity)
{
	return o->entities[entity]->cpus;
}

unsigned out_cpus(const struct out *o, uint32_t entity)
{
	return o->options->cpus ? o->options->cpus : o->entities[entity]->cpus;
}

void out_end(struct out *o)
{
	for (size_t i = 0; i < o->n && o->sink->cpus; i++)
		if (o->entities[i]->wanted && o->entities[i]->cpus)
			o->sink->cpus(o->sink->of, (uint32_t)i, o->entities[i]->cpus);
}

/* ---- states ---- */

void *out_state(struct out *o, uint32_t entity, size_t size)
{
	struct out_entity *x = o->entities[entity];

	if (!x->state)
		x->state = calloc(1, size);
	return x->state;
}

void *out_state_of(const struct out *o, uint32_t entity)
{
	return o->entities[entity]->state;
}

void out_forget(struct out *o, void (*done)(void *state))
{
	for (size_t i = 0; i < o->n; i++) {
		struct out_entity *x = o->entities[i];

		if (x->state && done)
			done(x->state);
		free(x->state);
		x->state = NULL;
	}
}

/* ---- samples ---- */

bool out_takes(const struct out *o, enum data_quantity quantity)
{
	return o->sink->quantities & DATA_BIT(quantity);
}

/* The most that a CPU can be said to have done in an interval: as its ends may be seconds off, and
 * esxtop counts turbo frequencies, twice as much as there was. Infinite for what isn't of CPUs. */
static double most_time(const struct out *o, uint32_t entity, double seconds)
{
	const struct out_entity *x = o->entities[entity];
	bool one = x->kind == DATA_KIND_CPU || x->kind == DATA_KIND_VCPU;
	unsigned cpus = one ? 1 : x->kind == DATA_KIND_VM ? x->cpus : 0;

	return cpus ? cpus * (2 * seconds + CLOCK_SLACK) : INFINITY;
}

int out_sample(struct out *o, uint32_t entity, enum data_quantity quantity,
	       const struct out_span *span, double value)
{
	/* Written so that a NaN fails. */
	bool timed = span->from >= -TIME_MAX && span->from < span->to && span->to <= TIME_MAX;
	bool seconds = data_quantities[quantity].unit[0] == 's';
	double most = seconds ? SECONDS_MAX : VALUE_MAX;
	/* 0 is added as "-0" isn't a number to print. */
	struct data_sample s = {entity, quantity, span->run, span->from, span->to, value + 0.0};

	if (!out_takes(o, quantity) || !o->entities[entity]->wanted)
		return 0;
	if (!(timed && value >= 0 && value <= most)) {
		skips_count(&o->file.skips, value < 0 ? SKIP_BACKWARDS : SKIP_RANGE, NULL);
		s.value = NAN;
	} else if (seconds && value > most_time(o, entity, span->to - span->from)) {
		skips_count(&o->file.skips, SKIP_TOO_MUCH, NULL);
		s.value = NAN;
	}
	if (!timed)
		return 0;
	o->file.samples++;
	return o->sink->sample(o->sink->of, &s);
}

int out_mean_cpu(struct out *o, uint32_t entity, const struct out_span *span, double mean)
{
	unsigned cpus = out_cpus(o, entity);

	return cpus ? out_sample(o, entity, DATA_CPU, span, mean * cpus)
		    : out_sample(o, entity, DATA_CPU_SHARE, span, mean);
}
