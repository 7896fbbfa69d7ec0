/* SPDX-License-Identifier: MIT */
/* The truth by two traces: the guest's, which it left in its area, and this host's. */
#include "base/units.h"
#include "lab/gapjoin.h"
#include "lab/measure.h"
#include "wire/snapshot.h"

#include <errno.h>
#include <math.h>

#define DOUBT_MAX  0.01	 /* of the time that the vCPUs ran */
#define INSIDE_MAX 0.002 /* of all switches; more: the two do not fit together */

static int read_guest(const struct machine *m, struct failure *f, struct ftrace *ret)
{
	int err = ftrace_read(m->trace, TRACE_AREA_BYTES, ret);

	if (err)
		return failure_errno(f, err, "%s: the trace of its kernel", m->name);
	if (!ret->lost && ret->n_cpus == m->vm.n_vcpus)
		return 0;
	failure_set(f, -EREMOTEIO, "%s: its kernel's trace is of %u CPUs and lost %llu events",
		    m->name, ret->n_cpus, (unsigned long long)ret->lost);
	ftrace_done(ret);
	return -EREMOTEIO;
}

/* The guest's counter, in ns, at an instant of its CLOCK_MONOTONIC. */
static double trace_clock(const struct gapjoin *g, const struct control_report *r, uint64_t mono)
{
	double ticks_per_ns = (double)(r->last.ticks - r->first.ticks) /
			      (double)(r->last.mono - r->first.mono);

	return ((double)r->first.ticks + (double)(int64_t)(mono - r->first.mono) * ticks_per_ns) *
	       g->tick_ns;
}

/* Between which two instants of the guest's the snapshots lie. */
static int set_window(const struct control_report *r, struct gapjoin *g, struct failure *f)
{
	struct snapshot a, b;
	int err;

	if (!r->before || !r->after)
		return failure_set(f, -ENODATA, "its agent gave no snapshot");
	err = snapshot_decode(r->before, f, &a);
	if (err)
		return err;
	err = snapshot_decode(r->after, f, &b);
	if (!err) {
		g->from = trace_clock(g, r, a.clock.monotonic);
		g->to = trace_clock(g, r, b.clock.monotonic);
		snapshot_done(&b);
	}
	snapshot_done(&a);
	return err;
}

/* Where to look for the offset: the tightest exchange with the guest says between what it lies. */
static void set_range(const struct session *s, const struct machine *m, struct gapjoin *g)
{
	const struct machine_clock *c = &m->clock;
	double here;

	g->tick_ns = offcpu_tick_ns(s->offcpu);
	here = (double)c->guest.ticks * g->tick_ns;
	g->low = here - (double)c->after;
	g->high = here - (double)c->before;
}

static uint64_t doubt(const struct session *s, const struct machine *m)
{
	uint64_t sum = 0;

	for (uint32_t i = 0; i < m->vm.n_vcpus; i++)
		sum += offcpu_doubt(s->offcpu, m->vm.vcpus[i].tid);
	return sum;
}

static int check(const struct session *s, const struct machine *m, const struct gapjoin *g,
		 struct failure *f)
{
	if (offcpu_lost(s->offcpu))
		return failure_set(f, -EREMOTEIO, "this host lost %llu events of its trace",
				   (unsigned long long)offcpu_lost(s->offcpu));
	if ((double)doubt(s, m) > DOUBT_MAX * (g->true_ns + g->idle_ns))
		return failure_set(f, -EREMOTEIO,
				   "%s: this host's kernel kept switches to itself; %.3f s are in "
				   "doubt",
				   m->name, ns_to_s(doubt(s, m)));
	if ((double)g->inside > INSIDE_MAX * (double)g->switches)
		return failure_set(
			f, -EREMOTEIO,
			"%s: %llu of %llu switches of its trace lie in gaps of its vCPUs", m->name,
			(unsigned long long)g->inside, (unsigned long long)g->switches);
	return 0;
}

static void fill(const struct gapjoin *g, struct lab_vm *vm)
{
	vm->trace = (struct lab_trace){
		.has = true,
		.run = (uint64_t)llround(g->true_ns),
		.idle = (uint64_t)llround(g->idle_ns),
		.ready = (uint64_t)llround(g->ready_ns),
		.switches = g->switches,
		.gaps = g->n_gaps,
		.inside = g->inside,
		.drift = llround(g->drift_ns),
		.uncertain = (uint64_t)llround(g->uncertain_ns),
	};
	vm->truth = vm->trace.run;
	vm->scale = NAN;
	for (int i = 0; i < vm->n_processes; i++) {
		struct lab_process *p = &vm->processes[i];

		p->truth = g->workers[i].true_ns > 0 ? (uint64_t)g->workers[i].true_ns : 0;
	}
}

static int join(const struct session *s, const struct machine *m,
		const struct control_report *report, const struct ftrace *guest, struct lab_vm *vm,
		struct failure *f)
{
	struct gapjoin_worker workers[CONTROL_WORKERS_MAX];
	struct gapjoin g = {.guest = guest, .workers = workers, .n_workers = report->n};
	int err;

	for (int i = 0; i < report->n; i++)
		workers[i].pid = (uint32_t)report->workers[i].pid;
	for (uint32_t i = 0; i < m->vm.n_vcpus; i++)
		g.gaps[i] = offcpu_gaps(s->offcpu, m->vm.vcpus[i].tid);
	set_range(s, m, &g);
	err = set_window(report, &g, f);
	if (err)
		return err;
	err = gapjoin_run(&g);
	if (err)
		return failure_errno(f, err, "%s: its kernel's trace and this host's", m->name);
	err = check(s, m, &g, f);
	if (err)
		return err;
	fill(&g, vm);
	vm->trace.doubt = doubt(s, m);
	return 0;
}

int measure_trace(const struct session *s, const struct machine *m,
		  const struct control_report *report, struct lab_vm *vm, struct failure *f)
{
	struct ftrace guest;
	int err = read_guest(m, f, &guest);

	if (err)
		return err;
	err = join(s, m, report, &guest, vm, f);
	ftrace_done(&guest);
	return err;
}
