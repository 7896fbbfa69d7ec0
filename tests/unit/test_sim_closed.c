/* SPDX-License-Identifier: MIT */
/*
 * What queueing theory has a closed form for, which each test works out itself: M/M/1, M/M/c//N,
 * gangs, two classes that share a processor, D/D/1, faults that queue for a disk, and limits that
 * a member uses up. The policy on
 * hosts without a closed form: test_sim_fluid.c.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "sim_text.h"

#define PART 0.01

/* CPUs in use by n customers who each want one for s of s + z: of the weights of k being served or
 * waiting, n! / (n - k)! (s/z)^k / prod min(i, c). */
static double finite_source(unsigned c, unsigned n, double s, double z)
{
	double weight = 1, sum = 1, busy = 0;

	for (unsigned k = 1; k <= n; k++) {
		double serving = k < c ? k : c;

		weight *= (n - k + 1) * s / z / serving;
		sum += weight;
		busy += weight * serving;
	}
	return busy / sum;
}

static void customers(void **state)
{
	static const struct {
		unsigned c, n;
		double s, z;
	} rows[] = {{1, 3, 5, 10}, {2, 4, 5, 7.5}, {4, 12, 6, 12}, {8, 10, 5, 5}};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct sim_text t = sim_text_run(
			"t.ini",
			"[host]\ncpus = %u\n[run]\nduration = 1000s\n[vm a]\ncount = %u\n"
			"workload = duty\nburst = %gms\nload = %.9g\n",
			rows[i].c, rows[i].n, rows[i].s, rows[i].s / (rows[i].s + rows[i].z));

		sim_text_near("M/M/c//N", sim_text_value(&t, "a.cpu.sum"),
			      finite_source(rows[i].c, rows[i].n, rows[i].s, rows[i].z), PART);
		sim_text_end(&t);
	}
}

/* Strict VMs of w vCPUs, of which one has work: each holds w CPUs while that one runs, so that c
 * CPUs serve c / w customers. */
static void gangs(void **state)
{
	static const unsigned rows[][3] = {{8, 2, 6}, {8, 3, 5}, {4, 4, 3}};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		unsigned c = rows[i][0], w = rows[i][1], n = rows[i][2];
		double busy = finite_source(c / w, n, 5, 5);
		struct sim_text t = sim_text_run(
			"t.ini",
			"[host]\ncpus = %u\ncosched = strict\n[run]\nduration = 1000s\n[vm a]\n"
			"count = %u\nvcpus = %u\nactive = 1\nworkload = duty\nburst = 5ms\n",
			c, n, w);

		sim_text_near("gangs", sim_text_value(&t, "a.cpu.sum"), busy, PART);
		sim_text_near("held", sim_text_value(&t, "host.held") * c, busy * w, PART);
		sim_text_end(&t);
	}
}

struct classes {
	unsigned c, n[2];
	double s[2], z[2]; /* ms: mean work and mean pause */
};

static double factorial(unsigned n)
{
	return tgamma(n + 1.0);
}

/* The product form of a closed network of pauses and one station that serves all alike: weights
 * (n1 + n2)! / (n1! n2!) prod N! / (N - n)! (s/z)^n, over prod min(i, c). */
static double weight(const struct classes *k, const unsigned *n)
{
	double w = factorial(n[0] + n[1]);

	for (int i = 0; i < 2; i++)
		w *= pow(k->s[i] / k->z[i], n[i]) / factorial(n[i]) * factorial(k->n[i]) /
		     factorial(k->n[i] - n[i]);
	for (unsigned i = 1; i <= n[0] + n[1]; i++)
		w /= i < k->c ? i : k->c;
	return w;
}

/* Time in the station over work. */
static void slowdowns(const struct classes *k, double *ret)
{
	double sum = 0, mean[2] = {0};
	unsigned n[2];

	for (n[0] = 0; n[0] <= k->n[0]; n[0]++) {
		for (n[1] = 0; n[1] <= k->n[1]; n[1]++) {
			double w = weight(k, n);

			sum += w;
			mean[0] += w * n[0];
			mean[1] += w * n[1];
		}
	}
	for (int i = 0; i < 2; i++) {
		double in = mean[i] / sum, a_ms = (k->n[i] - in) / k->z[i];

		ret[i] = in / a_ms / k->s[i];
	}
}

