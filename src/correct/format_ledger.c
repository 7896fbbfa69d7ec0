/* SPDX-License-Identifier: MIT */
/*
 * `desched ledger --json`: an object a line, an interval each, one after the other, the first of
 * which has a date. `total` objects repeat what the intervals said.
 */
#include "correct/formats.h"

#include "base/json_out.h"
#include "base/units.h"
#include "wire/wire.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

static int is(const struct input *in)
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

/* Seconds of all states: as long as the interval, or 0 where the VM is gone. */
static double sum_states(const json_t *vcpus)
{
	double sum = 0;
	json_t *v, *seconds;
	const char *state;
	size_t i;

	json_array_foreach(vcpus, i, v)
	{
		json_object_foreach(json_object_get(v, "seconds"), state, seconds)
			sum += json_number_value(seconds);
	}
	return sum;
}

static int take_vm(const json_t *vm, double from, double to, struct usage *r)
{
	const json_t *vcpus = json_object_get(vm, "vcpus");
	int err;

	if (!(sum_states(vcpus) > 0)) {
		skips_count(&r->skips, SKIP_ZEROS, NULL);
		return 0;
	}
	err = usage_add(r, WHO_TOTAL, from, to, sum_state(vcpus, "run"));
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
	r->zone = ZONE_STATED;
}

/* What tells two VMs of one name apart. */
static void vm_id(const json_t *vm, char *ret, size_t size)
{
	json_int_t pid = json_integer_value(json_object_get(vm, "pid"));

	snprintf(ret, size, "%.*" JSON_INTEGER_FORMAT, pid > 0 ? 1 : 0, pid > 0 ? pid : 0);
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
		skips_count(&r->skips, SKIP_RANGE, NULL);
		return 0;
	}
	date(o, seconds, at, r);
	json_array_foreach(json_object_get(o, "vms"), i, vm)
	{
		const char *name = json_string_value(json_object_get(vm, "name"));
		char id[32];
		int err;

		vm_id(vm, id, sizeof(id));
		err = name ? choice_take(choice, id, name) : 0;
		if (err == 1)
			err = take_vm(vm, *at, *at + seconds, r);
		if (err)
			return err;
	}
	*at += seconds;
	return 0;
}

/* *ret is NULL for what is no JSON. -ENOMEM. */
static int load(const char *line, size_t size, json_t **ret)
{
	json_t *o = NULL;

	json_out_short();
	wire_load(line, size, &o);
	if (json_out_short()) {
		json_decref(o);
		return -ENOMEM;
	}
	*ret = o;
	return 0;
}

/* A line that was cut off is counted; one for which there was no memory is no such line. */
static int take_line(const char *line, size_t size, double *at, struct choice *choice,
		     struct usage *r)
{
	json_t *o;
	int err = load(line, size, &o);

	if (err)
		return err;
	if (!o) {
		skips_count(&r->skips, SKIP_CUT, NULL);
		return 0;
	}
	err = take_interval(o, at, choice, r);
	json_decref(o);
	return err;
}

static int read_ledger(const struct input *in, struct failure *f, struct usage *r)
{
	struct choice choice = {.wanted = in->source->chosen, .what = "VM", .option = "--vm"};
	double at = 0;
	int err = 0;

	for (const char *p = in->text; *p && !err; p += strspn(p, "\r\n")) {
		size_t len = strcspn(p, "\r\n");

		err = len ? take_line(p, len, &at, &choice, r) : 0;
		p += len;
	}
	err = err ? err : choice_end(&choice, in->path, f);
	choice_done(&choice);
	return err;
}

const struct format format_ledger = {"desched ledger", true, is, read_ledger};
