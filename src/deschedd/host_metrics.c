/* SPDX-License-Identifier: MIT */
#include "deschedd/host_metrics.h"

#include "base/clock.h"
#include "base/units.h"
#include "service/prometheus.h"

#include <desched/ledger.h>

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* What a value is of: the host, or one of its VMs, vCPUs, states. */
struct of {
	const struct host_metrics_input *in;
	const struct host_frame_vm *vm;
	const struct host_frame_vcpu *vcpu; /* or the sum of them */
	uint32_t state;
	const struct host_frame_exit *exit; /* of one class, of one vCPU or all */
};

#define VALUE(name, expression)                                                                    \
	static double name(const struct of *of)                                                    \
	{                                                                                          \
		return (double)(expression);                                                       \
	}

static size_t count_live(const struct host_frame *f)
{
	size_t n = 0;

	for (size_t i = 0; i < f->n_vms; i++)
		n += !f->vms[i].ended;
	return n;
}

VALUE(one, of ? 1 : 0)
VALUE(elapsed, ns_to_s(of->in->frame->elapsed))
VALUE(vms, count_live(of->in->frame))
VALUE(came, of->in->frame->counters.came)
VALUE(unmeasured, of->in->frame->n_unseen)
VALUE(not_entered, of->in->frame->counters.not_entered)
VALUE(beyond, of->in->frame->counters.beyond)
VALUE(gaps, of->in->frame->counters.gaps)
VALUE(gaps_lost, of->in->frame->gaps_lost)
VALUE(not_counted, of->in->not_counted)
VALUE(exits, of->in->frame->counters.kvm_exits)
VALUE(missed, of->in->frame->counters.missed)
VALUE(bpf_runs, of->in->frame->counters.bpf_runs)
VALUE(bpf, ns_to_s(of->in->frame->counters.bpf))
VALUE(no_memory, of->in->frame->counters.no_memory)
VALUE(late, of->in->late)
VALUE(late_s, ns_to_s(of->in->late_ns))
VALUE(long_waits, of->in->gaps->total)
VALUE(long_wait_s, ns_to_s(of->in->gaps->total_ns))
VALUE(long_wait_longest, ns_to_s(of->in->gaps->longest_ns))
VALUE(unlogged, of->in->gaps->unlogged)
VALUE(vcpus, of->vm->n_vcpus)
VALUE(overhead, ns_to_s(of->vm->overhead))
VALUE(resident, of->vm->rss)
VALUE(page, host_frame_has_page(of->vm))
VALUE(state, ns_to_s(of->vcpu->ns[of->state]))
VALUE(vcpu_gaps_lost, of->vcpu->gaps_lost)
VALUE(busy, ns_to_s(of->vcpu->busy))
VALUE(runaway, of->vcpu->runaway && of->vcpu->quiet)
VALUE(class_exits, of->exit->n)
VALUE(class_exit_s, ns_to_s(of->exit->ns))
VALUE(class_trips, of->exit->trips)
VALUE(class_trip_s, ns_to_s(of->exit->trips_ns))