/* The limit of short slices is processor sharing: slices here are a quarter of the shortest
 * work. */
static void two_classes(void **state)
{
	static const struct classes rows[] = {
		{1, {4, 2}, {10, 100}, {50, 400}},
		{1, {3, 3}, {2, 50}, {20, 200}},
		{2, {6, 3}, {10, 100}, {30, 300}},
	};
	static const char *const names[] = {"a", "b"};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct classes *k = &rows[i];
		double want[2];
		struct sim_text t = sim_text_run(
			"t.ini",
			"[host]\ncpus = %u\nslice = 0.5ms\ngranularity = 0.05ms\n[run]\n"
			"duration = 2000s\n[vm a]\ncount = %u\nworkload = duty\nburst = %gms\n"
			"load = %.9g\n[vm b]\ncount = %u\nworkload = duty\nburst = %gms\n"
			"load = %.9g\n",
			k->c, k->n[0], k->s[0], k->s[0] / (k->s[0] + k->z[0]), k->n[1], k->s[1],
			k->s[1] / (k->s[1] + k->z[1]));

		slowdowns(k, want);
		for (int j = 0; j < 2; j++) {
			char cpu[16], ready[16];

			snprintf(cpu, sizeof(cpu), "%s.cpu", names[j]);
			snprintf(ready, sizeof(ready), "%s.ready", names[j]);
			sim_text_near(names[j],
				      1 + sim_text_value(&t, ready) / sim_text_value(&t, cpu),
				      want[j], 0.02);
		}
		sim_text_end(&t);
	}
}

/* Requests that come each a ms and take b: alone b; beside a VM that always runs each takes 2 b, as
 * long as that is below a; where b is above a the n-th is done n (b - a) later than the first. */
static void clockwork(void **state)
{
	struct sim_text t = sim_text_run(
		"t.ini", "[host]\ncpus = 1\nslice = 0.1ms\ngranularity = 0s\n[run]\nduration = "
			 "20s\n[vm a]\nworkload = requests\nrandom = no\narrival = 10ms\nburst = "
			 "4ms\n[vm hog]\n");
	double a = 10, b = 12, span = 60000;

	(void)state;
	sim_text_near("shared", sim_text_value(&t, "a.response"), 0.008, 0.02);
	sim_text_near("the rest", sim_text_value(&t, "hog.cpu"), 0.6, PART);
	sim_text_end(&t);

	t = sim_text_run("t.ini", "[run]\nduration = 60s\n[vm a]\nworkload = requests\nrandom = "
				  "no\narrival = 10ms\nburst = 12ms\n");
	sim_text_near("done", sim_text_value(&t, "a.ops") * span / 1000, floor((span - a) / b), 0);
	sim_text_near("queue", sim_text_value(&t, "a.queue"),
		      floor(span / a) - floor((span - a) / b), 0.001);
	sim_text_near("longest", sim_text_value(&t, "a.response_max"),
		      (b + (floor((span - a) / b) - 1) * (b - a)) / 1000, 0.001);
	sim_text_end(&t);
}

/* M/M/1: 1 / (u - l), and the percentile p is that times -ln(1 - p). */
static void open_queue(void **state)
{
	struct sim_text t = sim_text_run(
		"t.ini", "[run]\nduration = 4000s\n[vm a]\nworkload = requests\narrival = "
			 "10ms\nburst = 3ms\n[limits]\nx = a.ready_p50 >= 0\n");
	double mean = 1 / (1 / 0.003 - 1 / 0.010);

	(void)state;
	sim_text_near("mean", sim_text_value(&t, "a.response"), mean, PART);
	sim_text_near("p50", sim_text_value(&t, "a.response_p50"), mean * log(2), PART);
	sim_text_near("p95", sim_text_value(&t, "a.response_p95"), -mean * log(0.05), 0.02);
	sim_text_near("p99", sim_text_value(&t, "a.response_p99"), -mean * log(0.01), 0.02);
	sim_text_end(&t);
}

