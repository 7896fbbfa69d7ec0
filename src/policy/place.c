/* SPDX-License-Identifier: MIT */
#include "policy/place.h"

#include <math.h>

static double density(const struct place_domain *d)
{
	return d->capacity > 0 ? d->load / d->capacity : 0;
}

bool place_fits(const struct place_domain *d, const struct place_vm *vm)
{
	return d->cpus >= vm->min_cpus && vm->memory <= d->memory &&
	       d->reserved + vm->reservation <= d->capacity * (1 + 1e-9);
}

uint32_t place_initial(const struct place_domain *domains, uint32_t n, const struct place_vm *vm)
{
	uint32_t best = PLACE_NONE;
	double best_after = INFINITY;

	for (uint32_t i = 0; i < n; i++) {
		double after = (domains[i].load + vm->load) / domains[i].capacity;

		if (place_fits(&domains[i], vm) && after < best_after - 1e-12) {
			best = i;
			best_after = after;
		}
	}
	return best;
}

double place_imbalance(const struct place_domain *domains, uint32_t n, uint32_t *ret_from,
		       uint32_t *ret_to)
{
	uint32_t most = 0, least = 0;

	for (uint32_t i = 1; i < n; i++) {
		if (density(&domains[i]) > density(&domains[most]))
			most = i;
		if (density(&domains[i]) < density(&domains[least]))
			least = i;
	}
	*ret_from = most;
	*ret_to = least;
	if (density(&domains[most]) <= 0)
		return 0;
	return 1 - density(&domains[least]) / density(&domains[most]);
}

uint32_t place_rebalance(const struct place_domain *domains, uint32_t n_domains,
			 const struct place_vm *vms, uint32_t n_vms, double threshold,
			 uint32_t *ret_to)
{
	uint32_t from, to, best = PLACE_NONE;
	double best_gap;

	if (n_domains < 2 || place_imbalance(domains, n_domains, &from, &to) <= threshold)
		return PLACE_NONE;
	best_gap = density(&domains[from]) - density(&domains[to]);
	for (uint32_t i = 0; i < n_vms; i++) {
		double gap;

		if (vms[i].domain != from || vms[i].load <= 0 || !place_fits(&domains[to], &vms[i]))
			continue;
		gap = fabs((domains[from].load - vms[i].load) / domains[from].capacity -
			   (domains[to].load + vms[i].load) / domains[to].capacity);
		if (gap < best_gap - 1e-9) {
			best = i;
			best_gap = gap;
		}
	}
	if (best != PLACE_NONE)
		*ret_to = to;
	return best;
}
