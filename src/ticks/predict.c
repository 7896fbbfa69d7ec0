/* SPDX-License-Identifier: MIT */
/* The same configuration in the simulator (desched-scenario(5)): the guests as workload "ticks",
 * for a pause somebody who takes the CPU for as long. Figures are means over some seeds. */
#include "base/units.h"
#include "sim/runner.h"
#include "ticks/ticks.h"

#include <math.h>
#include <string.h>

#define SEEDS	    10
#define ALONE	    1.0 /* second after the others have gone */
#define PAUSE_SEEDS 3
#define PAUSE_AT    1.0	 /* seconds */
#define PAUSE_REST  10.0 /* seconds after it */

/* The host as measured, Linux 6.18 with 250 ticks a second and nothing else to do: four busy
 * threads on a CPU get its own ticks' 4 ms at a time, if nobody wakes up between; a guest's tick in
 * VMDesched takes 0.1 ms where KVM interprets the guest's kernel. Not quite 4, since of a simple
 * fraction of a tick the same guests would always be found running. */
#define HOST "[host]\ncpus = 1\nslice = 3.97ms\n"
#define GUEST                                                                                      \
	"workload = ticks\ntick_by_run = yes\ntick_hz = %u\ntick_policy = %s\n"                    \
	"tick_ack = 100us\nprocesses = A:0.6 B:0.4\nburst = 25ms\n"

static const char overcommitted[] = HOST "[run]\nduration = %gs\n[vm guest]\ncount = %u\n" GUEST;
static const char then_alone[] = HOST "[run]\nduration = %gs\n[vm guest]\n" GUEST
				      "[vm other]\ncount = %u\nworkload = duty\nrandom = no\n"
				      "burst = %gs\nload = 0.0001\n";
static const char paused[] = HOST "[run]\nduration = %gs\n[vm guest]\n" GUEST
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
		p->max_clock_error = mean(r, "guest.behind.max");
	}
	run_free(r);
	scenario_free(s);
	return err;
}

/* The others have work for as long as the window, and are idle then. */
static int predict_alone(const struct ticks_config *c, enum tick_policy policy, struct failure *f,
			 struct ticks_prediction *p)
{
	double seconds = ns_to_s(c->seconds);
	struct scenario *s = NULL;
	struct run *r = NULL;
	char text[1024];
	int err;

	snprintf(text, sizeof(text), then_alone, seconds + ALONE, (unsigned)c->hz,
		 tick_rows[policy].name, (unsigned)c->vms - 1, seconds / (double)c->vms);
	if (c->vms == 1) /* a count of 0 is none */
		*strstr(text, "[vm other]") = '\0';
	err = simulate(text, SEEDS, f, &s, &r);
	if (!err)
		p->clock_error = mean(r, "guest.lag");
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

	if (!err)
		err = predict_alone(c, policy, f, &p);
	for (int i = 0; i < TICKS_PAUSES && !err; i++)
		err = predict_pause(c, policy, i, f, &p);
	if (!err)
		*ret = p;
	return err;
}
