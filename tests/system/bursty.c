/* SPDX-License-Identifier: MIT */
/*
 * A busy process and a bursty one (2 ms of work, 9 ms of sleep) on a CPU of which they have half:
 * what each way of telling says that they had. The truth is the CPU time that was there, split by
 * the work that the processes count themselves (lab/truth.h). That is the vCPU thread's by the
 * host's kernel; under Xen, where a third process on the other of two vCPUs is the competition, the
 * time that passed, since one CPU was busy all the time.
 *
 *     with-guest.sh BUILD tcg|kvm|xen bursty SECONDS [KIND]
 *
 * KIND in the place of `bursty` is another kind of work (lab/guest/kinds.c).
 */
#include "guests.h"

#include "base/clock.h"
#include "base/units.h"
#include "lab/measure.h"
#include "lab/truth.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define ALONE_S	      5
#define LENGTH_S      20   /* shorter runs are held to wide limits */
#define OFF_PROC      0.5  /* what /proc is off by at least, for the busy one */
#define OFF_OURS      0.03 /* of a process with at least a second */
#define OFF_XEN	      0.05 /* emulated, where the wake-ups of `duty` cost 3 to 5 % of it */
#define OFF_TOTAL     0.005
#define STEAL_SLACK_S 0.05 /* ticks of two CPUs, and what lies between the readings */
#define WIDE	      5
#define N_MEASURED    2 /* of `kinds`; the third is the competition under Xen */

static const char *kinds[] = {"spin", "bursty", "spin"};
static const int cpus[] = {0, 0, 1}; /* under Xen, where all else is on the second one, too */
static bool xen;

static struct reading read_guest(struct guests *g)
{
	struct reading r;
	struct failure f;

	if (reading_take(&g->session, &g->session.machines[0], &f, &r))
		guests_die("%s", f.text);
	return r;
}

/* From start to stop. The competition is there before and after. */
static struct lab_host let_run(struct guests *g, int n, double seconds, bool compete)
{
	struct reading a, b;
	struct lab_host window;
	uint64_t begin, end;

	guests_prepare(g, 0, kinds, xen ? cpus : NULL, n);
	if (compete && !xen)
		guests_order(g, 1, "start");
	a = read_guest(g);
	begin = clock_mono();
	guests_order(g, 0, "start");
	guests_sleep(g, seconds);
	guests_order(g, 0, "stop");
	end = clock_mono();
	b = read_guest(g);
	reading_window(&a, &b, &window);
	if (xen)
		window = (struct lab_host){.window = end - begin, .run = end - begin};
	if (compete && !xen)
		guests_order(g, 1, "stop");
	guests_order(g, 0, "collect");
	return window;
}

static void parse(struct guests *g, struct control_report *report)
{
	struct failure f;

	if (control_parse_report(g->session.machines[0].line, &f, report))
		guests_die("%s", f.text);
}

static void take_costs(struct guests *g, const struct control_report *report)
{
	struct truth_sample samples[CONTROL_WORKERS_MAX];
	struct lab_result *r = &g->result;

	for (int i = 0; i < report->n; i++) {
		const struct control_worker *w = &report->workers[i];

		samples[i] = (struct truth_sample){w->cpu, w->units, w->steady, 0};
	}
	truth_costs(samples, report->n);
	r->n_costs = report->n;
	for (int i = 0; i < report->n; i++) {
		memcpy(r->costs[i].kind, report->workers[i].kind, sizeof(r->costs[i].kind));
		r->costs[i].unit_ns = samples[i].unit_ns;
		printf("a unit of %s: %.0f ns\n", r->costs[i].kind, samples[i].unit_ns);
	}
}

/* What a unit of each costs while nobody takes the CPU away: the guest's kernel is right then. */
static void learn_costs(struct guests *g)
{
	struct machine *m = &g->session.machines[0];
	struct control_report report;

	machine_favour(m, true);
	let_run(g, 1, 1, false);
	parse(g, &report);
	g->session.unit_ns = report.workers[0].cpu / u64_max(report.workers[0].units, 1);
	g->result.calibration = let_run(g, N_MEASURED, ALONE_S, false);
	parse(g, &report);
	machine_favour(m, false);
	g->result.calibration_others = report.others;
	take_costs(g, &report);
}

static double percent(double value, double truth)
{
	return 100 * (value / truth - 1);
}

/* Of a process that is not steady the truth is known no better than what its wake-ups cost: much,
 * and not the same in company, where both the hypervisor and the processor are emulated. */
static bool is_judged(const struct lab_process *p)
{
	return p->truth >= NS_PER_SEC && (p->steady || !xen);
}

static bool by_steal(const struct lab_vm *vm)
{
	return !strcmp(vm->guest.source, "steal");
}