/* Ready time of two hogs on one CPU: each waits a slice, then runs one. */
static void turns(void **state)
{
	struct sim_text t = sim_text_run(
		"t.ini", "[host]\ncpus = 1\n[run]\nwarmup = 1s\nduration = 20s\n[vm a]\ncount = "
			 "2\n[limits]\nx = a.ready_p50 >= 0\n");

	(void)state;
	sim_text_near("p50", sim_text_value(&t, "a.ready_p50"), 0.005, PART);
	sim_text_near("p99", sim_text_value(&t, "a.ready_p99"), 0.005, PART);
	sim_text_near("max", sim_text_value(&t, "a.ready_max"), 0.005, PART);
	sim_text_end(&t);
}

/* vCPUs that need a page each t of work, which a disk brings in d, are customers of the disk; with
 * 4 KiB at a rate it takes longer by that. */
static void faults(void **state)
{
	struct sim_text t = sim_text_run(
		"t.ini",
		"[host]\ncpus = 6\nmemory = 3GiB\ndisk_time = 60us\ndisk_rate = 102400kB\n"
		"disk_width = 2\n[run]\nwarmup = 1s\nduration = 30s\n[vm a]\ncount = 6\nmemory = "
		"1GiB\ntouches = 10000\n");
	double d = 60 + 4096 / 102.4, think = 1e6 / (10000 * 0.5);
	double busy = finite_source(2, 6, d, think);

	(void)state;
	sim_text_near("disk", sim_text_value(&t, "host.disk") * 2, busy, PART);
	sim_text_near("faults", sim_text_value(&t, "host.faults"), busy * 1e6 / d, PART);
	sim_text_near("cpu", sim_text_value(&t, "a.cpu.sum"), busy * think / d, PART);
	sim_text_near("all of the time",
		      sim_text_value(&t, "a.cpu.sum") + sim_text_value(&t, "a.swapwait.sum"), 6,
		      1e-6);
	sim_text_end(&t);
}

/* Groups that hold a VM which always runs: whatever light members want, the group has its limit. */
static void limits_used_up(void **state)
{
	static const double loads[] = {0.02, 0.1, 0.2, 0.4}, bursts[] = {0.5, 5, 20, 150, 600};

	(void)state;
	for (size_t i = 0; i < 20; i++) {
		struct sim_text t = sim_text_run(
			"t.ini",
			"[host]\ncpus = 4\ncosched = none\n[run]\nwarmup = 2s\nduration = 60s\n"
			"[group pool]\nlimit = 1\n[vm hog]\ngroup = pool\n[vm light]\n"
			"group = pool\ncount = 3\nworkload = duty\nload = %g\nburst = %gms\n",
			loads[i / 5], bursts[i % 5]);

		sim_text_near("limit",
			      sim_text_value(&t, "hog.cpu") + sim_text_value(&t, "light.cpu.sum"),
			      1, PART);
		sim_text_end(&t);
	}
}

/* A group in a group: both have their limits, 0.3 and 1. */
static void limits_in_limits(void **state)
{
	static const double bursts[] = {0.5, 5, 20, 150, 600};

	(void)state;
	for (size_t i = 0; i < sizeof(bursts) / sizeof(bursts[0]); i++) {
		struct sim_text t = sim_text_run(
			"t.ini",
			"[host]\ncpus = 8\ncosched = none\n[run]\nwarmup = 2s\nduration = 60s\n"
			"[group outer]\nlimit = 1\n[group inner]\nlimit = 0.3\nparent = outer\n"
			"[vm hog]\ngroup = outer\n[vm light]\ngroup = outer\nworkload = duty\n"
			"load = 0.3\nburst = %gms\n[vm in]\ngroup = inner\n[vm dim]\n"
			"group = inner\ncount = 3\nworkload = duty\nload = 0.1\nburst = %gms\n",
			bursts[i], bursts[i]);
		double inner = sim_text_value(&t, "in.cpu") + sim_text_value(&t, "dim.cpu.sum"),
		       more = sim_text_value(&t, "hog.cpu") + sim_text_value(&t, "light.cpu");

		sim_text_near("outer", inner + more, 1, PART);
		sim_text_end(&t);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(customers),	    cmocka_unit_test(gangs),
		cmocka_unit_test(two_classes),	    cmocka_unit_test(clockwork),
		cmocka_unit_test(open_queue),	    cmocka_unit_test(turns),
		cmocka_unit_test(faults),	    cmocka_unit_test(limits_used_up),
		cmocka_unit_test(limits_in_limits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
