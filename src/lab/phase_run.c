/* SPDX-License-Identifier: MIT */
/*
 * Measuring: the quiet guests, the cost of a work unit, and the run. A guest takes its readings and
 * the host takes its own while that guest is idle, right after and right before: both windows are
 * the same but for the talking. What an idle guest costs is the base that is subtracted.
 */
#include "base/clock.h"
#include "base/units.h"
#include "lab/measure.h"
#include "lab/phases.h"
#include "lab/truth.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <string.h>

#define SETTLE_NS    (500 * NS_PER_MS)
#define REFERENCE_NS (1 * NS_PER_SEC)
#define MIX_NS	     (8 * NS_PER_SEC)
#define MIX_TRIES    2
#define DISTURBED    0.10 /* READY to RUN; the helper threads of QEMU alone make 0.04 to 0.07 */

/* Reads a machine; one that cannot be read has failed. */
static void read_one(struct session *s, int index, struct reading r[])
{
	struct machine *m = &s->machines[index];
	struct failure why;

	if (m->failure[0] || !measure_take(s, m, &why, &r[index]))
		return;
	machine_read_console(m); /* its end is the better story */
	machine_fail(m, "%.200s", why.text);
}

/* A command to one machine or to all (NULL). Their failures stay theirs: see phase_failure(). */
static int command(struct session *s, struct machine *one, const char *name)
{
	session_ask(s, one, name);
	return session_await(s, one, name);
}

/* Parks a worker for each of the first n kinds. */
static int prepare(struct session *s, struct machine *m, int n, bool snapshot)
{
	json_t *list = json_array();
	int err;

	for (int i = 0; i < n; i++)
		json_array_append_new(list, json_string(s->kinds.names[i]));
	err = machine_ask(m, json_pack("{s:s, s:o, s:I, s:b, s:b}", "do", "prepare", "kinds", list,
				       "unit_ns", (json_int_t)s->unit_ns, "snapshot", snapshot,
				       "trace", snapshot && s->offcpu));
	if (err)
		machine_fail(m, "'prepare' could not be sent: %s", strerror(-err));
	return session_await(s, m, "prepare");
}

/* From start to stop, on one machine or all. A machine that fails ends it early: what was measured
 * until then is good. */
static int let_run(struct session *s, struct machine *one, uint64_t ns)
{
	uint64_t end, now;
	int err = command(s, one, "start");

	end = clock_mono() + ns;
	while (!err && (now = clock_mono()) < end) {
		if (!one)
			session_say(s, "%.0f s left", ns_to_s(end - now));
		err = session_sleep(s, u64_min(NS_PER_SEC, end - now));
	}
	return err < 0 ? err : command(s, one, "stop");
}

/* The first n kinds on the first machine, which has the CPUs to itself. */
static int run_alone(struct session *s, int n, uint64_t ns, struct failure *f,
		     struct lab_host *ret_window, struct control_report *ret_report)
{
	struct reading before[LAB_VMS_MAX], after[LAB_VMS_MAX];
	struct machine *m = &s->machines[0];
	int err = prepare(s, m, n, false);

	if (!err)
		read_one(s, 0, before);
	if (!err)
		err = let_run(s, m, ns);
	if (!err)
		read_one(s, 0, after);
	if (!err)
		err = command(s, m, "collect");
	if (!err)
		err = phase_failure(s, f);
	if (!err)
		err = control_parse_report(m->line, f, ret_report);
	if (!err)
		measure_window(&before[0], &after[0], ret_window);
	return err;
}

/* How long a unit of the reference kind takes here: the other kinds are made to its measure. */
static int learn_reference(struct session *s, struct failure *f)
{
	struct control_report report;
	struct lab_host window;
	double cost;
	int err;

	session_say(s, "the length of a unit of '%s'", s->kinds.names[0]);
	err = run_alone(s, 1, REFERENCE_NS, f, &window, &report);
	if (err)
		return err;
	cost = truth_unit_cost(window.run, report.workers[0].units);
	if (isnan(cost))
		return failure_set(f, -EREMOTEIO, "%s: '%s' did no unit of work",
				   s->machines[0].name, s->kinds.names[0]);
	s->unit_ns = (uint64_t)llround(cost);
	return 0;
}

static int take_costs(const struct session *s, const struct control_report *report,
		      struct failure *f)
{
	struct truth_sample samples[CONTROL_WORKERS_MAX];
	struct lab_result *r = s->result;

	for (int i = 0; i < report->n; i++) {
		const struct control_worker *w = &report->workers[i];

		samples[i] = (struct truth_sample){w->cpu, w->units, w->steady, 0};
	}
	truth_costs(samples, report->n);
	for (int i = 0; i < report->n; i++) {
		const struct control_worker *w = &report->workers[i];
		struct lab_cost *c = &r->costs[i];

		memcpy(c->kind, w->kind, sizeof(c->kind));
		c->units = w->units;
		c->cpu = w->cpu;
		c->unit_ns = samples[i].unit_ns;
		if (isnan(c->unit_ns))
			return failure_set(
				f, -EREMOTEIO,
				"%s: '%s' did %" PRIu64 " units of work in %" PRIu64 " ms",
				s->machines[0].name, w->kind, w->units, w->cpu / NS_PER_MS);
		r->n_costs = i + 1;
	}
	return 0;
}

static double disturbance(const struct lab_host *window)
{
	return (double)window->ready / ((double)window->run + 1);
}

/* The calibration wants a VM that has the CPU to itself. Where others use it, another window may be
 * better; the best one counts. */
