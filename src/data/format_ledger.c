/* SPDX-License-Identifier: MIT */
/*
 * `desched ledger --json`: an object a line, an interval each, one after the other, the first of
 * which has a date. `total` objects repeat what the intervals said.
 */
#include "data/format.h"

#include "base/json_out.h"
#include "base/units.h"
#include "wire/wire.h"

#include <desched/ledger.h>

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

static int is(const struct input *in)
{
	return in->text[strspn(in->text, " \r\n\t")] == '{' && !unread_remedy(in->text, in->size);
}

/* Seconds of one state of one vCPU. */
static double seconds_in(const json_t *vcpu, uint32_t state)
{
	const json_t *seconds = json_object_get(vcpu, "seconds");

	return json_number_value(json_object_get(seconds, ledger_state_name(state)));
}

static double sum_state(const json_t *vcpus, uint32_t state)
{
	double sum = 0;
	const json_t *v;
	size_t i;

	json_array_foreach(vcpus, i, v) sum += seconds_in(v, state);
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

static int take_vcpu(const json_t *vcpu, uint32_t vm, size_t index, const struct out_span *span,
		     struct out *out)
{
	uint32_t entity;
	int err = out_vcpu(out, vm, index, &entity);

	if (err <= 0)
		return err;
	err = 0;
	for (size_t i = 0; i < OUT_STATES && !err; i++)
		err = out_sample(out, entity, out_ledger_states[i].quantity, span,
				 seconds_in(vcpu, out_ledger_states[i].state));
	return err;
}

static int take_vm(const json_t *vm, uint32_t entity, const struct out_span *span, struct out *out)
{
	const json_t *vcpus = json_object_get(vm, "vcpus"), *v;
	size_t n = json_array_size(vcpus), i;
	int err = 0;

	if (!(sum_states(vcpus) > 0)) {
		skips_count(&out->file.skips, SKIP_ZEROS, NULL);
		return 0;
	}
	for (i = 0; i < OUT_STATES && !err; i++)
		err = out_sample(out, entity, out_ledger_states[i].quantity, span,
				 sum_state(vcpus, out_ledger_states[i].state));
	json_array_foreach(vcpus, i, v) err = err ? err : take_vcpu(v, entity, i, span, out);
	if (n > out_own_cpus(out, entity) && n < 8192)
		out_set_cpus(out, entity, (unsigned)n);
	return err;
}

/* Dates after the first may have been turned by somebody; the intervals' lengths were not. */
static void date(const json_t *o, double seconds, double *at, struct out *out)
{
	double ended = json_number_value(json_object_get(o, "time_s"));

	if (out->file.samples || !(ended > seconds && ended < 1e11))
		return;
	*at = ended - seconds;
	out->file.dated = true;
	out->file.zone = ZONE_STATED;
}

/* What tells two VMs of one name apart. */
static void vm_id(const json_t *vm, char *ret, size_t size)
{
	json_int_t pid = json_integer_value(json_object_get(vm, "pid"));

	snprintf(ret, size, "%.*" JSON_INTEGER_FORMAT, pid > 0 ? 1 : 0, pid > 0 ? pid : 0);
}

static int take_vms(const json_t *o, const struct out_span *span, struct out *out)
{
	const json_t *vm;
	size_t i;

	json_array_foreach(json_object_get(o, "vms"), i, vm)
	{
		const char *name = json_string_value(json_object_get(vm, "name"));
		uint32_t entity;
		char id[32];
		int err;

		vm_id(vm, id, sizeof(id));
		err = name ? out_entity(out,
					&(struct data_entity){DATA_KIND_VM, DATA_NONE, name, id},
					&entity)
			   : 0;
		if (err > 0)
			err = take_vm(vm, entity, span, out);
		if (err)
			return err;
	}
	return 0;
}

static int take_interval(const json_t *o, double *at, struct out *out)
{
	double seconds = json_number_value(json_object_get(o, "seconds"));
	const char *kind = json_string_value(json_object_get(o, "kind"));
	struct out_span span;
	int err;

	if (!kind || strcmp(kind, "interval") != 0)
		return 0;
	if (!(seconds > 0 && seconds < 1e9)) {
		skips_count(&out->file.skips, SKIP_RANGE, NULL);
		return 0;
	}
	date(o, seconds, at, out);
	span = (struct out_span){*at, *at + seconds, 0};
	err = take_vms(o, &span, out);
	*at += seconds;
	return err;
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
static int take_line(const char *line, size_t size, double *at, struct out *out)
{
	json_t *o;
	int err = load(line, size, &o);

	if (err)
		return err;
	if (!o) {
		skips_count(&out->file.skips, SKIP_CUT, NULL);
		return 0;
	}
	err = take_interval(o, at, out);
	json_decref(o);
	return err;
}

static int read_ledger(const struct input *in, struct out *out)
{
	double at = 0;
	int err = 0;

	for (const char *p = in->text; *p && !err; p += strspn(p, "\r\n")) {
		size_t len = strcspn(p, "\r\n");

		err = len ? take_line(p, len, &at, out) : 0;
		p += len;
	}
	return err;
}

const struct format format_ledger = {
	.name = "desched ledger",
	.what = "JSON of 'desched ledger --json'",
	.host = true,
	.is = is,
	.read = read_ledger,
};
