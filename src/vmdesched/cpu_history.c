/* SPDX-License-Identifier: MIT */
#include "vmdesched/cpu_history.h"

#include "guest/account.h"

static const char *const figures[] = {"busy_s", "vmdesched_s", "idle_vmdesched_s", "unaccounted_s",
				      "idle_unaccounted_s"};

const struct history_shape cpu_history_shape = {
	"desched-history/2", figures, ARRAY_SIZE(figures), 0, "cpus", "cpu"};

void cpu_history_sums(const void *account, unsigned cpu, uint64_t *ret)
{
	const struct account_cpu *c = &((const struct account *)account)->cpus[cpu];

	ret[0] = c->busy.occupied;
	ret[1] = amounts_away(&c->busy);
	ret[2] = amounts_away(&c->idle);
	ret[3] = c->busy.unaccounted;
	ret[4] = c->idle.unaccounted;
}
