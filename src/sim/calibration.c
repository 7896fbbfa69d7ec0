/* SPDX-License-Identifier: MIT */
#include "sim/calibration.h"

#include "base/cleanup.h"
#include "base/units.h"
#include "sim/beside.h"

#include <errno.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#define SCHEMA	    "desched-calibration/1"
#define FILE_MAX    (16 * MIB) /* thousands of VMs */
#define TICK_HZ_MAX 10000
#define COST_MAX    0.1 /* s: what the keys of a host take at most */

/* Which coefficient of the host is which of its keys. */
static const struct {
	const char *coefficient;
	size_t offset;
} of_host[] = {
	{"switch", offsetof(struct host_spec, switch_cost)},
	{"device_exit", offsetof(struct host_spec, exit_cost)},
};

struct file {
	const char *path;
	json_t *root;
};

/* The mean of a coefficient; -ENODATA where it wasn't measured, -EBADMSG for what is no figure. */
static int get_mean(const json_t *owner, const char *name, double most, double *ret)
{
	const json_t *c = json_object_get(json_object_get(owner, "coefficients"), name);
	const json_t *mean = json_object_get(c, "mean");
	double value = json_number_value(mean);

	if (!json_is_object(c) || json_is_null(mean))
		return -ENODATA;
	if (!json_is_number(mean) || !(value >= 0 && value <= most))
		return -EBADMSG;
	*ret = value;
	return 0;
}

static int bad_figure(const struct file *file, const char *whose, const char *name, double most,
		      struct failure *f)
{
	return failure_set(f, -EBADMSG, "%s: %s of %s is not a number from 0 to %g", file->path,
			   name, whose, most);
}

static int apply_host(const struct file *file, struct host_spec *h, struct failure *f)
{
	const json_t *host = json_object_get(file->root, "host");

	for (size_t i = 0; i < ARRAY_SIZE(of_host); i++) {
		uint64_t *to = (uint64_t *)((char *)h + of_host[i].offset);
		double seconds = 0;
		int err = get_mean(host, of_host[i].coefficient, COST_MAX, &seconds);

		if (err == -EBADMSG)
			return bad_figure(file, "the host", of_host[i].coefficient, COST_MAX, f);
		if (!*to)
			*to = (uint64_t)llrint(seconds * 1e9);
	}
	return 0;
}

/* ---- VMs ---- */

static const json_t *find_vm(const struct file *file, const char *name)
{
	const json_t *vm;
	size_t i;

	json_array_foreach(json_object_get(file->root, "vms"), i, vm)
	{
		const char *its = json_string_value(json_object_get(vm, "name"));

		if (its && !strcmp(its, name))
			return vm;
	}
	return NULL;
}

/* What it costs while idle becomes ticks: as many as it wakes up, each with its part of the time. */
static void set_ticks(const struct host_spec *h, struct vm_spec *vm, double cpus, double wakeups)
{
	double hz = fmax(1, rint(wakeups));

	if (vm->tick_hz || !(cpus > 0))
		return;
	vm->tick_hz = (uint32_t)hz;
	vm->tick_cost = (uint64_t)llrint(fmax(0, cpus / hz * 1e9 - (double)h->exit_cost));
}

static int apply_vm(const struct file *file, const struct scenario *s, struct vm_spec *vm,
		    struct failure *f)
{
	const json_t *measured = find_vm(file, vm->calibrated);
	double cpus, wakeups;
	int err;

	if (!measured)
		return failure_set(f, -ENOENT, "%s has no VM called '%s' (calibrated, %s:%d)",
				   file->path, vm->calibrated, s->path, vm->line);
	err = get_mean(measured, "idle_vcpu", 1, &cpus);
	if (err == -EBADMSG)
		return bad_figure(file, vm->calibrated, "idle_vcpu", 1, f);
	if (!err)
		err = get_mean(measured, "idle_wakeups", TICK_HZ_MAX, &wakeups);
	if (err == -EBADMSG)
		return bad_figure(file, vm->calibrated, "idle_wakeups", TICK_HZ_MAX, f);
	if (err)
		return failure_set(
			f, err, "%s: %s was never idle while it was measured (calibrated, %s:%d)",
			file->path, vm->calibrated, s->path, vm->line);
	set_ticks(&s->host, vm, cpus, wakeups);
	return 0;
}

/* ---- the file ---- */

static int apply(const struct file *file, struct scenario *s, struct failure *f)
{
	const char *schema = json_string_value(json_object_get(file->root, "schema"));
	int err;

	if (!schema || strcmp(schema, SCHEMA))
		return failure_set(f, -EBADMSG,
				   "%s is not what 'desched calibrate --json' writes (schema %s)",
				   file->path, SCHEMA);
	err = apply_host(file, &s->host, f);
	for (uint32_t i = 0; i < s->n_vms && !err; i++) {
		if (s->vms[i].calibrated[0])
			err = apply_vm(file, s, &s->vms[i], f);
	}
	return err;
}

static int check_none(const struct scenario *s, struct failure *f)
{
	for (uint32_t i = 0; i < s->n_vms; i++) {
		if (s->vms[i].calibrated[0])
			return failure_set(f, -EINVAL,
					   "%s:%d: vm %s: calibrated needs a file: set calibration "
					   "in [host]",
					   s->path, s->vms[i].line, s->vms[i].name);
	}
	return 0;
}

struct input {
	FILE *file;
	size_t taken;
};

/* A file that is longer ends there, and then isn't whole. */
static size_t read_some(void *buffer, size_t size, void *data)
{
	struct input *in = data;
	size_t left = FILE_MAX - in->taken, n;

	n = fread(buffer, 1, size < left ? size : left, in->file);
	in->taken += n;
	return n;
}

int calibration_apply(struct scenario *s, struct failure *f)
{
	char path[sizeof(s->path) + SCENARIO_TEXT];
	_cleanup_(close_file) FILE *in = NULL;
	struct file file = {.path = path};
	json_error_t error;
	int err;

	if (!s->host.calibration[0])
		return check_none(s, f);
	err = beside_path(s, s->host.calibration, path, sizeof(path));
	if (err)
		return failure_errno(f, err, "%s", s->host.calibration);
	err = beside_open(path, "a calibration", f, &in);
	if (err)
		return err;
	file.root = json_load_callback(read_some, &(struct input){in, 0}, JSON_REJECT_DUPLICATES,
				       &error);
	if (!file.root)
		return failure_set(f, -EBADMSG, "%s: %s (calibration of %s)", path, error.text,
				   s->path);
	err = apply(&file, s, f);
	json_decref(file.root);
	return err;
}
