/* SPDX-License-Identifier: MIT */
/* What came out, as a table for people and as JSON. */
#include "base/units.h"
#include "ticks/ticks.h"
#include "ticks/ticks_report.h"

#include <math.h>
#include <string.h>

#define SCHEMA "desched-ticks/1"

static double relative(double value, double truth)
{
	return truth > 0 ? value / truth - 1 : 0;
}

double ticks_error(const struct ticks *t, const struct ticks_policy *p, int process)
{
	double charged = 0, truth = 0;

	for (uint64_t i = 0; i < t->config.vms; i++) {
		charged += p->vms[i].processes[process].charged;
		truth += p->vms[i].processes[process].truth;
	}
	return relative(charged, truth);
}

double ticks_worst_error(const struct ticks *t, const struct ticks_policy *p)
{
	double worst = 0;

	for (uint64_t i = 0; i < t->config.vms; i++) {
		for (int k = 0; k < 2; k++) {
			const struct ticks_account *a = &p->vms[i].processes[k];
			double error = relative(a->charged, a->truth);

			worst = fabs(error) > fabs(worst) ? error : worst;
		}
	}
	return worst;
}

double ticks_vmdesched(const struct ticks *t, const struct ticks_policy *p)
{
	double sum = 0;

	for (uint64_t i = 0; i < t->config.vms; i++)
		sum += p->vms[i].vmdesched;
	return sum;
}

double ticks_ready(const struct ticks *t, const struct ticks_policy *p)
{
	double sum = 0;

	for (uint64_t i = 0; i < t->config.vms; i++)
		sum += p->vms[i].ready;
	return sum;
}

double ticks_max_clock_error(const struct ticks *t, const struct ticks_policy *p)
{
	double worst = 0;

	for (uint64_t i = 0; i < t->config.vms; i++)
		worst = fmax(worst, p->vms[i].max_clock_error);
	return worst;
}

uint64_t ticks_resyncs(const struct ticks *t, const struct ticks_policy *p)
{
	uint64_t sum = p->pauses[TICKS_61S].resyncs;

	for (uint64_t i = 0; i < t->config.vms; i++)
		sum += p->vms[i].resyncs;
	return sum;
}

/* In percent; what would be printed as "-0" is 0. */
static double percent(double ratio, double step)
{
	return fabs(100 * ratio) < step / 2 ? 0 : 100 * ratio;
}

static void put_charges(const struct ticks *t, FILE *out)
{
	fprintf(out, "Who is charged (sums over the VMs; simulated in brackets)\n\n");
	fprintf(out, "%-9s %18s %18s %9s   %-19s\n", "policy", "A is off by", "B is off by",
		"worst", "VMDesched against READY");
	for (uint32_t i = 0; i < t->n_policies; i++) {
		const struct ticks_policy *p = &t->policies[i];
		double charged = ticks_vmdesched(t, p), ready = ticks_ready(t, p);

		fprintf(out, "%-9s %+7.1f %% (%+5.0f %%) %+7.1f %% (%+5.0f %%) %+6.1f %%",
			tick_rows[p->policy].name, percent(ticks_error(t, p, 0), 0.1),
			percent(p->predicted.error[0], 1), percent(ticks_error(t, p, 1), 0.1),
			percent(p->predicted.error[1], 1), percent(ticks_worst_error(t, p), 0.1));
		if (charged > 0)
			fprintf(out, "   %.2f s of %.2f s: %+.1f %% (%+.0f %%)\n", charged, ready,
				percent(relative(charged, ready), 0.1),
				percent(p->predicted.vmdesched, 1));
		else
			fprintf(out, "   %.2f s of %.2f s\n", charged, ready);
	}
}

/* "12 ms (10 ms)", or "never". */
static void put_time(double seconds, char *to, size_t size)
{
	if (seconds < 0)
		snprintf(to, size, "never");
	else if (seconds < 1)
		snprintf(to, size, "%.0f ms", seconds * 1e3);
	else
		snprintf(to, size, "%.2f s", seconds);
}

static void put_pair(double measured, double predicted, int width, FILE *out)
{
	char a[32], b[32], both[72];

	put_time(measured, a, sizeof(a));
	put_time(predicted, b, sizeof(b));
	snprintf(both, sizeof(both), "%s (%s)", a, b);
	fprintf(out, " %*s", width, both);
}

static void put_clocks(const struct ticks *t, FILE *out)
{
	fprintf(out, "\nHow far the guests' clocks are behind\n\n");
	fprintf(out, "%-9s %22s %22s\n", "policy", "a second after all", "at most");
	for (uint32_t i = 0; i < t->n_policies; i++) {
		const struct ticks_policy *p = &t->policies[i];

		fprintf(out, "%-9s", tick_rows[p->policy].name);
		put_pair(p->clock_error, p->predicted.clock_error, 22, out);
		put_pair(ticks_max_clock_error(t, p), p->predicted.max_clock_error, 22, out);
		fputc('\n', out);
	}
}

