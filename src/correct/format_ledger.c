/* SPDX-License-Identifier: MIT */
/*
 * `desched ledger --json`: an object a line, an interval each, one after the other, the first of
 * which has a date. `total` objects repeat what the intervals said.
 */
#include "correct/formats.h"

#include "base/units.h"
#include "wire/wire.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

static bool is(const struct input *in)
{
	return in->text[strspn(in->text, " \r\n\t")] == '{';
}

/* Seconds of one state, over the vCPUs. */
static double sum_state(const json_t *vcpus, const char *state)
{
	double sum = 0;
	const json_t *v;
	size_t i;

	json_array_foreach(vcpus, i, v)
		sum += json_number_value(json_object_get(json_object_get(v, "seconds"), state));
	return sum;
}

static int take_vm(const json_t *vm, double from, double to, struct usage *r)
{
	const json_t *vcpus = json_object_get(vm, "vcpus");
	int err = usage_add(r, WHO_TOTAL, from, to, sum_state(vcpus, "run"));

	if (json_array_size(vcpus) > r->cpus && json_array_size(vcpus) < 8192)
		r->cpus = (unsigned)json_array_size(vcpus);
	return err ? err : usage_add(r, WHO_READY, from, to, sum_state(vcpus, "ready"));
}

/* Dates after the first may have been turned by somebody; the intervals' lengths were not. */
static void date(const json_t *o, double seconds, double *at, struct usage *r)
{
	double ended = json_number_value(json_object_get(o, "time_s"));

	if (r->n || !(ended > seconds && ended < 1e11))
		return;
	*at = ended - seconds;
	r->dated = true;
}

static int take_interval(const json_t *o, double *at, struct choice *choice, struct usage *r)
{
	double seconds = json_number_value(json_object_get(o, "seconds"));
	const char *kind = json_string_value(json_object_get(o, "kind"));
	const json_t *vm;
	size_t i;

	if (!kind || strcmp(kind, "interval") != 0)
		return 0;
	if (!(seconds > 0 && seconds < 1e9)) {
		r->skipped++;
		return 0;
	}
	date(o, seconds, at, r);
	json_array_foreach(json_object_get(o, "vms"), i, vm)
	{
		const char *name = json_string_value(json_object_get(vm, "name"));
		int err;

		if (!name || !choice_take(choice, name))
			continue;
		err = take_vm(vm, *at, *at + seconds, r);
		if (err)
			return err;
	}
	*at += seconds;
	return 0;
}

static int read_ledger(const struct input *in, struct failure *f, struct usage *r)
{
	struct choice choice = {.wanted = in->vm};
	double at = 0;
	int err = 0;

	for (const char *p = in->text; *p && !err; p += strspn(p, "\r\n")) {
		size_t len = strcspn(p, "\r\n");
		json_t *o = NULL;

		r->skipped += wire_load(p, len, &o) != 0; /* a line that was cut off */
		err = o ? take_interval(o, &at, &choice, r) : 0;
		json_decref(o);
		p += len;
	}
	return err ? err : choice_end(&choice, in->path, f);
}

const struct format format_ledger = {"desched ledger", true, is, read_ledger};
