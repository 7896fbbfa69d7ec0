/* SPDX-License-Identifier: MIT */
/* What a VM or a machine wanted, from a file of figures that src/data reads: the CPU time that it had
 * and that it waited for, in steps of the same length. */
#include "base/cleanup.h"
#include "data/data.h"
#include "sim/demand.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define BLUR 0.05 /* by which an interval may have more than the vCPUs can use, at its borders */

struct span {
	double from, to, value;
	bool cpu;
};

struct recorded {
	const char *path, *name;
	unsigned long number; /* among the VMs and machines of the file, from 1 on; 0: by name */
	struct failure *f;
	unsigned long seen; /* of these */
	uint32_t entity;
	struct span *spans;
	size_t n, room;
	uint32_t run;
	double shift, end; /* seconds: runs follow each other */
};

static int on_entity(void *of, uint32_t number, const struct data_entity *e)
{
	struct recorded *r = of;
	bool whole = e->kind == DATA_KIND_VM || e->kind == DATA_KIND_MACHINE ||
		     e->kind == DATA_KIND_GROUP;

	if (!whole || e->owner != DATA_NONE)
		return 0;
	r->seen++;
	if (r->number ? r->seen != r->number : strcmp(e->name, r->name) && strcmp(e->id, r->name))
		return 0;
	if (r->entity != DATA_NONE)
		return failure_set(r->f, -EINVAL,
				   "%s: more than one is called %s; give its id or number", r->path,
				   r->name);
	r->entity = number;
	return 1;
}

static int on_sample(void *of, const struct data_sample *s)
{
	struct recorded *r = of;

	if (s->entity != r->entity || isnan(s->value))
		return 0;
	if (r->n == r->room) {
		size_t room = r->room ? 2 * r->room : 1024;
		struct span *bigger = realloc(r->spans, room * sizeof(*bigger));

		if (!bigger)
			return failure_errno(r->f, -ENOMEM, "%s", r->path);
		r->spans = bigger;
		r->room = room;
	}
	if (r->n && s->run != r->run)
		r->shift = r->end - s->from;
	r->run = s->run;
	r->end = fmax(r->end, s->to + r->shift);
	if (!r->n)
		r->end = s->to;
	r->spans[r->n++] = (struct span){.from = s->from + r->shift,
					 .to = s->to + r->shift,
					 .value = s->value,
					 .cpu = s->quantity == DATA_CPU};
	return 0;
}

/* Divides spans among the steps that they touch; `covered` are the seconds of each that are known. */
static void spread(const struct recorded *r, double start, double step, uint32_t n, float *values,
		   float *covered)
{
	for (size_t k = 0; k < r->n; k++) {
		const struct span *s = &r->spans[k];
		double from = (s->from - start) / step, to = (s->to - start) / step;

		for (uint32_t i = (uint32_t)from; i < n && i < to; i++) {
			double part = fmin(to, i + 1.0) - fmax(from, i);

			values[i] += (float)(s->value * part / (to - from));
			covered[i] += s->cpu ? (float)(part * step) : 0;
		}
	}
}

/* Amounts become CPUs; where nothing is known it goes on as before. */
static int to_cpus(const struct recorded *r, double scale, double most, uint32_t n, float *values,
		   const float *covered)
{
	float before = 0;

	for (uint32_t i = 0; i < n; i++) {
		double v = covered[i] > 0 ? (double)values[i] / (double)covered[i] * scale
					  : (double)before;

		if (v > most * (1 + BLUR))
			return failure_set(
				r->f, -EINVAL,
				"%s: %s wanted %.4g CPUs in row %u; its vCPUs can use %.4g",
				r->path, r->name, v, i + 1, most);
		before = values[i] = (float)fmin(v, most);
	}
	return 0;
}

static int divide(const struct recorded *r, double step, double scale, double most,
		  uint32_t max_rows, float **ret, uint32_t *ret_n)
{
	_cleanup_(free_ptr) float *values = NULL, *covered = NULL;
	double start = INFINITY, rows;
	uint32_t n;
	int err;

	for (size_t k = 0; k < r->n; k++)
		start = fmin(start, r->spans[k].from);
	rows = ceil((r->end - start) / step - 1e-6);
	if (rows > max_rows)
		return failure_set(r->f, -E2BIG,
				   "%s: traces of a scenario have at most %u rows together",
				   r->path, DEMAND_STEPS);
	n = rows < 1 ? 1 : (uint32_t)rows;
	values = calloc(n, sizeof(*values));
	covered = calloc(n, sizeof(*covered));
	if (!values || !covered)
		return failure_errno(r->f, -ENOMEM, "%s", r->path);
	spread(r, start, step, n, values, covered);
	err = to_cpus(r, scale, most, n, values, covered);
	if (err)
		return err;
	*ret = values;
	values = NULL;
	*ret_n = n;
	return 0;
}

int demand_read_recorded(const char *path, const char *name, double step, double scale, double most,
			 uint32_t max_rows, struct failure *f, float **ret, uint32_t *ret_n)
{
	struct recorded r = {.path = path,
			     .name = name,
			     .number = demand_column_number(name),
			     .f = f,
			     .entity = DATA_NONE};
	const struct data_options options = {.side = DATA_ANY};
	const struct data_sink sink = {.of = &r,
				       .quantities = DATA_BIT(DATA_CPU) | DATA_BIT(DATA_READY) |
						     DATA_BIT(DATA_COSTOP),
				       .entity = on_entity,
				       .sample = on_sample};
	struct data_file file;
	int err = data_read(path, &options, &sink, f, &file);

	if (!err && r.entity == DATA_NONE)
		err = failure_set(f, -EINVAL,
				  "%s: there is no VM or machine %s; desched data lists its %lu",
				  path, name, r.seen);
	if (!err && !r.n)
		err = failure_set(f, -EINVAL, "%s: no CPU time of %s", path, name);
	if (!err)
		err = divide(&r, step, scale, most, max_rows, ret, ret_n);
	free(r.spans);
	return err;
}