/* What the guest's /proc/stat says of the time between its two readings. */
static double steal_column(const struct guests *g)
{
	const json_t *line = g->session.machines[0].line;

	return json_number_value(json_object_get(json_object_get(line, "after"), "steal_s")) -
	       json_number_value(json_object_get(json_object_get(line, "before"), "steal_s"));
}

/* The table of four ways, and ours. */
static void print(const struct guests *g, const struct lab_vm *vm)
{
	const json_t *workers = json_object_get(g->session.machines[0].line, "workers");
	double truth = 0, reported = 0, w;

	for (int i = 0; i < N_MEASURED; i++) {
		truth += ns_to_s(vm->processes[i].truth);
		reported += ns_to_s(vm->processes[i].reported);
	}
	w = truth / reported;
	printf("source %s, %.1f s, %.1f %% descheduled\n", vm->guest.source,
	       ns_to_s(vm->host.window), 100 * (1 - w));
	printf("%-8s %8s %18s %18s %18s %18s\n", "process", "truth", "/proc", "taskstats' ticks",
	       "one factor w", "desched");
	for (int i = 0; i < vm->n_processes; i++) {
		const struct lab_process *p = &vm->processes[i];
		double t = ns_to_s(p->truth), proc = ns_to_s(p->reported);
		double ticks = json_number_value(
			json_object_get(json_array_get(workers, (size_t)i), "ticks_s"));
		double ours = (double)p->true_ns / 1e9;

		printf("%-8s %8.3f %8.3f %+7.1f %% %8.3f %+7.1f %% %8.3f %+7.1f %% %8.3f %+7.1f "
		       "%%%s\n",
		       p->kind, t, proc, percent(proc, t), ticks, percent(ticks, t), w * proc,
		       percent(w * proc, t), ours, percent(ours, t),
		       i >= N_MEASURED ? " (the competition)"
		       : is_judged(p)  ? ""
				       : " (not judged)");
	}
	printf("all of them: %+.2f %% of what the host gave; descheduled %.3f s",
	       100 * vm->error_sum, (double)vm->guest.descheduled / 1e9);
	if (!xen)
		printf(", by the host %.3f s (%+.2f %%)", ns_to_s(lab_host_ready(&vm->host)),
		       100 * vm->error_descheduled);
	if (by_steal(vm))
		printf(", the steal column %.2f s", steal_column(g));
	printf("\n");
}

static bool is_within(const char *what, double value, double limit)
{
	bool good = fabs(value) <= limit;

	if (!good)
		printf("%s: off by %+.2f %%, at most %.2f %% expected\n", what, 100 * value,
		       100 * limit);
	return good;
}

static bool judge(const struct guests *g, const struct lab_vm *vm, double seconds)
{
	double wide = seconds < LENGTH_S ? WIDE : 1;
	bool good = is_within("the sum", vm->error_sum, wide * OFF_TOTAL);

	if (by_steal(vm))
		good &= fabs(steal_column(g) - (double)vm->guest.descheduled / 1e9) <=
			STEAL_SLACK_S + wide * OFF_TOTAL * steal_column(g);
	if (!xen)
		good &= is_within("descheduled", vm->error_descheduled, wide * OFF_TOTAL);
	for (int i = 0; i < vm->n_processes; i++)
		good &= !is_judged(&vm->processes[i]) ||
			is_within(vm->processes[i].kind, vm->processes[i].error_true,
				  wide * (xen ? OFF_XEN : OFF_OURS));
	if (vm->processes[0].error_reported < OFF_PROC) {
		printf("/proc is off by %+.1f %% only: was nobody else on the CPU?\n",
		       100 * vm->processes[0].error_reported);
		good = false;
	}
	return good;
}

int main(int argc, char **argv)
{
	double seconds = argc > 1 ? atof(argv[1]) : LENGTH_S;
	struct guests g;
	struct lab_vm *vm;
	struct failure f;
	bool good;

	if (argc > 2)
		kinds[1] = argv[2];
	setvbuf(stdout, NULL, _IOLBF, 0);
	xen = !strcmp(guests_kind(), "xen");
	guests_begin(&g, xen ? 1 : 2);
	if (xen)
		guests_run(&g, 0, "taskset -p 2 1; taskset -p 2 $(pidof vmdesched)");
	learn_costs(&g);
	if (!xen)
		guests_prepare(&g, 1, kinds, NULL, 1);
	vm = &g.result.vms[0];
	vm->host = let_run(&g, xen ? 3 : N_MEASURED, seconds, true);
	if (measure_fill(g.session.machines[0].line, &g.result, vm, &f))
		guests_die("%s", f.text);
	lab_summarize(&g.result);
	print(&g, vm);
	good = judge(&g, vm, seconds);
	guests_end(&g);
	return good ? 0 : 1;
}
