/* SPDX-License-Identifier: MIT */
#include "ticks/ticks.h"
#include "host/find.h"

#include "base/clock.h"
#include "base/units.h"
#include "host/host_ledger.h"
#include "ticks/ticks_vm.h"

#include <errno.h>
#include <math.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define WARM_UP	  (500 * NS_PER_MS)
#define BOOT	  (200 * NS_PER_MS) /* from the guest's greeting until its timer goes */
#define SETTLE	  NS_PER_SEC
#define RETURN	  (500 * NS_PER_MS) /* for a VM to be even after a short pause */
#define TOLERANCE 0.05		    /* of a pause: what others on the CPU may cost meanwhile */
#define LONG_REST (100 * NS_PER_MS) /* more than 61 s, to be sure */

const char *const ticks_pause_names[TICKS_PAUSES] = {"50ms", "1s", "61s"};
const uint64_t ticks_pause_lengths[TICKS_PAUSES] = {50 * NS_PER_MS, NS_PER_SEC, 61 * NS_PER_SEC};

/* One reading of a VM: by itself and by the host. */
struct reading {
	struct ticks_report report;
	struct ledger ledger;
};

struct paused_vm {
	struct ticks_vm vm;
	uint64_t stopped_at; /* mono */
	double clock_error;  /* before it was */
};

struct experiment {
	struct ticks *ticks;
	struct host_ledger *ledger;
	struct ticks_vm vms[TICKS_VMS_MAX];
	struct paused_vm paused[TICK_POLICIES];
	int ids[TICKS_VMS_MAX]; /* in the ledger */
	struct reading first[TICKS_VMS_MAX], last[TICKS_VMS_MAX];
};

static void pass(uint64_t ns)
{
	struct timespec t = {(time_t)(ns / NS_PER_SEC), (long)(ns % NS_PER_SEC)};

	while (clock_nanosleep(CLOCK_MONOTONIC, 0, &t, &t) == EINTR)
		;
}

static void say(const struct experiment *e, const char *what)
{
	if (e->ticks->config.progress)
		e->ticks->config.progress(what, e->ticks->config.data);
}

static double number(const json_t *o, const char *name)
{
	return json_number_value(json_object_get(json_object_get(o, "ticks"), name));
}

/* Before a pause; the answer's figures are to compare with. */
static int begin_pause(struct paused_vm *p, struct failure *f)
{
	json_t *o;
	int err = ticks_vm_request(&p->vm, "forget", f, &o);

	if (err)
		return err;
	p->clock_error = number(o, "clock_error_s");
	json_decref(o);
	kill(p->vm.pid, SIGSTOP);
	p->stopped_at = clock_mono();
	return 0;
}

/* When it is over: lets the VM go on alone, and looks a little later. */
static int end_pause(struct paused_vm *p, struct failure *f, struct ticks_pause_result *ret)
{
	double allowed = p->clock_error + TOLERANCE * ns_to_s(clock_mono() - p->stopped_at);
	json_t *o;
	bool even;
	int err;

	kill(p->vm.pid, SIGCONT);
	pass(RETURN);
	err = ticks_vm_request(&p->vm, "figures", f, &o);
	if (err)
		return err;
	even = number(o, "clock_error_s") <= allowed + 2 * number(o, "period_s");
	ret->backlog = (uint64_t)number(o, "backlog_max");
	ret->resyncs = (uint64_t)number(o, "resyncs");
	ret->catchup = even ? number(o, "worst_catchup_s") : -1;
	json_decref(o);
	return 0;
}

static int stop_for(struct paused_vm *p, uint64_t ns, struct failure *f,
		    struct ticks_pause_result *ret)
{
	int err = begin_pause(p, f);

	if (err)
		return err;
	pass(ns);
	return end_pause(p, f, ret);
}

/* The short pauses, then the beginning of the long one. */
static int begin_pauses(struct experiment *e, struct ticks_policy *policy, struct failure *f)
{
	struct paused_vm *p = &e->paused[policy->policy];
	const struct ticks_config *c = &e->ticks->config;
	char name[24];
	int err;

	snprintf(name, sizeof(name), "p-%s", tick_rows[policy->policy].name);
	err = ticks_vm_start(&p->vm, name, tick_rows[policy->policy].name, c->hz, c->cpu, f);
	pass(BOOT);
	for (int i = 0; i < TICKS_61S && !err; i++)
		err = stop_for(p, ticks_pause_lengths[i], f, &policy->pauses[i]);
	return err ? err : begin_pause(p, f);
}

