/* SPDX-License-Identifier: MIT */
/* Scenario files are hostile: whatever they hold, scenario_parse() says what is wrong or returns a
 * scenario that can be set up and run for a moment. Build with -Dfuzz=true and clang, or without
 * libFuzzer as a program that takes files (tests run it on the scenarios and on what is broken of
 * them). */
#include "sim/runner.h"

#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

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

#ifndef FUZZ_LIBFUZZER
/* Each file as it is, then cut at some places and with some bytes changed. */
int main(int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		static uint8_t data[65536];
		FILE *file = fopen(argv[i], "r");
		size_t size = file ? fread(data, 1, sizeof(data), file) : 0;
		unsigned rng = (unsigned)i;

		if (!file)
			return 1;
		fclose(file);
		LLVMFuzzerTestOneInput(data, size);
		for (int k = 0; k < 200 && size; k++) {
			rng = rng * 1103515245U + 12345U;
			data[(rng >> 8) % size] = (uint8_t)(rng >> 16);
			LLVMFuzzerTestOneInput(data, k % 2 ? size : (rng >> 4) % size);
		}
	}
	return 0;
}
#endif
