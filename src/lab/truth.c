/* SPDX-License-Identifier: MIT */
#include "lab/truth.h"

#include "base/clock.h"
#include "base/units.h"

#include <errno.h>
#include <math.h>

uint64_t truth_others(uint64_t billed, struct truth_window window, uint64_t alone,
		      struct truth_window calibration, uint64_t *ret_spread)
{
	uint64_t most = billed, least = 0;

	if (calibration.ns)
		most = u64_min(most, clock_muldiv(alone, window.ns, calibration.ns));
	if (calibration.run)
		least = u64_min(most, clock_muldiv(alone, window.run, calibration.run));
	*ret_spread = (most - least) / 2;
	return most - *ret_spread;
}

uint64_t truth_work(uint64_t run, uint64_t others)
{
	return u64_sub_floor(run, others);
}

double truth_unit_cost(uint64_t work, uint64_t units)
{
	return units && work ? (double)work / (double)units : NAN;
}

void truth_costs(struct truth_sample *samples, int n)
{
	uint64_t cpu = 0, units = 0;

	for (int i = 0; i < n; i++) {
		cpu += samples[i].steady ? samples[i].cpu : 0;
		units += samples[i].steady ? samples[i].units : 0;
	}
	for (int i = 0; i < n; i++) {
		struct truth_sample *s = &samples[i];

		s->unit_ns = s->steady ? truth_unit_cost(cpu, units)
				       : truth_unit_cost(s->cpu, s->units);
	}
}

static double weight(const struct truth_share *s)
{
	return s->units ? (double)s->units * s->unit_ns : 0;
}

int truth_split(uint64_t work, struct truth_share *shares, int n, double *ret_scale)
{
	uint64_t left = work;
	double sum = 0;
	int largest = 0;

	for (int i = 0; i < n; i++) {
		if (shares[i].units && !(shares[i].unit_ns > 0 && isfinite(shares[i].unit_ns)))
			return -EINVAL;
		sum += weight(&shares[i]);
		if (weight(&shares[i]) > weight(&shares[largest]))
			largest = i;
	}
	if (!(sum > 0) || !isfinite(sum))
		return -EDOM;
	/* What rounding leaves over, either way, is the largest one's. */
	for (int i = 0; i < n; i++) {
		double part = floor((double)work * (weight(&shares[i]) / sum));

		shares[i].truth = i == largest ? 0 : u64_min((uint64_t)part, left);
		left -= shares[i].truth;
	}
	shares[largest].truth = left;
	*ret_scale = (double)work / sum;
	return 0;
}

double truth_error(double measured, uint64_t truth)
{
	return truth ? measured / (double)truth - 1 : NAN;
}