static int end_pauses(struct experiment *e, struct ticks_policy *policy, struct failure *f)
{
	struct paused_vm *p = &e->paused[policy->policy];
	uint64_t until = p->stopped_at + ticks_pause_lengths[TICKS_61S] + LONG_REST;
	int err;

	pass(u64_sub_floor(until, clock_mono()));
	err = end_pause(p, f, &policy->pauses[TICKS_61S]);
	ticks_vm_stop(&p->vm);
	return err;
}

static int start_vm(struct experiment *e, const struct ticks_policy *p, uint32_t i,
		    struct failure *f)
{
	const struct ticks_config *c = &e->ticks->config;
	struct host_vm vm;
	char name[24];
	int err;

	snprintf(name, sizeof(name), "vm%u", i + 1);
	err = ticks_vm_start(&e->vms[i], name, tick_rows[p->policy].name, c->hz, c->cpu, f);
	if (!err)
		err = host_find_pid(e->vms[i].pid, f, &vm);
	if (err)
		return err;
	err = host_ledger_add(e->ledger, &vm, f, &e->ids[i]);
	host_vm_done(&vm);
	return err;
}

/* One after the other: each is asked for a report, and read when it answers. */
static int read_all(struct experiment *e, struct failure *f, struct reading *to)
{
	uint64_t n = e->ticks->config.vms;
	int err = 0;

	for (uint64_t i = 0; i < n && !err; i++) {
		err = ticks_vm_ask(&e->vms[i], f);
		if (!err)
			err = ticks_vm_answer(&e->vms[i], f, &to[i].report);
		if (!err)
			err = host_ledger_read(e->ledger, e->ids[i], 0, &to[i].ledger);
	}
	return err;
}

static void judge(const struct experiment *e, uint64_t i, struct ticks_vm_result *ret)
{
	const struct reading *a = &e->first[i], *b = &e->last[i];
	double period = ns_to_s(b->report.period_ns), units[2], all = 0;
	double ran = ns_to_s(b->ledger.ns[LEDGER_RUN] - a->ledger.ns[LEDGER_RUN]) -
		     ns_to_s(b->report.vmdesched_ns - a->report.vmdesched_ns);

	for (int k = 0; k < 2; k++) {
		units[k] = (double)(b->report.processes[k].units - a->report.processes[k].units);
		all += units[k];
	}
	for (int k = 0; k < 2; k++) {
		ret->processes[k].charged = period * (double)(b->report.processes[k].charged -
							      a->report.processes[k].charged);
		ret->processes[k].truth = all > 0 ? ran * units[k] / all : 0;
	}
	ret->vmdesched = period * (double)(b->report.processes[TICKS_VMDESCHED].charged -
					   a->report.processes[TICKS_VMDESCHED].charged);
	ret->ready = ns_to_s(b->ledger.ns[LEDGER_READY] - a->ledger.ns[LEDGER_READY]);
	ret->resyncs = b->report.resyncs - a->report.resyncs;
}

/* What the guest's own clock lacked at a reading, by the monitor's. */
static double lag(const struct reading *r)
{
	return ns_to_s(r->report.real_ns) - ns_to_s(r->report.period_ns) * (double)r->report.clock;
}

/* A clock's error as of now, more than at the window's start. */
static int take_clock(struct experiment *e, uint64_t i, const char *name, struct failure *f,
		      double *ret)
{
	struct ticks_vm *v = &e->vms[i];
	json_t *o;
	int err = ticks_vm_request(v, "figures", f, &o);

	if (err)
		return err;
	*ret = fmax(0, number(o, name) - lag(&e->first[i]));
	json_decref(o);
	return 0;
}