static int find_costs(struct session *s, struct failure *f)
{
	struct lab_host *best = &s->result->calibration;

	for (int i = 0; i < MIX_TRIES; i++) {
		struct control_report report;
		struct lab_host window;
		int err;

		session_say(s, "what units cost%s", i ? ", once more: others use this CPU" : "");
		err = run_alone(s, s->kinds.n, MIX_NS, f, &window, &report);
		if (err)
			return err;
		if (i && disturbance(&window) >= disturbance(best))
			continue;
		*best = window;
		s->result->calibration_others = report.others;
		err = take_costs(s, &report, f);
		if (err)
			return err;
		if (disturbance(best) < DISTURBED)
			break;
	}
	return 0;
}

/* Two traces, where this host has tracepoints for us; else work units. */
static int choose_truth(struct session *s, struct failure *f)
{
	pid_t tids[LAB_VMS_MAX * LAB_VCPUS_MAX];
	struct lab_result *r = s->result;
	struct failure why;
	size_t n = 0;
	int err;

	if (!strcmp(s->options->truth, "units"))
		return 0;
	for (int i = 0; i < s->n; i++)
		for (uint32_t k = 0; k < s->machines[i].vm.n_vcpus; k++)
			tids[n++] = s->machines[i].vm.vcpus[k].tid;
	err = offcpu_open(tids, n, &why, &s->offcpu);
	r->traced = !err;
	if (!err)
		return 0;
	if (!strcmp(s->options->truth, "trace"))
		return failure_set(f, err, "--truth trace: %.300s", why.text);
	if (!r->note[0])
		snprintf(r->note, sizeof(r->note), "truth is by work units; %.180s", why.text);
	return 0;
}

int phase_calibrate(struct session *s, struct failure *f)
{
	int err = choose_truth(s, f);

	if (err)
		return err;

	session_say(s, "letting all guests come to rest");
	if (session_sleep(s, SETTLE_NS))
		return s->signal ? -EINTR : phase_failure(s, f);
	machine_favour(&s->machines[0], true);
	err = learn_reference(s, f);
	if (!err && !s->offcpu)
		err = find_costs(s, f);
	machine_favour(&s->machines[0], false);
	return err;
}

/* One after the other: the host reads each machine as soon as the guest has read itself and is idle
 * again. What the other machines do until all are ready is in both their windows. */
static int prepare_all(struct session *s, struct reading before[], struct failure *f)
{
	int n = s->kinds.n + (s->offcpu ? s->kinds.n_traced : 0);

	for (int i = 0; i < s->n; i++) {
		int err;

		machine_favour(&s->machines[i], true);
		err = prepare(s, &s->machines[i], n, true);
		if (err)
			return err;
		read_one(s, i, before);
		machine_favour(&s->machines[i], false);
	}
	return phase_failure(s, f);
}

/* What a machine has to say for itself, before its failure is overwritten by switching it off. */
static void note_failure(const struct machine *m, struct lab_vm *vm)
{
	const struct control_agent *a = &m->answer.agent;

	if (m->failure[0])
		snprintf(vm->failure, sizeof(vm->failure), "%s", m->failure);
	else if (!a->alive)
		snprintf(vm->failure, sizeof(vm->failure),
			 "its agent (vmdesched) ended in the middle, %.60s: %.100s", a->ended,
			 a->said);
	if (m->failure[0])
		machine_last_lines(m, 8, vm->console, sizeof(vm->console));
}

static int collect(struct session *s, const struct reading before[])
{
	struct reading after[LAB_VMS_MAX];

	for (int i = 0; i < s->n; i++) {
		struct machine *m = &s->machines[i];
		struct lab_vm *vm = &s->result->vms[i];
		struct failure why;

		session_say(s, "figures of %s", m->name);
		machine_favour(m, true);
		read_one(s, i, after);
		session_ask(s, m, "collect");
		if (session_await(s, m, "collect"))
			return -EINTR;
		if (s->offcpu)
			offcpu_drain(s->offcpu);
		note_failure(m, vm);
		if (m->failure[0])
			continue;
		measure_window(&before[i], &after[i], &vm->host);
		if (measure_fill(s, m, vm, &why) && !vm->failure[0])
			snprintf(vm->failure, sizeof(vm->failure), "%.250s", why.text);
	}
	return 0;
}

static int result_failure(const struct lab_result *r, struct failure *f)
{
	for (int i = 0; i < r->n_vms; i++) {
		if (r->vms[i].failure[0])
			return failure_set(f, -EREMOTEIO, "%s: %s", r->vms[i].name,
					   r->vms[i].failure);
	}
	return 0;
}

/* The same work, which nothing is measured of. */
static int warm_up(struct session *s, struct failure *f)
{
	int err = 0;

	for (int i = 0; !err && i < s->n; i++)
		err = prepare(s, &s->machines[i], s->kinds.n, false);
	if (!err)
		err = let_run(s, NULL, s->options->warm_up);
	if (!err)
		err = command(s, NULL, "collect");
	return err ? err : phase_failure(s, f);
}

int phase_run(struct session *s, struct failure *f)
{
	struct reading before[LAB_VMS_MAX];
	uint64_t steal;
	int err = s->options->warm_up ? warm_up(s, f) : 0;

	if (err)
		return err;
	steal = measure_host_steal(s);
	session_say(s, "preparing");
	err = prepare_all(s, before, f);
	if (!err)
		err = let_run(s, NULL, s->options->seconds);
	if (!err)
		err = collect(s, before);
	s->result->steal = u64_sub_floor(measure_host_steal(s), steal);
	return err ? err : result_failure(s->result, f);
}
