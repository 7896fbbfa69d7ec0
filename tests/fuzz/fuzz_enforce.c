/* SPDX-License-Identifier: MIT */
/* What may be set for VMs: behind a 'c' a configuration, else a request of root's. Either is within
 * its bounds, or a reason of one line; and what a VM is then entitled to is a number. */
#include "fuzz.h"

#include "base/units.h"
#include "enforce/enforce.h"

#include <math.h>
#include <string.h>

static struct enforce_settings settings;

static int check(const void *s, struct failure *f)
{
	return enforce_check(s, f);
}

#define MANY                                                                                       \
	{                                                                                          \
		ENFORCE_MANY(                                                                      \
			struct { struct enforce_settings e; }, e)                                  \
	}

static const struct row_section sections[] = {{"enforce", enforce_rows, ENFORCE_KEYS, 0, true}};
static const struct settings_many many[] = MANY;
static const struct settings_table table = {
	sections, 1, sizeof(settings), "deschedd(8)", many, ARRAY_SIZE(many), check};

static void say(const char *line, void *data)
{
	(void)line;
	(void)data;
}

/* One VM that is busy. */
static struct enforce *begin(void)
{
	static struct host_vcpu thread = {11, 0};
	static struct measured_vcpu vcpu;
	static struct measured vm;
	static struct measured *list[] = {&vm};
	static struct measurement m = {.vms = list, .n = 1};
	const struct enforce_setup setup = {&settings, 2, say, NULL};
	struct enforce *e;

	vcpu.ledger[MEASURE_NOW].ns[LEDGER_RUN] = NS_PER_SEC;
	vm.vcpus = &vcpu;
	vm.vm = (struct host_vm){.name = "web", .pid = INT32_MAX, .n_vcpus = 1, .vcpus = &thread};
	m.at[MEASURE_NOW] = NS_PER_SEC;
	settings.enforcer = 0;
	CHECK(!enforce_open(&setup, NULL, &e));
	CHECK(!enforce_step(e, &m));
	return e;
}

static void end(struct enforce *e)
{
	double cpus = enforce_entitled(e, INT32_MAX, 0);
	json_t *o = enforce_policy(e);

	CHECK(isfinite(cpus) && cpus >= 0 && cpus <= 1 + 1e-9);
	CHECK(json_array_size(json_object_get(o, "vms")) == 1);
	json_decref(o);
	enforce_close(e);
}

static void try_request(const char *data, size_t size)
{
	json_t *request = json_loadb(data, size, JSON_REJECT_DUPLICATES, NULL), *answer;
	struct enforce *e;

	if (!request)
		return;
	settings_default(&table, &settings);
	e = begin();
	answer = enforce_set(e, request);
	CHECK(json_object_get(answer, "error") || json_object_get(answer, "fits"));
	json_decref(answer);
	end(e);
	e = begin();
	answer = enforce_unset(e, request); /* nothing is set */
	CHECK(json_object_get(answer, "error"));
	json_decref(answer);
	end(e);
	json_decref(request);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct failure f = {.text = ""};

	if (!size || data[0] != 'c') {
		try_request((const char *)data, size);
		return 0;
	}
	settings_default(&table, &settings);
	if (settings_parse(&table, "fuzz", (const char *)data + 1, size - 1, &f, &settings) ||
	    enforce_check(&settings, &f)) {
		CHECK(f.text[0]);
		return 0;
	}
	CHECK(settings.n_vms <= ENFORCE_VMS_MAX && settings.n_groups <= ENFORCE_GROUPS_MAX);
	end(begin());
	return 0;
}
