/* SPDX-License-Identifier: MIT */
/*
 * All that importers find in a hostile file: samples of entities that were announced, with times and
 * values that data.h promises. fuzz_correct.c has what one consumer makes of them.
 */
#include "fuzz.h"

#include "data/data.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

struct seen {
	uint32_t n; /* entities */
	bool *wanted;
	uint64_t samples;
};

static int take_entity(void *of, uint32_t number, const struct data_entity *e)
{
	struct seen *s = of;

	CHECK(number == s->n && e->name && e->id && e->kind < DATA_KINDS);
	CHECK(e->owner == DATA_NONE || (e->owner < number && s->wanted[e->owner]));
	s->wanted = realloc(s->wanted, number + 1u);
	CHECK(s->wanted);
	/* Every fifth isn't wanted. */
	s->wanted[number] = number % 5 != 4;
	s->n++;
	return s->wanted[number];
}

static int take_sample(void *of, const struct data_sample *sample)
{
	struct seen *s = of;

	CHECK(sample->entity < s->n && s->wanted[sample->entity]);
	CHECK(sample->quantity < DATA_QUANTITIES && sample->from < sample->to);
	CHECK(isfinite(sample->from) && isfinite(sample->to));
	CHECK(isnan(sample->value) || (sample->value >= 0 && isfinite(sample->value)));
	s->samples++;
	return 0;
}

static void take_cpus(void *of, uint32_t entity, unsigned n)
{
	const struct seen *s = of;

	CHECK(entity < s->n && s->wanted[entity] && n);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *text = (const char *)data;

	for (int side = DATA_ANY; side <= DATA_HOST; side++) {
		const struct data_options o = {.side = (enum data_side)side};
		struct seen s = {.n = 0};
		const struct data_sink sink = {&s, DATA_ALL, take_entity, take_sample, take_cpus};
		struct failure f = {""};
		struct data_file file;

		if (!data_parse(text, size, &o, &sink, "file", &f, &file))
			CHECK(file.samples == s.samples && file.format);
		else
			CHECK(f.text[0] && !strchr(f.text, '\n'));
		free(s.wanted);
	}
	return 0;
}
