/* SPDX-License-Identifier: MIT */
#include "data/processes.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define PAUSE 3 /* usual intervals: where more are missing, the value is about the last only */

/* Room for one more of them. NULL: no memory. */
static void *grow(void *list, size_t n, size_t *room, size_t size)
{
	size_t more = *room ? 2 * *room : 1024;
	void *grown;

	if (n < *room)
		return list;
	grown = reallocarray(list, more, size);
	if (grown)
		*room = more;
	return grown;
}

int processes_time(struct processes *p, double at)
{
	double *times;

	if (p->n_times && p->times[p->n_times - 1] == at)
		return 0;
	times = grow(p->times, p->n_times, &p->room_times, sizeof(*times));
	if (!times)
		return -ENOMEM;
	p->times = times;
	times[p->n_times++] = at;
	return 0;
}

int processes_spoil(struct processes *p, double at)
{
	double *spoilt = grow(p->spoilt, p->n_spoilt, &p->room_spoilt, sizeof(*spoilt));

	if (!spoilt)
		return -ENOMEM;
	p->spoilt = spoilt;
	spoilt[p->n_spoilt++] = at;
	return processes_time(p, at);
}

static int room_for_last(struct processes *p, uint32_t entity)
{
	while (entity >= p->room_last) {
		size_t before = p->room_last;
		double *last = grow(p->last, before, &p->room_last, sizeof(*last));

		if (!last)
			return -ENOMEM;
		p->last = last;
		for (size_t i = before; i < p->room_last; i++)
			last[i] = -INFINITY;
	}
	return 0;
}

/* Whether CPU time is to be taken: 1, 0 where it was counted instead, -ENOMEM. */
static int check_cpu(struct processes *p, struct out *out, const struct process_value *v, bool once)
{
	if (v->value < 0) {
		skips_count(&out->file.skips, SKIP_RANGE, NULL);
		return processes_spoil(p, v->at);
	}
	if (room_for_last(p, v->entity))
		return -ENOMEM;
	if (once && v->at == p->last[v->entity]) {
		skips_count(&out->file.skips, SKIP_DUPLICATE, NULL);
		return 0;
	}
	p->last[v->entity] = v->at;
	return 1;
}

int processes_value(struct processes *p, struct out *out, const struct process_value *v, bool once)
{
	int take = v->quantity == DATA_CPU ? check_cpu(p, out, v, once) : 1;
	struct process_value *values;

	if (take <= 0)
		return take;
	values = grow(p->values, p->n, &p->room, sizeof(*values));
	if (!values)
		return -ENOMEM;
	p->values = values;
	values[p->n++] = *v;
	return processes_time(p, v->at);
}

int processes_cut(struct processes *p, const struct input *in, struct out *out)
{
	if (!p->n || !in->size || strchr("\r\n", in->text[in->size - 1]))
		return 0;
	skips_count(&out->file.skips, SKIP_CUT, NULL);
	return processes_spoil(p, p->values[p->n - 1].at);
}

/* ---- samples ---- */

static int by_number(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static void sort_times(struct processes *p)
{
	size_t kept = 0;

	if (p->n_times)
		qsort(p->times, p->n_times, sizeof(*p->times), by_number);
	for (size_t i = 0; i < p->n_times; i++)
		if (!kept || p->times[i] > p->times[kept - 1])
			p->times[kept++] = p->times[i];
	p->n_times = kept;
}

/* The median; NaN: there is no interval. -ENOMEM. */
static int usual_interval(const struct processes *p, double *ret)
{
	size_t n = p->n_times ? p->n_times - 1 : 0;
	double *lengths = calloc(n + 1, sizeof(*lengths));

	if (!lengths)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++)
		lengths[i] = p->times[i + 1] - p->times[i];
	qsort(lengths, n, sizeof(*lengths), by_number);
	*ret = n ? lengths[n / 2] : NAN;
	free(lengths);
	return 0;
}

/* When the interval began that ended at `at`, which is one of the times. */
static double began(const struct processes *p, double at, double usual)
{
	const double *time = bsearch(&at, p->times, p->n_times, sizeof(at), by_number);

	if (!time || time == p->times || at - time[-1] > PAUSE * usual)
		return at - usual;
	return time[-1];
}

static bool is_spoilt(const struct processes *p, const struct process_value *v)
{
	return v->quantity == DATA_CPU && p->n_spoilt &&
	       bsearch(&v->at, p->spoilt, p->n_spoilt, sizeof(v->at), by_number);
}

static int emit(const struct processes *p, const struct process_value *v, double usual,
		struct out *out)
{
	const struct out_span span = {began(p, v->at, usual), v->at, v->run};
	double length = data_quantities[v->quantity].level ? 1 : span.to - span.from;

	return out_sample(out, v->entity, v->quantity, &span, v->value * length);
}

int processes_to_samples(struct processes *p, struct out *out)
{
	double usual;
	int err;

	sort_times(p);
	if (p->n_spoilt)
		qsort(p->spoilt, p->n_spoilt, sizeof(*p->spoilt), by_number);
	err = usual_interval(p, &usual);
	for (size_t i = 0; i < p->n && p->n_times > 1 && !err; i++)
		if (!is_spoilt(p, &p->values[i]))
			err = emit(p, &p->values[i], usual, out);
	return err;
}

void processes_done(struct processes *p)
{
	free(p->values);
	free(p->times);
	free(p->last);
	free(p->spoilt);
	*p = (struct processes){.n = 0};
}
