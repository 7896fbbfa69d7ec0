/* SPDX-License-Identifier: MIT */
#include "fluid.h"

static double least(double a, double b)
{
	return a < b ? a : b;
}

static double most(double a, double b)
{
	return a > b ? a : b;
}

/* What is promised to everybody below a node, as far as they drink it. */
static double promise(const struct fluid_node *nodes, int n, int i)
{
	double sum = 0;

	for (int k = i + 1; k < n; k++) {
		if (nodes[k].parent == i)
			sum += promise(nodes, n, k);
	}
	return least(most(sum, nodes[i].reservation), nodes[i].demand);
}

static double height(const struct fluid_node *nodes, int n, int i, double level)
{
	double v = most(level * nodes[i].shares, promise(nodes, n, i));

	return least(v, nodes[i].demand);
}

static double poured(const struct fluid_node *nodes, int n, int parent, double level)
{
	double sum = 0;

	for (int i = parent + 1; i < n; i++) {
		if (nodes[i].parent == parent)
			sum += height(nodes, n, i, level);
	}
	return sum;
}

static void pour_below(struct fluid_node *nodes, int n, int parent)
{
	double low = 0, high = 1e9;

	for (int step = 0; step < 100; step++) {
		double middle = (low + high) / 2;

		if (poured(nodes, n, parent, middle) > nodes[parent].given)
			high = middle;
		else
			low = middle;
	}
	for (int i = parent + 1; i < n; i++) {
		if (nodes[i].parent != parent)
			continue;
		nodes[i].given = height(nodes, n, i, low);
		if (!nodes[i].leaf)
			pour_below(nodes, n, i);
	}
}

void fluid_pour(struct fluid_node *nodes, int n, double capacity)
{
	for (int i = 0; i < n; i++) {
		if (!nodes[i].leaf)
			nodes[i].demand = 0;
	}
	for (int i = n - 1; i >= 0; i--) {
		nodes[i].demand = least(nodes[i].demand, nodes[i].limit);
		if (i)
			nodes[nodes[i].parent].demand += nodes[i].demand;
	}
	nodes[0].given = least(capacity, nodes[0].demand);
	pour_below(nodes, n, 0);
}

double fluid_closed(double vcpus, double load, double speed)
{
	return vcpus / (1 / speed + (1 - load) / load);
}
