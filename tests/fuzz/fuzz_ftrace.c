/* SPDX-License-Identifier: MIT */
/* The memory in which a lab guest leaves its kernel's trace, as a whole. */
#include "fuzz.h"

#include "lab/ftrace.h"

#include <errno.h>

static void check_cpu(const struct ftrace_cpu *c)
{
	for (size_t i = 1; i < c->n; i++)
		CHECK(c->switches[i].at >= c->switches[i - 1].at);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct ftrace t;
	int err = ftrace_read(data, size, &t);

	CHECK(err == 0 || err == -ENODATA || err == -EBADMSG);
	if (err)
		return 0;
	CHECK(t.n_cpus && t.n_cpus <= TRACE_CPUS_MAX);
	for (unsigned cpu = 0; cpu < t.n_cpus; cpu++)
		check_cpu(&t.cpus[cpu]);
	for (size_t i = 1; i < t.n_forks; i++)
		CHECK(t.forks[i].at >= t.forks[i - 1].at);
	ftrace_done(&t);
	return 0;
}