/* The window of one policy, with all VMs there. */
static int measure(struct experiment *e, struct ticks_policy *p, struct failure *f)
{
	const struct ticks_config *c = &e->ticks->config;
	int err;

	pass(WARM_UP);
	err = read_all(e, f, e->first);
	if (!err)
		pass(c->seconds);
	if (!err)
		err = read_all(e, f, e->last);
	for (uint64_t i = 0; i < c->vms && !err; i++) {
		judge(e, i, &p->vms[i]);
		err = take_clock(e, i, "clock_error_max_s", f, &p->vms[i].max_clock_error);
	}
	for (uint64_t i = 1; i < c->vms; i++)
		ticks_vm_stop(&e->vms[i]);
	if (err)
		return err;
	pass(SETTLE);
	return take_clock(e, 0, "clock_error_s", f, &p->clock_error);
}

static int run_policy(struct experiment *e, struct ticks_policy *p, struct failure *f)
{
	const struct ticks_config *c = &e->ticks->config;
	int err = 0;

	say(e, tick_rows[p->policy].name);
	for (uint32_t i = 0; i < c->vms; i++)
		e->ids[i] = -1;
	for (uint32_t i = 0; i < c->vms && !err; i++)
		err = start_vm(e, p, i, f);
	if (!err)
		err = measure(e, p, f);
	for (uint32_t i = 0; i < c->vms; i++) {
		if (e->ids[i] >= 0)
			host_ledger_remove(e->ledger, e->ids[i]);
		ticks_vm_stop(&e->vms[i]);
	}
	return err;
}

static int run_all(struct experiment *e, struct failure *f)
{
	struct ticks *t = e->ticks;
	int err = 0;

	for (uint32_t i = 0; i < t->n_policies && !err; i++)
		err = ticks_predict(&t->config, t->policies[i].policy, f,
				    &t->policies[i].predicted);
	if (t->config.pauses)
		say(e, "short pauses");
	for (uint32_t i = 0; i < t->n_policies && !err && t->config.pauses; i++)
		err = begin_pauses(e, &t->policies[i], f);
	for (uint32_t i = 0; i < t->n_policies && !err; i++)
		err = run_policy(e, &t->policies[i], f);
	if (t->config.pauses)
		say(e, "long pause");
	for (uint32_t i = 0; i < t->n_policies && !err && t->config.pauses; i++)
		err = end_pauses(e, &t->policies[i], f);
	return err;
}

static int choose_cpu(struct ticks_config *c, struct failure *f)
{
	cpu_set_t set;

	if (sched_getaffinity(0, sizeof(set), &set))
		return failure_errno(f, -errno, "CPUs");
	for (int i = 0; i < CPU_SETSIZE && c->cpu < 0 && CPU_COUNT(&set) > 0; i++) {
		if (CPU_ISSET(i, &set) && CPU_COUNT(&set) == 1)
			c->cpu = i;
		else if (CPU_ISSET(i, &set))
			CPU_CLR(i, &set);
	}
	if (c->cpu < 0 || c->cpu >= CPU_SETSIZE || !CPU_ISSET(c->cpu, &set))
		return failure_set(f, -EINVAL, "CPU %d is not one that we may use", c->cpu);
	return 0;
}

static int prepare(struct experiment *e, const struct ticks_config *c, struct ticks *t,
		   struct failure *f)
{
	int err;

	*t = (struct ticks){.config = *c};
	e->ticks = t;
	err = choose_cpu(&t->config, f);
	if (!err)
		err = host_ledger_open("schedstat", f, &e->ledger);
	if (err)
		return err;
	t->source = host_ledger_source(e->ledger);
	for (int i = 0; i < TICK_POLICIES; i++) {
		if (c->policy < 0 || c->policy == i)
			t->policies[t->n_policies++].policy = (enum tick_policy)i;
	}
	return 0;
}

int ticks_run(const struct ticks_config *c, struct failure *f, struct ticks *ret)
{
	struct experiment *e = calloc(1, sizeof(*e));
	struct ticks *t = calloc(1, sizeof(*t));
	uint64_t start = clock_mono();
	int err;

	if (!e || !t) {
		free(e);
		free(t);
		return failure_errno(f, -ENOMEM, "the experiment");
	}
	err = prepare(e, c, t, f);
	if (!err) {
		err = run_all(e, f);
		for (int i = 0; i < TICK_POLICIES; i++)
			ticks_vm_stop(&e->paused[i].vm);
	}
	if (!err) {
		t->took = ns_to_s(clock_mono() - start);
		*ret = *t;
	}
	host_ledger_close(e->ledger);
	free(e);
	free(t);
	return err;
}
