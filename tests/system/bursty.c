/* SPDX-License-Identifier: MIT */
/*
 * A busy process and a bursty one (2 ms of work, 9 ms of sleep) on a CPU of which they have half:
 * what each way of telling says that they had. The truth is the CPU time that was there, split by
 * the work that the processes count themselves (lab/truth.h). That is the vCPU thread's by the
 * host's kernel; under Xen, where a third process on the other of two vCPUs is the competition, the
 * time that passed, since one CPU was busy all the time. That machine's clock is its instructions:
 * there a unit costs the same whatever else this machine does.
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
#define OFF_TOTAL     0.005
#define RANGE_MAX     0.10 /* of the truth; a wider one says nothing */
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

	if (measure_take(&g->session, &g->session.machines[0], &f, &r))
		guests_die("%s", f.text);
	return r;
}

/* Xen's machine has the instructions that it executes for a clock: a second of it is not ours. */
static double rate = 1;

static double guest_clock(const json_t *answer)
{
	return json_number_value(json_object_get(answer, "clock_s"));
}

/* Works for that many of the guest's seconds, by about. Returns how many they were, in ns. */
static uint64_t work(struct guests *g, double seconds)
{
	double begin, length;
	uint64_t ours;

	begin = guest_clock(guests_order(g, 0, "start"));
	ours = clock_mono();
	guests_sleep(g, seconds / rate);
	ours = clock_mono() - ours;
	length = guest_clock(guests_order(g, 0, "stop")) - begin;
	if (xen)
		rate = length / ns_to_s(ours);
	return (uint64_t)(length * NS_PER_SEC);
}

/* From start to stop. The competition is there before and after. */
static struct lab_host let_run(struct guests *g, int n, double seconds, bool compete)
{
	struct reading a, b;
	struct lab_host window;
	uint64_t length;

	guests_prepare(g, 0, kinds, xen ? cpus : NULL, n);
	if (compete && !xen)
		guests_order(g, 1, "start");
	a = read_guest(g);
	length = work(g, seconds);
	b = read_guest(g);
	measure_window(&a, &b, &window);
	if (xen)
		window = (struct lab_host){.window = length, .run = length};
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

/*
 * A wake-up costs, and how much of that is its sleeper's in company nobody knows: the kernel
 * charges a part of it to who was there when the timer came. So the truth is a range, from units
 * that cost all the same to units that cost what they did alone. It is wide where wake-ups are
 * emulated by much work, a percent on a clock of instructions.
 */
struct range {
	double least, most; /* s */
};

static struct range truth_of(const struct lab_vm *vm, int index)
{
	struct truth_share same[CONTROL_WORKERS_MAX];
	double alone = ns_to_s(vm->processes[index].truth), scale, bare;

	for (int i = 0; i < vm->n_processes; i++)
		same[i] = (struct truth_share){.units = vm->processes[i].units, .unit_ns = 1};
	if (truth_split(vm->truth, same, vm->n_processes, &scale))
		guests_die("no work was done");
	bare = ns_to_s(same[index].truth);
	return (struct range){fmin(alone, bare), fmax(alone, bare)};
}

static double middle(struct range r)
{
	return (r.least + r.most) / 2;
}

static bool is_known(struct range r)
{
	return r.most >= 1 && r.most - r.least <= RANGE_MAX * r.most;
}

/* How far beyond the range, to its nearer end. */
static double beyond(struct range r, double value)
{
	return value > r.most ? value / r.most - 1 : value < r.least ? value / r.least - 1 : 0;
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

static void print_process(const struct lab_vm *vm, int index, double w, double ticks)
{
	const struct lab_process *p = &vm->processes[index];
	struct range range = truth_of(vm, index);
	double t = middle(range), proc = ns_to_s(p->reported), ours = (double)p->true_ns / 1e9;
	const double ways[] = {proc, ticks, w * proc, ours};

	printf("%-8s %7.3f..%-7.3f", p->kind, range.least, range.most);
	for (size_t i = 0; i < ARRAY_SIZE(ways); i++)
		printf(" %8.3f %+7.1f %%", ways[i], percent(ways[i], t));
	printf("%s%s\n", index >= N_MEASURED ? " (the competition)" : "",
	       is_known(range) ? "" : " (not judged)");
}

/* The table of four ways, and ours; each against the middle of the truth. */
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
	printf("%-8s %16s %18s %18s %18s %18s\n", "process", "truth", "/proc", "taskstats' ticks",
	       "one factor w", "desched");
	for (int i = 0; i < vm->n_processes; i++)
		print_process(vm, i, w,
			      json_number_value(json_object_get(json_array_get(workers, (size_t)i),
								"ticks_s")));
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

static bool judge_process(const struct lab_vm *vm, int index, double limit)
{
	const struct lab_process *p = &vm->processes[index];
	struct range truth = truth_of(vm, index);

	return !is_known(truth) ||
	       is_within(p->kind, beyond(truth, (double)p->true_ns / 1e9), limit);
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
		good &= judge_process(vm, i, wide * OFF_OURS);
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
	if (measure_fill(&g.session, &g.session.machines[0], vm, &f))
		guests_die("%s", f.text);
	lab_summarize(&g.result);
	print(&g, vm);
	good = judge(&g, vm, seconds);
	guests_end(&g);
	return good ? 0 : 1;
}
