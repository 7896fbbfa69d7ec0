/* SPDX-License-Identifier: MIT */
/*
 * Scenario files are hostile: whatever they hold, scenario_parse() says what is wrong or returns a
 * scenario that can be set up and run for a moment. Seeds: the scenarios themselves.
 */
#include "fuzz.h"

#include "sim/runner.h"

/* Small enough to be run by the thousand. */
static int is_small(const struct scenario *s)
{
	return s->host.cpus <= 64 && s->n_groups <= 64 && scenario_vms_per_host(s) <= 64 &&
	       scenario_vcpus_per_host(s) <= 128;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct failure f = {""};
	struct scenario *s = NULL;
	struct sim *sim = NULL;

	if (scenario_parse((const char *)data, size, "fuzz.ini", &f, &s)) {
		if (!f.text[0])
			abort(); /* a refusal without a reason */
		return 0;
	}
	if (is_small(s) && !sim_new(s, 1, 0, &f, &sim)) {
		sim_run(sim, 1000000);
		sim_free(sim);
	}
	scenario_free(s);
	return 0;
}
