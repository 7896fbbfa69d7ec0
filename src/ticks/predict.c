/* SPDX-License-Identifier: MIT */
/* The same configuration in the simulator (desched-scenario(5)): the guests as workload "ticks",
 * for a pause somebody who takes the CPU for as long. Figures are means over some seeds. */
#include "base/units.h"
#include "sim/runner.h"
#include "ticks/ticks.h"

#include <math.h>
#include <string.h>

#define SEEDS	    10
#define PAUSE_SEEDS 3
#define PAUSE_AT    1.0	 /* seconds */
#define PAUSE_REST  10.0 /* seconds after it */

/* A slice that is no simple fraction of a tick, or the ticks would always find the same guests
 * running. */
static const char overcommitted[] = "[host]\ncpus = 1\nslice = 2.87ms\n[run]\nduration = %gs\n"
				    "[vm guest]\ncount = %u\nworkload = ticks\ntick_hz = %u\n"
				    "tick_policy = %s\ntick_ack = 50us\nprocesses = A:0.6 B:0.4\n"
				    "burst = 25ms\n";
static const char paused[] = "[host]\ncpus = 1\n[run]\nduration = %gs\n"
			     "[vm guest]\nworkload = ticks\ntick_hz = %u\ntick_policy = %s\n"
			     "tick_ack = 50us\nprocesses = A:0.6 B:0.4\nburst = 25ms\n"
			     "[vm thief]\nworkload = duty\nrandom = no\nburst = %gs\n"
			     "load = 0.0001\nbudget = %gs/1000s\nstart = %gs\n";

static int simulate(const char *text, uint32_t seeds, struct failure *f, struct scenario **ret_s,
		    struct run **ret)
{
	struct run_options options = {.seed = 1, .seeds = seeds, .jobs = 1};
	int err = scenario_parse(text, strlen(text), "prediction", f, ret_s);

	return err ? err : run_scenario(*ret_s, &options, f, ret);
}

/* The mean of a metric over the seeds that have it: none does for a process that never ran. */
static double mean(const struct run *r, const char *name)
{
	double sum = 0, v = 0;
	uint32_t n = 0;

	for (uint32_t i = 0; i < r->seeds; i++) {
		if (metric_value(r->variants[0], run_results(r, 0, i), 1, name, &v) || !isfinite(v))
			continue;
		sum += v;
		n++;
	}
	return n ? sum / n : 0;
}

static int predict_run(const struct ticks_config *c, enum tick_policy policy, struct failure *f,
		       struct ticks_prediction *p)
{
	struct scenario *s = NULL;
	struct run *r = NULL;
	char text[1024];
	int err;

	snprintf(text, sizeof(text), overcommitted, ns_to_s(c->seconds), (unsigned)c->vms,
		 (unsigned)c->hz, tick_rows[policy].name);
	err = simulate(text, SEEDS, f, &s, &r);
	if (!err) {
		p->error[0] = mean(r, "guest.A.error");
		p->error[1] = mean(r, "guest.B.error");
		p->vmdesched = mean(r, "guest.vmdesched.error");
		p->clock_error = mean(r, "guest.lag");
		/* Behind by the largest backlog, or by all that was not delivered. */
		p->max_clock_error = mean(r, "guest.backlog.max") / (double)c->hz;
		if (p->clock_error > p->max_clock_error)
			p->max_clock_error = p->clock_error;
	}
	run_free(r);
	scenario_free(s);
	return err;
}

static int predict_pause(const struct ticks_config *c, enum tick_policy policy, int pause,
			 struct failure *f, struct ticks_prediction *p)
{
	double length = ns_to_s(ticks_pause_lengths[pause]);
	struct scenario *s = NULL;
	struct run *r = NULL;
	char text[1024];
	int err;

	snprintf(text, sizeof(text), paused, PAUSE_AT + length + PAUSE_REST, (unsigned)c->hz,
		 tick_rows[policy].name, length, length + 1, PAUSE_AT);
	err = simulate(text, PAUSE_SEEDS, f, &s, &r);
	if (!err) {
		p->resyncs[pause] = (uint64_t)mean(r, "guest.resyncs");
		p->catchup[pause] = mean(r, "guest.lag") <= 2.0 / (double)c->hz
					    ? mean(r, "guest.catchup")
					    : -1;
	}
	run_free(r);
	scenario_free(s);
	return err;
}

int ticks_predict(const struct ticks_config *c, enum tick_policy policy, struct failure *f,
		  struct ticks_prediction *ret)
{
	struct ticks_prediction p = {0};
	int err = predict_run(c, policy, f, &p);

	for (int i = 0; i < TICKS_PAUSES && !err; i++)
		err = predict_pause(c, policy, i, f, &p);
	if (!err)
		*ret = p;
	return err;
}
