/* SPDX-License-Identifier: MIT */
/*
 * How fast the simulator is, and what it needs, from 10 to 100,000 vCPUs: one host with a CPU for
 * each four vCPUs, each of which works for an exponential time (mean 10 ms) and sleeps as long;
 * then the same vCPUs on hosts of 50 CPUs, one after the other. An event is one timer of the
 * engine; rates are by CPU time of one thread, since the machine may be shared. `curve VCPUS` plays
 * one such host. `curve VMS SECONDS` plays the workload of peer.cpp (hosts of 8 CPUs and 20 VMs)
 * for as many virtual seconds and counts its events: ends of bursts and sleeps. `curve VMS SECONDS
 * whole` does so on hosts that let a burst run to its end: no slices, no wake credit, and for
 * exponential bursts the same throughput. What scheduling costs is the difference.
 */
#include "base/clock.h"
#include "base/units.h"
#include "sim/metrics.h"

#include <malloc.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static double cpu_time(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static struct scenario *scenario(unsigned cpus, unsigned vms, const char *host)
{
	char text[256];
	struct failure f;
	struct scenario *s;

	snprintf(text, sizeof(text),
		 "[host]\ncpus=%u\n%s[vm w]\ncount=%u\nworkload=duty\nburst=10ms\nload=0.5\n", cpus,
		 host, vms);
	if (scenario_parse(text, strlen(text), "bench", &f, &s)) {
		fprintf(stderr, "bench: %s\n", f.text);
		exit(1);
	}
	return s;
}

struct measured {
	double events, ops, cpu, wall, bytes;
};

/* Adds what one host does in `seconds` of virtual time. */
static void play(const struct scenario *sc, uint32_t host, double seconds, struct measured *m)
{
	size_t before = mallinfo2().uordblks + mallinfo2().hblkhd;
	struct failure f;
	struct sim *s;

	if (sim_new(sc, 1, host, &f, &s))
		exit(1);
	m->bytes = (double)(mallinfo2().uordblks + mallinfo2().hblkhd - before);
	m->cpu -= cpu_time();
	m->wall -= ns_to_s(clock_mono());
	sim_run(s, (uint64_t)(seconds * 1e9));
	m->cpu += cpu_time();
	m->wall += ns_to_s(clock_mono());
	m->events += (double)s->events;
	for (uint32_t i = 0; i < s->n_vcpus; i++) {
		m->ops += (double)s->guests[i].ops;
	}
	sim_free(s);
}

static void one_host(unsigned n)
{
	struct scenario *sc = scenario((n + 3) / 4, n, "");
	struct measured m = {0};

	play(sc, 0, 4e4 / n > 100 ? 100 : 4e4 / n, &m);
	printf("%8u %8u %10.0f %12.0f %12.0f %8.0f", n, (n + 3) / 4, m.events, m.events / m.cpu,
	       m.events / m.wall, m.bytes / n);
	scenario_free(sc);
}

static void many_hosts(unsigned n)
{
	struct scenario *sc = scenario(50, 200, "");
	struct measured m = {0};

	for (unsigned i = 0; i < n / 200; i++)
		play(sc, i, 4e4 / n > 10 ? 10 : 4e4 / n, &m);
	if (n >= 200)
		printf(" %12.0f\n", m.events / m.cpu);
	else
		printf(" %12s\n", "-");
	scenario_free(sc);
}

static void as_peer(unsigned vms, double seconds, bool whole)
{
	struct scenario *sc = scenario(8, 20, whole ? "slice=1s\nwake_credit=0ms\n" : "");
	struct measured m = {0};

	for (unsigned i = 0; i < vms / 20; i++)
		play(sc, i, seconds, &m);
	printf("%u %.0f %.6f %.0f %.3f\n", vms, 2 * m.ops, m.cpu, 2 * m.ops / m.cpu,
	       m.ops / seconds / vms);
	scenario_free(sc);
}

int main(int argc, char **argv)
{
	static const unsigned sizes[] = {10, 64, 100, 1000, 10000, 100000};

	if (argc == 2) {
		one_host((unsigned)atoi(argv[1]));
		printf("\n");
		return 0;
	}
	if (argc > 2) {
		as_peer((unsigned)atoi(argv[1]), atof(argv[2]), argc > 3);
		return 0;
	}
	printf("%8s %8s %10s %12s %12s %8s %12s\n", "vCPUs", "CPUs", "events", "/s of CPU",
	       "/s real", "B/vCPU", "hosts of 50");
	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		one_host(sizes[i]);
		many_hosts(sizes[i]);
	}
	return 0;
}
