/* SPDX-License-Identifier: MIT */
/*
 * The peer of `desched sim` in bench/sim/run: the same workload on SimGrid (Debian's libsimgrid-dev). HOSTS
 * hosts of 8 cores with 20 VMs of one vCPU each; every VM works for an exponential time (mean 10 ms of
 * a core) and sleeps as long, until SECONDS have passed. Two events, the ends of a burst and of the sleep
 * before it, for each burst that was completed.
 * SimGrid shares a host's cores evenly among those who work, at any instant: processor sharing.
 *
 * Prints: VMs, events, seconds of CPU time, events a second, bursts of a VM in a virtual second.
 */
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <random>
#include <simgrid/s4u.hpp>
#include <string>
#include <vector>

namespace sg = simgrid::s4u;

static const double speed = 1e9, mean = 0.01;
static double end_time;
static unsigned long bursts;

static void guest(unsigned seed)
{
	std::mt19937_64 random(seed);
	std::exponential_distribution<double> draw(1 / mean);

	sg::this_actor::sleep_for(draw(random));
	while (sg::Engine::get_clock() < end_time) {
		sg::this_actor::execute(draw(random) * speed);
		bursts++;
		sg::this_actor::sleep_for(draw(random));
	}
}

int main(int argc, char **argv)
{
	sg::Engine e(&argc, argv);
	unsigned vms = argc > 1 ? static_cast<unsigned>(atoi(argv[1])) : 20, hosts = (vms + 19) / 20;

	end_time = argc > 2 ? atof(argv[2]) : 10;
	auto *zone = sg::create_full_zone("zone");
	std::vector<sg::Host *> all;
	for (unsigned i = 0; i < hosts; i++)
		all.push_back(zone->create_host("h" + std::to_string(i), speed)->set_core_count(8)->seal());
	zone->seal();
	for (unsigned i = 0; i < vms; i++) {
		auto *vm = all[i / 20]->create_vm("vm" + std::to_string(i), 1);

		vm->start();
		sg::Actor::create("g" + std::to_string(i), vm, guest, i + 1);
	}
	auto began = std::clock();
	e.run_until(end_time);
	double took = static_cast<double>(std::clock() - began) / CLOCKS_PER_SEC, n = bursts;
	printf("%u %.0f %.6f %.0f %.3f\n", vms, 2 * n, took, 2 * n / took, n / end_time / vms);
	return 0;
}
