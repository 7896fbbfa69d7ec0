/* SPDX-License-Identifier: MIT */
/*
 * The fluid model that test_sim_fluid.c holds the simulator to. It shares no code with the policy:
 * CPU time is a liquid, poured into a tree of groups until all are full or nothing is left. Each
 * node rises with the level of its parent in proportion to its shares, from its reservation on, up
 * to its limit or what it can drink. The level is found by bisection.
 */
#ifndef TEST_FLUID_H
#define TEST_FLUID_H

#define FLUID_NODES 128
#define FLUID_NONE  1e9 /* no limit */

struct fluid_node {
	int parent; /* index, before its children; 0: the host itself */
	double shares;
	double reservation;
	double limit;
	double demand; /* of leaves: CPUs */
	int leaf;
	double given; /* out */
};

/* Pours `capacity` CPUs into nodes[0], and from there into all others. */
void fluid_pour(struct fluid_node *nodes, int n, double capacity);

/* What a guest with `vcpus` threads uses that work and pause in turns, and would be busy for `load`
 * of the time on CPUs of their own, if each is served at `speed` while it works. */
double fluid_closed(double vcpus, double load, double speed);

#endif
