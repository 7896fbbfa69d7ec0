/* SPDX-License-Identifier: MIT */
/* Hosts that share VMs and change while they run (sim/cluster_change.c). What hosts do by themselves is in
 * test_sim_changes.c, moves and the first placement in test_sim_planning.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/units.h"
#include "sim/random.h"
#include "sim_text.h"

#define PART 0.002 /* of a figure */

/* Two hosts of four CPUs with two VMs each. One loses its load: of the other's VMs one goes there, and
 * has the limit that was set while it was not there. Or the other loses three CPUs, and one VM. */
static void placed_hosts(void **state)
{
	const char *text =
		"[host]\ncpus = 4\n[host one]\n[host two]\n[cluster]\nplace = yes\nrebalance = 1s\n"
		"threshold = 0.3\nbusy = 0.05\nlink = 10GiB\nmove_cost = 0s\n[run]\nwarmup = 20s\n"
		"duration = 10s\n[vm fixed]\nhost = one\ncount = 2\nworkload = duty\nload = 0.98\n"
		"random = no\n[vm a]\ncount = 2\nmemory = 1GiB\n[at 10s]\n%s\n";
	struct sim_text t = sim_text_run("t.ini", text, "fixed.load = 0.01\na.limit = 0.25");

	(void)state;
	sim_text_near("one of them", sim_text_value(&t, "a.host.max"), 1, 0);
	sim_text_near("went", sim_text_value(&t, "a.host.min"), 0, 0);
	sim_text_near("limit", sim_text_value(&t, "a.cpu.min"), 0.25, PART);
	sim_text_near("of both", sim_text_value(&t, "a.cpu.max"), 0.25, PART);
	sim_text_near("two", sim_text_value(&t, "two.busy"), 0.25 / 4, PART);
	sim_text_near("one", sim_text_value(&t, "one.busy"), (0.25 + 0.02) / 4, PART);
	sim_text_end(&t);

	t = sim_text_run("t.ini", text, "two.offline = 0-2");
	sim_text_near("a CPU each", sim_text_value(&t, "a.cpu.min"), 1, PART);
	sim_text_near("went", sim_text_value(&t, "a.host.min"), 0, 0);
	sim_text_near("all", sim_text_value(&t, "fixed.cpu.sum"), 2 * 0.98, PART);
	sim_text_end(&t);
}

/* Two hosts of four CPUs. b comes to the free one, grows there, and is joined by another one, which
 * goes to where less is wanted by then. From 30 s on 6 vCPUs share four CPUs. */
static void placed_and_resized(void **state)
{
	struct sim_text t = sim_text_run(
		"t.ini",
		"[host]\ncpus = 4\n[host one]\n[host two]\n[cluster]\nplace = yes\n[run]\nduration "
		"= "
		"40s\n[vm a]\nvcpus = 4\n[vm b]\ncount = 0\nvcpus = 2\n[at 10s]\nb.count = 1\n[at "
		"20s]\nb.vcpus = 4\n[at 30s]\nb.count = 2\na.vcpus = 2\n");

	(void)state;
	sim_text_near("a", sim_text_value(&t, "a.cpu") * 40, 30 * 4 + 10 * 4 * 2 / 6.0, PART);
	sim_text_near("b", sim_text_value(&t, "b.cpu.max") * 40, 10 * 2 + 20 * 4, PART);
	sim_text_near("the other", sim_text_value(&t, "b.cpu.min") * 40, 10 * 4 * 4 / 6.0, PART);
	sim_text_near("two", sim_text_value(&t, "two.busy") * 40, 10 * 0.5 + 20, PART);
	sim_text_near("refusals", sim_text_value(&t, "host.refusals"), 0, 0);
	sim_text_end(&t);
}

/* For whom no host has room at its time, it comes when another one has gone: where this was. One that
 * comes again does so where there is room then. */
