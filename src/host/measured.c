/* SPDX-License-Identifier: MIT */
#include "host/measured.h"

struct ledger measured_span(const struct measured_vcpu *c, enum measure_reading from)
{
	struct ledger d = {0};

	ledger_delta(&c->ledger[from], &c->ledger[MEASURE_NOW], &d);
	return d;
}

struct ledger measured_sum(const struct measured *x, enum measure_reading from)
{
	struct ledger sum = {0};

	for (uint32_t v = 0; v < x->vm.n_vcpus; v++) {
		struct ledger d = measured_span(&x->vcpus[v], from);

		ledger_merge(&sum, &d);
	}
	return sum;
}
