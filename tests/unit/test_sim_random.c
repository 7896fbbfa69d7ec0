/* SPDX-License-Identifier: MIT */
/*
 * 10,000 random hosts: whatever the configuration, the ledgers' identity is exact, no CPU idles
 * while somebody who may run on it waits (none, balance), nobody starves, limits and reservations
 * are kept. The states are followed from outside, by the core's watch, and added up independently
 * of the ledgers. What one named workload does is in test_sim.c.
 */
#include "base/units.h"
#include "sim/metrics.h"
#include "sim/random.h"
#include "sim/workload.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define VCPUS_MAX 256

static uint64_t rng;
static char text[16384];
static size_t used;

static unsigned pick(unsigned n)
{
	return (unsigned)(random_next(&rng) % n);
}

static void __attribute__((format(printf, 1, 2))) say(const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	used += (size_t)vsnprintf(text + used, sizeof(text) - used, format, ap);
	va_end(ap);
	assert_true(used < sizeof(text));
}

/* What the test itself knows about the hosts it makes. */
struct expectation {
	bool conserves;	 /* no strict, no relaxed */
	double promised; /* reservations so far */
	unsigned cpus;
	unsigned largest; /* vCPUs that fit into a domain */
};

static void say_host(struct expectation *e)
{
	static const char *const cosched[] = {"none", "balance", "relaxed", "strict"};
	unsigned scheme = pick(4), nodes = 1 + pick(2), cell = 1 + pick(4);

	e->cpus = nodes * cell * (1 + pick(3));
	e->conserves = scheme < 2;
	e->largest = e->cpus / nodes;
	say("[host]\ncpus=%u\nnodes=%u\ncell=%u\ncosched=%s\n", e->cpus, nodes, cell,
	    cosched[scheme]);
	if (pick(4) == 0) {
		say("cells=hard\n");
		e->largest = cell;
	}
	if (cell % 2 == 0 && pick(3) == 0)
		say("smt=2\n");
	say("slice=%ums\nwake_credit=%ums\n", 1 + pick(10), pick(10));
	say("balance_period=%ums\n", 100 + pick(1000));
	if (pick(2))
		say("switch_cost=%uus\nexit_cost=%uus\nrefill_cost=%uus\nrefill_far=%uus\n",
		    pick(20), pick(10), pick(50), pick(200));
}

static void say_workload(unsigned vcpus)
{
	static const char *const workloads[] = {"busy",	   "duty",     "io",
						"barrier", "spinlock", "duty"};

	say("workload=%s\nburst=%uus\nload=0.%u\nrandom=%s\nstart=%ums\n", workloads[pick(6)],
	    50 + pick(20000), 1 + pick(9), pick(2) ? "yes" : "no", pick(2) ? 0 : pick(300));
	if (vcpus > 1 && pick(3) == 0)
		say("correlation=0.%u\n", pick(10));
	if (pick(3) == 0)
		say("tick_hz=%u\ntick_cost=%uus\n", 50 + pick(200), 1 + pick(100));
}

static void say_vm(struct expectation *e, unsigned i, bool groups)
{
	static const char *const shares[] = {"low", "normal", "high"};
	unsigned vcpus = 1 + pick(e->largest < 4 ? e->largest : 4);
	double reservation = pick(4) ? 0 : 0.05 * (1 + pick(8));

	say("[vm v%u]\nvcpus=%u\ncount=%u\nshares=%s\n", i, vcpus, 1 + pick(3), shares[pick(3)]);
	/* Half of what SMT halves admits any placement of it. */
	if (reservation > 0 && e->promised + 3 * reservation < 0.2 * e->cpus) {
		say("reservation=%g\n", reservation);
		e->promised += 3 * reservation;
	} else if (pick(4) == 0) {
		say("limit=%g\n", 0.1 * (1 + pick(15)));
	}
	if (groups && pick(2))
		say("group=%s\n", pick(2) ? "A" : "B");
	say_workload(vcpus);
}