static void put_pauses(const struct ticks *t, FILE *out)
{
	fprintf(out,
		"\nA VM alone is paused: backlog in ticks, and when its clock is right again\n\n");
	fprintf(out, "%-9s", "policy");
	for (int k = 0; k < TICKS_PAUSES; k++)
		fprintf(out, " %23s", ticks_pause_names[k]);
	fputc('\n', out);
	for (uint32_t i = 0; i < t->n_policies; i++) {
		const struct ticks_policy *p = &t->policies[i];

		fprintf(out, "%-9s", tick_rows[p->policy].name);
		for (int k = 0; k < TICKS_PAUSES; k++) {
			fprintf(out, " %4llu", (unsigned long long)p->pauses[k].backlog);
			put_pair(p->pauses[k].catchup, p->predicted.catchup[k], 18, out);
		}
		fprintf(out, "%s\n", p->pauses[TICKS_61S].resyncs ? "  resynchronized" : "");
	}
}

void ticks_table(const struct ticks *t, FILE *out)
{
	fprintf(out, "%u VMs with %u ticks a second on CPU %d, %.0f s a policy, READY from %s\n\n",
		(unsigned)t->config.vms, (unsigned)t->config.hz, t->config.cpu,
		ns_to_s(t->config.seconds), t->source);
	put_charges(t, out);
	put_clocks(t, out);
	if (t->config.pauses)
		put_pauses(t, out);
	fprintf(out, "\nTook %.0f s.\n", t->took);
}

static json_t *process(uint64_t vm, const char *name, const struct ticks_account *a)
{
	return json_pack("{sI ss sf sf sf}", "vm", (json_int_t)vm, "name", name, "charged_s",
			 a->charged, "truth_s", a->truth, "error", relative(a->charged, a->truth));
}

static json_t *processes(const struct ticks *t, const struct ticks_policy *p)
{
	json_t *list = json_array();

	for (uint64_t i = 0; i < t->config.vms; i++) {
		for (int k = 0; k < 2; k++)
			json_array_append_new(
				list, process(i, ticks_process_names[k], &p->vms[i].processes[k]));
	}
	return list;
}

static json_t *time_or_null(double seconds)
{
	return seconds < 0 ? json_null() : json_real(seconds);
}

/* An object with a member for each pause. */
static json_t *catchup(const struct ticks_policy *p, bool predicted)
{
	json_t *o = json_object();

	for (int k = 0; k < TICKS_PAUSES; k++)
		json_object_set_new(
			o, ticks_pause_names[k],
			time_or_null(predicted ? p->predicted.catchup[k] : p->pauses[k].catchup));
	return o;
}

static json_t *backlogs(const struct ticks_policy *p)
{
	json_t *o = json_object();

	for (int k = 0; k < TICKS_PAUSES; k++)
		json_object_set_new(o, ticks_pause_names[k],
				    json_integer((json_int_t)p->pauses[k].backlog));
	return o;
}

static json_t *prediction(const struct ticks_policy *p)
{
	const struct ticks_prediction *q = &p->predicted;

	return json_pack("{s{sf sf} sf sf sf so}", "errors", "A", q->error[0], "B", q->error[1],
			 "vmdesched_error", q->vmdesched, "clock_error_s", q->clock_error,
			 "max_clock_error_s", q->max_clock_error, "catchup_s", catchup(p, true));
}

static json_t *policy(const struct ticks *t, const struct ticks_policy *p)
{
	json_t *o = json_pack("{ss so sf sf sf sf sI so}", "policy", tick_rows[p->policy].name,
			      "processes", processes(t, p), "vmdesched_s", ticks_vmdesched(t, p),
			      "ready_s", ticks_ready(t, p), "clock_error_s", p->clock_error,
			      "max_clock_error_s", ticks_max_clock_error(t, p), "resyncs",
			      (json_int_t)ticks_resyncs(t, p), "predicted", prediction(p));

	if (t->config.pauses) {
		json_object_set_new(o, "catchup_s", catchup(p, false));
		json_object_set_new(o, "backlog", backlogs(p));
	}
	return o;
}

json_t *ticks_json(const struct ticks *t)
{
	json_t *list = json_array();

	for (uint32_t i = 0; i < t->n_policies; i++)
		json_array_append_new(list, policy(t, &t->policies[i]));
	return json_pack("{ss sI sI si sf sf so}", "schema", SCHEMA, "hz", (json_int_t)t->config.hz,
			 "vms", (json_int_t)t->config.vms, "cpus", 1, "seconds",
			 ns_to_s(t->config.seconds), "took_s", t->took, "policies", list);
}
