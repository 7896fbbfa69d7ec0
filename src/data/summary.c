/* SPDX-License-Identifier: MIT */
#include "data/summary.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static int take_entity(void *of, uint32_t number, const struct data_entity *e)
{
	struct summary *s = of;
	struct summary_entity x = {.e = *e};

	if (number >= s->room) {
		size_t room = s->room ? 2 * s->room : 64;
		struct summary_entity *list = reallocarray(s->entities, room, sizeof(*list));

		if (!list)
			return -ENOMEM;
		s->entities = list;
		s->room = room;
	}
	x.e.name = strdup(e->name);
	x.e.id = strdup(e->id);
	s->entities[number] = x;
	s->n = number + 1u;
	return x.e.name && x.e.id ? 1 : -ENOMEM;
}

static struct summary_series *series_of(struct summary *s, const struct data_sample *sample)
{
	struct summary_series **at = &s->entities[sample->entity].series[sample->quantity];

	if (!*at)
		*at = calloc(1, sizeof(**at));
	return *at;
}

static int take_sample(void *of, const struct data_sample *sample)
{
	struct summary_series *x = series_of(of, sample);
	double length = sample->to - sample->from;

	if (!x)
		return -ENOMEM;
	x->from = x->n ? fmin(x->from, sample->from) : sample->from;
	x->to = x->n ? fmax(x->to, sample->to) : sample->to;
	x->n++;
	if (isnan(sample->value)) {
		x->unclear++;
		return 0;
	}
	x->covered += length;
	x->sum += data_quantities[sample->quantity].level ? sample->value * length : sample->value;
	x->most = fmax(x->most, sample->value);
	return 0;
}

static void take_cpus(void *of, uint32_t entity, unsigned n)
{
	const struct summary *s = of;

	s->entities[entity].cpus = n;
}

struct data_sink summary_sink(struct summary *s)
{
	return (struct data_sink){s, DATA_ALL, take_entity, take_sample, take_cpus};
}

void summary_done(struct summary *s)
{
	for (size_t i = 0; i < s->n; i++) {
		free((char *)s->entities[i].e.name);
		free((char *)s->entities[i].e.id);
		for (int q = 0; q < DATA_QUANTITIES; q++)
			free(s->entities[i].series[q]);
	}
	free(s->entities);
	*s = (struct summary){.n = 0};
}

double summary_mean(const struct summary_series *s)
{
	return s->covered > 0 ? s->sum / s->covered : NAN;
}

double summary_step(const struct summary_series *s)
{
	return s->n > s->unclear ? s->covered / (double)(s->n - s->unclear) : s->to - s->from;
}