static void say_all(struct expectation *e)
{
	bool groups = pick(3) == 0;
	unsigned n = 1 + pick(8);

	used = 0;
	*e = (struct expectation){0};
	say_host(e);
	if (groups)
		say("[group A]\nshares=%u\n[group B]\nparent=A\nshares=%u\n%s", 100 + pick(2000),
		    100 + pick(2000), pick(3) ? "" : "limit=0.7\n");
	for (unsigned i = 0; i < n; i++)
		say_vm(e, i, groups);
}

static struct core_vm_figures vm_figures(const struct sim *s, uint32_t id)
{
	struct core_vm_figures vm;

	core_read_vm(s->core, id, &vm);
	return vm;
}

static uint32_t cpus_of(const struct sim *s, uint32_t domain)
{
	struct core_domain_figures d;

	core_read_domain(s->core, domain, &d);
	return d.cpus;
}

/* What the watch sees. */
struct view {
	struct sim *s;
	uint64_t ns[VCPUS_MAX][LEDGER_STATES];
	uint64_t since[VCPUS_MAX];
	enum ledger_state state[VCPUS_MAX];
	uint64_t last;
	uint64_t idle_wait; /* ns with a CPU idle and somebody READY in one domain */
	uint64_t crowded;   /* ns with more vCPUs running than CPUs */
};

/* Domains by what their VMs' vCPUs did from v->last to now. */
static void look_at_domains(struct view *v, uint64_t now)
{
	unsigned running[64] = {0}, ready[64] = {0};

	for (uint32_t i = 0; i < v->s->n_vcpus; i++) {
		uint32_t d = vm_figures(v->s, v->s->guests[i].vm).domain;

		running[d] += v->state[i] == LEDGER_RUN;
		ready[d] += v->state[i] == LEDGER_READY;
	}
	for (uint32_t d = 0; d < core_shape(v->s->core)->domains; d++) {
		uint32_t cpus = cpus_of(v->s, d);

		if (running[d] > cpus)
			v->crowded += now - v->last;
		if (running[d] < cpus && ready[d])
			v->idle_wait += now - v->last;
	}
	v->last = now;
}

static void seen(void *data, uint32_t vcpu, uint64_t now, enum ledger_state state)
{
	struct view *v = data;

	v->ns[vcpu][v->state[vcpu]] += now - v->since[vcpu];
	v->since[vcpu] = now;
	v->state[vcpu] = state;
}

/* One step of the clock at a time, so that the domains can be looked at between events. */
static void run_watched(struct sim *s, struct view *v, uint64_t end)
{
	uint32_t timer;
	uint64_t next;

	while ((next = timers_next(&s->timers, &timer)) < end) {
		look_at_domains(v, next);
		sim_run(s, next + 1);
	}
	look_at_domains(v, end);
	sim_run(s, end);
}

static void check_ledgers(const struct sim *s, struct view *view)
{
	for (uint32_t i = 0; i < s->n_vcpus; i++) {
		struct core_vcpu_figures v;
		const struct ledger *l;
		uint64_t sum = 0;

		core_read_vcpu(s->core, i, &v);
		l = v.ledger;

		seen(view, i, s->now, view->state[i]);
		for (uint32_t k = 0; k < LEDGER_STATES; k++) {
			assert_int_equal(l->ns[k], view->ns[i][k]);
			sum += view->ns[i][k];
		}
		assert_int_equal(sum, s->now);
		assert_int_equal(l->backwards, 0);
	}
}

/* Demand that never ends and starts at once. */
static bool always_busy(const struct vm_spec *spec)
{
	return !strcmp(workload_rows[spec->workload]->name, "busy") && !spec->start;
}

/* Without groups, limits and gangs, and if nobody has moved, a busy VM's share can be told. */
static bool may_expect_share(const struct sim *s, uint32_t id)
{
	for (uint32_t i = 0; i < s->n_vms; i++) {
		struct core_vm_figures vm = vm_figures(s, i);

		if (vm.migrations || cosched_rows[vm.cosched].gang)
			return false;
	}
	return s->scenario->host.smt == 1 && !s->scenario->n_groups &&
	       s->vms[id].spec->limit >= ENTITLE_UNLIMITED;
}

/* What a VM gets at least if everybody in its domain is always busy and all reservations are
 * drawn on first: starvation is less. */