static double own_cpu(const struct of *of)
{
	struct timespec ts = {0};

	(void)of;
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

/* Of what there is a sample each. */
enum per {
	PER_HOST,
	PER_INFO,
	PER_VM,
	PER_VM_INFO,
	PER_VCPU,
	PER_STATE,
	PER_CLASS,
	PER_BOUND,
	PER_DELAY,
};

static const char *const labels_of[] = {
	[PER_HOST] = "",
	[PER_INFO] = "version,source",
	[PER_VM] = "vm,uuid",
	[PER_VM_INFO] = "vm,uuid,name,pid,found_by",
	[PER_VCPU] = "vm,uuid,vcpu",
	[PER_STATE] = "vm,uuid,vcpu,state",
	[PER_CLASS] = "vm,uuid,vcpu,class",
	[PER_BOUND] = "vm,uuid,le",
	[PER_DELAY] = "vm,uuid,le",
};

static const struct metric {
	const char *name, *type;
	enum per per;
	const char *help;
	double (*value)(const struct of *of); /* NULL: of a histogram */
} metrics[] = {
	{"desched_host_info", "gauge", PER_INFO, "who measures, and how ledgers are kept", one},
	{"desched_host_elapsed_seconds_total", "counter", PER_HOST, "time since measuring began",
	 elapsed},
	{"desched_host_vms", "gauge", PER_HOST, "VMs that are measured", vms},
	{"desched_host_vms_seen_total", "counter", PER_HOST, "VMs that were measured so far", came},
	{"desched_host_unmeasured_vms", "gauge", PER_HOST,
	 "VMs that cannot be measured: the log says why", unmeasured},
	{"desched_host_refused_vms_total", "counter", PER_HOST,
	 "times that there was no room for a VM in the ledger", not_entered},
	{"desched_host_bounded_vms_total", "counter", PER_HOST,
	 "times that a VM was not measured since its user has too many", beyond},
	{"desched_vm_info", "gauge", PER_VM_INFO, "which process it is, and who found it", one},
	{"desched_vm_vcpus", "gauge", PER_VM, "virtual CPUs of the VM", vcpus},
	{"desched_vcpu_seconds_total", "counter", PER_STATE,
	 "time of a virtual CPU by state; all states together are its wall time", state},
	{"desched_vcpu_wait_seconds", "histogram", PER_BOUND,
	 "single times for which a virtual CPU of the VM wanted to run and did not", NULL},
	{"desched_vm_interrupt_delay_seconds", "histogram", PER_DELAY,
	 "from a device's interrupt on the host until the virtual CPU ran that it was for, where "
	 "that is recorded",
	 NULL},
	{"desched_vcpu_busy_seconds", "gauge", PER_VCPU,
	 "how long the virtual CPU has not been idle", busy},
	{"desched_vcpu_runaway", "gauge", PER_VCPU,
	 "1: for longer than the limit it has not halted and shows no sign of work; only where its "
	 "exits are known",
	 runaway},
	{"desched_vcpu_exits_total", "counter", PER_CLASS,
	 "times that the virtual CPU left its guest, by what for, where that is counted",
	 class_exits},
	{"desched_vcpu_exit_seconds_total", "counter", PER_CLASS,
	 "CPU time of these in the host's kernel", class_exit_s},
	{"desched_vcpu_trips_total", "counter", PER_CLASS, "of these, trips to the VM's monitor",
	 class_trips},
	{"desched_vcpu_trip_seconds_total", "counter", PER_CLASS,
	 "CPU time of trips in the monitor", class_trip_s},
	{"desched_vcpu_gaps_lost_total", "counter", PER_VCPU,
	 "waits that were not recorded one by one; their time is counted", vcpu_gaps_lost},
	{"desched_vm_overhead_seconds_total", "counter", PER_VM,
	 "CPU time of the VM's threads that are no virtual CPUs", overhead},
	{"desched_vm_resident_bytes", "gauge", PER_VM, "memory of the VM's process", resident},
	{"desched_vm_page_written", "gauge", PER_VM, "1: its guest has a ledger page", page},
	{"desched_host_gaps_total", "counter", PER_HOST, "waits that were recorded", gaps},
	{"desched_host_gaps_lost_total", "counter", PER_HOST, "waits that found a full buffer",
	 gaps_lost},
	{"desched_host_gaps_uncounted_total", "counter", PER_HOST,
	 "waits that are in no histogram for want of memory", not_counted},
	{"desched_host_long_waits_total", "counter", PER_HOST, "waits beyond the threshold",
	 long_waits},
	{"desched_host_long_wait_seconds_total", "counter", PER_HOST, "time in such waits",
	 long_wait_s},
	{"desched_host_long_wait_longest_seconds", "gauge", PER_HOST, "the longest of them so far",
	 long_wait_longest},
	{"desched_host_long_waits_unlogged_total", "counter", PER_HOST,
	 "such waits that were too many to log", unlogged},
	{"desched_host_kvm_exits_total", "counter", PER_HOST,
	 "exits of virtual CPUs, where the kernel has KVM's tracepoints", exits},
	{"desched_host_missed_switches_total", "counter", PER_HOST,
	 "context switches of virtual CPUs that the kernel did not report", missed},
	{"desched_host_bpf_runs_total", "counter", PER_HOST,
	 "runs of the BPF programs, where kernel.bpf_stats_enabled is 1", bpf_runs},
	{"desched_host_bpf_seconds_total", "counter", PER_HOST, "and their time", bpf},
	{"desched_host_cpu_seconds_total", "counter", PER_HOST, "CPU time of deschedd itself",
	 own_cpu},
	{"desched_host_late_steps_total", "counter", PER_HOST,
	 "times that deschedd came too late to measure", late},
	{"desched_host_late_seconds_total", "counter", PER_HOST, "by how much in all", late_s},
	{"desched_host_no_memory_total", "counter", PER_HOST,
	 "looks for VMs that failed for want of memory or descriptors", no_memory},
};

/* ---- labels ---- */

#define LABELS_MAX 5

/* What a VM is called in labels; `vm` is NULL for one that has no series. */
struct named {
	const struct host_frame_vm *vm;
	char name[64 + 16];
	struct host_frame_vcpu sum;
	const struct waits *waits;
};

struct put {
	FILE *to;
	const struct host_metrics_input *in;
	struct named *vms;
	size_t n;
};

static int compare(const void *a, const void *b)
{
	const struct host_frame_vm *x = ((const struct named *)a)->vm;
	const struct host_frame_vm *y = ((const struct named *)b)->vm;
	int names = strcmp(x->name, y->name);

	return names ? names : strcmp(x->uuid, y->uuid);
}

/* Two series of the same labels would cost a collector all of them. */
static void name_vms(struct put *p)
{
	qsort(p->vms, p->n, sizeof(*p->vms), compare);
	for (size_t i = 0; i < p->n; i++) {
		struct named *x = &p->vms[i];
		bool twice = (i > 0 && !compare(x, x - 1)) || (i + 1 < p->n && !compare(x, x + 1));

		if (twice)
			snprintf(x->name, sizeof(x->name), "%s (%d)", x->vm->name, x->vm->pid);
		else
			snprintf(x->name, sizeof(x->name), "%s", x->vm->name);
	}
}

static void sum_vcpus(struct named *x)
{
	for (size_t v = 0; v < x->vm->n_vcpus; v++) {
		for (uint32_t s = 0; s < LEDGER_STATES; s++)
			x->sum.ns[s] += x->vm->vcpus[v].ns[s];
		x->sum.gaps_lost += x->vm->vcpus[v].gaps_lost;
		x->sum.busy = u64_max(x->sum.busy, x->vm->vcpus[v].busy);
		if (!x->vm->vcpus[v].runaway || !x->vm->vcpus[v].quiet)
			continue;
		x->sum.runaway = true;
		x->sum.quiet = x->vm->vcpus[v].quiet;
	}
}

static int find_vms(struct put *p)
{
	const struct host_frame *f = p->in->frame;

	p->vms = calloc(f->n_vms + 1, sizeof(*p->vms));
	if (!p->vms)
		return -ENOMEM;
	for (size_t i = 0; i < f->n_vms; i++) {
		struct named *x = &p->vms[p->n];

		if (f->vms[i].ended)
			continue;
		x->vm = &f->vms[i];
		x->waits = known_waits(p->in->known, x->vm->pid, x->vm->since);
		sum_vcpus(x);
		p->n++;
	}
	name_vms(p);
	return 0;
}

/* ---- samples ---- */

static void put_sample(const struct put *p, const struct metric *m, const struct of *of,
		       const struct prometheus_label *labels, size_t n)
{
	prometheus_sample(p->to, m->name, labels, n, 15, m->value(of));
}

static void put_states(const struct put *p, const struct metric *m, struct of *of,
		       struct prometheus_label *labels)
{
	for (of->state = 0; of->state < LEDGER_STATES; of->state++) {
		labels[3] = (struct prometheus_label){"state", ledger_state_name(of->state)};
		put_sample(p, m, of, labels, 4);
	}
}

static void put_vcpu(const struct put *p, const struct metric *m, struct of *of,
		     struct prometheus_label *labels, const char *name)
{
	labels[2] = (struct prometheus_label){"vcpu", name};
	if (m->per == PER_STATE)
		put_states(p, m, of, labels);
	else
		put_sample(p, m, of, labels, 3);
}

static void put_vcpus(const struct put *p, const struct metric *m, const struct named *x,
		      struct prometheus_label *labels)
{
	struct of of = {.in = p->in, .vm = x->vm, .vcpu = &x->sum};

	if (!p->in->vcpus)
		put_vcpu(p, m, &of, labels, "all");
	for (size_t v = 0; p->in->vcpus && v < x->vm->n_vcpus; v++) {
		char name[16];

		snprintf(name, sizeof(name), "%u", x->vm->vcpus[v].index);
		of.vcpu = &x->vm->vcpus[v];
		put_vcpu(p, m, &of, labels, name);
	}
}

static void put_class(const struct put *p, const struct metric *m, const struct host_frame_vm *vm,
		      const struct host_frame_exit *exit, struct prometheus_label *labels)
{
	const struct of of = {.in = p->in, .vm = vm, .exit = exit};
	char name[16] = "all";

	if (p->in->vcpus)
		snprintf(name, sizeof(name), "%u", exit->vcpu);
	labels[2] = (struct prometheus_label){"vcpu", name};
	labels[3] = (struct prometheus_label){"class", exit->class};
	put_sample(p, m, &of, labels, 4);
}

/* From `i` on, of all vCPUs; false where an earlier one has the class. */
static bool sum_class(const struct host_frame_vm *vm, size_t i, struct host_frame_exit *ret)
{
	*ret = (struct host_frame_exit){.n = 0};
	memcpy(ret->class, vm->exits[i].class, sizeof(ret->class));
	for (size_t k = 0; k < vm->n_exits; k++) {
		if (strcmp(vm->exits[k].class, ret->class) != 0)
			continue;
		if (k < i)
			return false;
		ret->n += vm->exits[k].n;
		ret->ns += vm->exits[k].ns;
		ret->trips += vm->exits[k].trips;
		ret->trips_ns += vm->exits[k].trips_ns;
	}
	return true;
}

static void put_classes(const struct put *p, const struct metric *m, const struct host_frame_vm *vm,
			struct prometheus_label *labels)
{
	struct host_frame_exit sum;

	for (size_t i = 0; i < vm->n_exits; i++) {
		if (p->in->vcpus)
			put_class(p, m, vm, &vm->exits[i], labels);
		else if (sum_class(vm, i, &sum))
			put_class(p, m, vm, &sum, labels);
	}
}

/* `bound` is in ns, UINT64_MAX for the last; `count` of all up to there. */
static void put_bucket(const struct put *p, const struct metric *m, struct prometheus_label *labels,
		       uint64_t bound, uint64_t count)
{
	char name[80], le[32] = "+Inf";

	snprintf(name, sizeof(name), "%s_bucket", m->name);
	if (bound != UINT64_MAX)
		snprintf(le, sizeof(le), "%.9g", ns_to_s(bound));
	labels[2] = (struct prometheus_label){"le", le};
	prometheus_sample(p->to, name, labels, 3, 15, (double)count);
}

static void put_sums(const struct put *p, const struct metric *m, struct prometheus_label *labels,
		     uint64_t ns, uint64_t count)
{
	char name[80];

	snprintf(name, sizeof(name), "%s_sum", m->name);
	prometheus_sample(p->to, name, labels, 2, 15, ns_to_s(ns));
	snprintf(name, sizeof(name), "%s_count", m->name);
	prometheus_sample(p->to, name, labels, 2, 15, (double)count);
}

/* Buckets are cumulative, and their sum is the whole. */
static void put_waits(const struct put *p, const struct metric *m, const struct named *x,
		      struct prometheus_label *labels)
{
	static const struct waits none;
	const struct waits *w = x->waits ? x->waits : &none;
	uint64_t count = 0;

	for (size_t i = 0; i <= WAITS_BOUNDS; i++) {
		count += w->count[i];
		put_bucket(p, m, labels, i < WAITS_BOUNDS ? waits_bounds[i] : UINT64_MAX, count);
	}
	put_sums(p, m, labels, w->ns, count);
}

static uint64_t delays_below(const struct host_frame_interrupts *x, uint64_t bound)
{
	uint64_t n = 0;

	for (size_t i = 0; i < x->n_delays; i++)
		n += x->delays[i].below <= bound ? x->delays[i].n : 0;
	return n;
}

#define DELAY_FIRST NS_PER_US /* and so on, times four: each is a bound of the frame's, too */
#define DELAY_LAST  (NS_PER_US << 22)

static void put_delays(const struct put *p, const struct metric *m, const struct named *x,
		       struct prometheus_label *labels)
{
	const struct host_frame_interrupts *in = &x->vm->interrupts;

	if (!in->recorded)
		return;
	for (uint64_t bound = DELAY_FIRST; bound <= DELAY_LAST; bound *= 4)
		put_bucket(p, m, labels, bound, delays_below(in, bound));
	put_bucket(p, m, labels, UINT64_MAX, in->taken);
	put_sums(p, m, labels, in->ns, in->taken);
}

static void put_vm_info(const struct put *p, const struct metric *m, const struct of *of,
			struct prometheus_label *labels)
{
	char pid[16];

	snprintf(pid, sizeof(pid), "%d", of->vm->pid);
	labels[2] = (struct prometheus_label){"name", of->vm->name};
	labels[3] = (struct prometheus_label){"pid", pid};
	labels[4] = (struct prometheus_label){"found_by", of->vm->found_by};
	put_sample(p, m, of, labels, 5);
}

static void put_vm(const struct put *p, const struct metric *m, const struct named *x)
{
	struct prometheus_label labels[LABELS_MAX] = {{"vm", x->name}, {"uuid", x->vm->uuid}};
	const struct of of = {.in = p->in, .vm = x->vm};

	switch (m->per) {
	case PER_VM:
		put_sample(p, m, &of, labels, 2);
		break;
	case PER_VM_INFO:
		put_vm_info(p, m, &of, labels);
		break;
	case PER_CLASS:
		put_classes(p, m, x->vm, labels);
		break;
	case PER_BOUND:
		put_waits(p, m, x, labels);
		break;
	case PER_DELAY:
		put_delays(p, m, x, labels);
		break;
	default:
		put_vcpus(p, m, x, labels);
	}
}

static void put_metric(const struct put *p, const struct metric *m)
{
	const struct of of = {.in = p->in};
	const struct prometheus_label info[] = {{"version", DESCHED_VERSION},
						{"source", p->in->frame->source}};

	prometheus_head(p->to, m->name, m->type, m->help);
	if (m->per == PER_HOST || m->per == PER_INFO) {
		put_sample(p, m, &of, info, m->per == PER_INFO ? ARRAY_SIZE(info) : 0);
		return;
	}
	for (size_t i = 0; i < p->n; i++)
		put_vm(p, m, &p->vms[i]);
}

int host_metrics_put(FILE *to, const struct host_metrics_input *in)
{
	struct put p = {.to = to, .in = in};
	int err = find_vms(&p);

	for (size_t i = 0; !err && i < ARRAY_SIZE(metrics); i++)
		put_metric(&p, &metrics[i]);
	free(p.vms);
	return err;
}

void host_metrics_list(FILE *to)
{
	for (size_t i = 0; i < ARRAY_SIZE(metrics); i++)
		fprintf(to, "%s\t%s\t%s\t%s\n", metrics[i].name, metrics[i].type,
			labels_of[metrics[i].per], metrics[i].help);
}