static void placed_where_room_is(void **state)
{
	struct sim_text t = sim_text_run(
		"t.ini",
		"[host]\ncpus = 2\nmemory = 4GiB\n[host one]\n[host two]\n[cluster]\nplace = yes\n"
		"[run]\nduration = 40s\n[vm a]\nmemory = 3GiB\n[vm b]\ncount = 0\nmemory = 3GiB\n"
		"[at 10s]\nb.count = 2\n[at 20s]\na.count = 0\n[at 30s]\nb.count = 1\na.count = "
		"1\n");

	(void)state;
	sim_text_near("a", sim_text_value(&t, "a.cpu") * 40, 30, PART);
	sim_text_near("b", sim_text_value(&t, "b.cpu.max") * 40, 30, PART);
	sim_text_near("the one refused", sim_text_value(&t, "b.cpu.min") * 40, 10, PART);
	sim_text_near("one", sim_text_value(&t, "one.busy") * 40, 0.5 * 40, PART);
	sim_text_near("two", sim_text_value(&t, "two.busy") * 40, 0.5 * 30, PART);
	sim_text_near("refusals",
		      sim_text_value(&t, "one.refusals") + sim_text_value(&t, "two.refusals"), 1,
		      0);
	sim_text_end(&t);
}

#define ROUNDS 9 /* a change each second */

/* Sections [at] in which VMs of `kinds` kinds get other numbers and sizes. */
static void say_rounds(char *text, size_t size, size_t kinds, uint64_t *random)
{
	size_t at = 0;

	for (int k = 1; k <= ROUNDS; k++) {
		at += (size_t)snprintf(text + at, size - at, "[at %ds]\n", k);
		for (size_t i = 0; i < kinds; i++)
			at += (size_t)snprintf(text + at, size - at,
					       "v%zu.count = %u\nv%zu.vcpus = %u\n", i,
					       (unsigned)(random_next(random) % 4), i,
					       1 + (unsigned)(random_next(random) % 3));
	}
	snprintf(text + at, size - at,
		 "[at %ds]\nv0.count = 3\nv0.vcpus = 3\nv1.count = 3\nv1.vcpus "
		 "= 3\nv2.count = 3\nv2.vcpus = 3\n",
		 ROUNDS + 1);
}

/* Whoever comes, grows, shrinks and goes while it moves: each ns of each vCPU is in one state,
 * what hosts ran is what their VMs and movers ran, and no work is forgotten. At the end there are three of three vCPUs. */
static void placed_at_random(void **state)
{
	static const char *const kinds[] = {"busy", "duty\nburst = 3ms\nload = 0.7", "idle"};
	double moved = 0;

	(void)state;
	for (uint64_t seed = 1; seed <= 24; seed++) {
		uint64_t random = random_stream(seed, 7);
		char rounds[3072], name[32];
		double ran = 0;
		struct sim_text t;

		say_rounds(rounds, sizeof(rounds), ARRAY_SIZE(kinds), &random);
		t = sim_text_run(
			"t.ini",
			"[host]\ncpus = 4\n[host one]\n[host two]\ncpus = 3\n[host three]\n"
			"cpus = 6\n[cluster]\nplace = yes\nrebalance = 0.3s\nthreshold = 0.02\n"
			"busy = 0\nlink = 100MB\n[run]\nduration = 12s\n[vm v0]\nmemory = 20MiB\n"
			"dirty = 30MB\nworkload = %s\n[vm v1]\nmemory = 30MiB\ndirty = 20MB\n"
			"workload = %s\n[vm v2]\nworkload = %s\n%s",
			kinds[0], kinds[1], kinds[2], rounds);
		sim_text_near("valid", sim_text_value(&t, "host.valid"), 1, 0);
		for (unsigned i = 0; i < ARRAY_SIZE(kinds); i++) {
			static const char *const states[] = {
				"cpu", "ready", "costop", "limited", "halt", "swapwait", "wait"};
			double sum = 0;

			for (size_t k = 0; k < ARRAY_SIZE(states); k++) {
				snprintf(name, sizeof(name), "v%u.%s.sum", i, states[k]);
				sum += sim_text_value(&t, name);
				ran += k ? 0 : sim_text_value(&t, name);
			}
			sim_text_near("states", sum, 3 * 3, 1e-9);
			snprintf(name, sizeof(name), "v%u.moved.sum", i);
			moved += sim_text_value(&t, name);
		}
		sim_text_near("work", sim_text_value(&t, "v0.work.sum"),
			      sim_text_value(&t, "v0.cpu.sum"), 1e-9);
		sim_text_near("hosts",
			      4 * sim_text_value(&t, "one.busy") +
				      3 * sim_text_value(&t, "two.busy") +
				      6 * sim_text_value(&t, "three.busy"),
			      ran + 3 * sim_text_value(&t, "host.moving"), 1e-9);
		sim_text_end(&t);
	}
	assert_true(moved > 60);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(placed_hosts),
		cmocka_unit_test(placed_and_resized),
		cmocka_unit_test(placed_where_room_is),
		cmocka_unit_test(placed_at_random),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