static double least_share(const struct sim *s, uint32_t id)
{
	double shares = 0, reserved = 0, own = -s->vms[id].spec->shares * s->vms[id].spec->vcpus;
	uint32_t domain = vm_figures(s, id).domain;

	for (uint32_t i = 0; i < s->n_vms; i++) {
		const struct vm_spec *spec = s->vms[i].spec;

		if (vm_figures(s, i).domain != domain)
			continue;
		shares += -spec->shares * spec->vcpus;
		reserved += spec->reservation;
	}
	own *= (cpus_of(s, domain) - reserved) / shares;
	return own < s->vms[id].spec->vcpus ? own : s->vms[id].spec->vcpus;
}

static void check_vm(const struct sim *s, const struct result *r, uint32_t id)
{
	const struct core_config *k = &s->scenario->host.core;
	const struct vm_spec *spec = s->vms[id].spec;
	const double *m = r->vms[id].values;
	/* A period's worth or a slice at either end of two seconds. */
	double edge = ns_to_s(2 * k->slice + 2 * k->entitle_period) / ns_to_s(s->now);

	if (spec->limit < spec->vcpus)
		assert_true(m[METRIC_CPU] <=
			    spec->limit * (1.01 + ns_to_s(k->limit_period) / ns_to_s(s->now)) +
				    edge * spec->vcpus);
	if (spec->reservation > 0 && always_busy(spec) && s->vms[id].pace == 65536 &&
	    s->scenario->host.smt == 1 && !cosched_rows[vm_figures(s, id).cosched].gang)
		assert_true(m[METRIC_CPU] >= spec->reservation * 0.99 - edge * spec->vcpus);
	if (always_busy(spec) && may_expect_share(s, id))
		assert_true(m[METRIC_CPU] >= 0.8 * least_share(s, id) - edge * spec->vcpus);
}

static void run_one(uint64_t seed)
{
	struct expectation e;
	struct scenario *sc;
	struct failure f = {0};
	struct result r;
	struct sim *s;
	static struct view v;
	int err;

	rng = random_stream(20061, seed);
	say_all(&e);
	if (getenv("DESCHED_RANDOM_SHOW") && getenv("DESCHED_RANDOM_ONE"))
		fputs(text, stderr);
	err = scenario_parse(text, used, "random.ini", &f, &sc);
	if (err)
		fail_msg("%s\n%s", f.text, text);
	err = sim_new(sc, seed, 0, &f, &s);
	if (err == -7 || err == -28) { /* E2BIG, ENOSPC: refused, with the reason */
		assert_non_null(strstr(f.text, "not admitted"));
		scenario_free(sc);
		return;
	}
	assert_int_equal(err, 0);
	assert_true(s->n_vcpus <= VCPUS_MAX);
	memset(&v, 0, sizeof(v));
	v.s = s;
	for (uint32_t i = 0; i < s->n_vcpus; i++)
		v.state[i] = LEDGER_HALT;
	core_set_watch(s->core, (struct core_watch){seen, &v});
	run_watched(s, &v, 2 * NS_PER_SEC / (seed % 10 ? 10 : 1));
	assert_int_equal(result_take(s, &r), 0);
	check_ledgers(s, &v);
	assert_int_equal(v.crowded, 0);
	if (e.conserves)
		assert_int_equal(v.idle_wait, 0);
	for (uint32_t i = 0; seed % 10 == 0 && i < s->n_vms; i++)
		check_vm(s, &r, i);
	result_free(&r);
	sim_free(s);
	scenario_free(sc);
}

static void random_hosts(void **state)
{
	unsigned long from = 0, n = 10000;

	(void)state;
	if (getenv("DESCHED_RANDOM_ONE")) {
		from = strtoul(getenv("DESCHED_RANDOM_ONE"), NULL, 10);
		n = 1;
	} else if (getenv("DESCHED_RANDOM_N")) {
		n = strtoul(getenv("DESCHED_RANDOM_N"), NULL, 10);
	}
	for (unsigned long i = from; i < from + n; i++) {
		if (getenv("DESCHED_RANDOM_SHOW"))
			fprintf(stderr, "random host %lu\n", i);
		run_one(i);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(random_hosts)};

	cmocka_set_message_output(CM_OUTPUT_STDOUT);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
