/* SPDX-License-Identifier: MIT */
#include "policy/entitle.h"

#include <errno.h>

static double min(double a, double b)
{
	return a < b ? a : b;
}

static double max(double a, double b)
{
	return a > b ? a : b;
}

static double clamp(double v, double low, double high)
{
	return max(low, min(v, high));
}

void entitle_link(struct entitle_node *nodes, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		nodes[i].child = nodes[i].next = ENTITLE_NONE;
	for (uint32_t i = n; i-- > 1;) {
		struct entitle_node *parent;

		if (nodes[i].parent == ENTITLE_NONE)
			continue;
		parent = &nodes[nodes[i].parent];
		nodes[i].next = parent->child;
		parent->child = i;
	}
}

/* A group demands what its children do, within its limit, and reserves what they reserve if that
 * is more than its own reservation. */
static void sum_up(struct entitle_node *nodes, uint32_t n)
{
	for (uint32_t i = n; i-- > 0;) {
		struct entitle_node *group = &nodes[i];
		double demand = 0, used = 0, floor = 0;

		if (group->child == ENTITLE_NONE) {
			group->demand = min(group->demand, group->limit);
			group->used = min(group->used, group->demand);
			group->floor = min(group->reservation, group->demand);
			continue;
		}
		for (uint32_t c = group->child; c != ENTITLE_NONE; c = nodes[c].next) {
			demand += nodes[c].demand;
			used += nodes[c].used;
			floor += nodes[c].floor;
		}
		group->demand = min(demand, group->limit);
		group->used = min(used, group->demand);
		group->floor = min(max(floor, group->reservation), group->demand);
	}
}

/* What the unfrozen children share, and by how many shares. */
struct pool {
	double capacity;
	double shares;
};

static struct pool pool_of(const struct entitle_node *nodes, uint32_t first, double capacity)
{
	struct pool p = {capacity, 0};

	for (uint32_t c = first; c != ENTITLE_NONE; c = nodes[c].next) {
		if (nodes[c].frozen)
			p.capacity -= nodes[c].given;
		else
			p.shares += nodes[c].shares;
	}
	return p;
}

/* Freezes the children that are on the worse side of their bounds at this level. Returns whether
 * there was one. */
static bool freeze(struct entitle_node *nodes, uint32_t first, double level)
{
	double violation = 0;
	bool any = false;

	for (uint32_t c = first; c != ENTITLE_NONE; c = nodes[c].next) {
		double v = level * nodes[c].shares;

		if (!nodes[c].frozen)
			violation += clamp(v, nodes[c].floor, nodes[c].demand) - v;
	}
	for (uint32_t c = first; c != ENTITLE_NONE; c = nodes[c].next) {
		struct entitle_node *node = &nodes[c];
		double v = level * node->shares;

		if (node->frozen)
			continue;
		node->given = clamp(v, node->floor, node->demand);
		if ((violation < 0 || node->given <= v) && (violation > 0 || node->given >= v))
			continue;
		any = node->frozen = true;
		node->full = node->given >= node->demand;
		if (node->full)
			node->given = node->used;
	}
	return any;
}

/* The level if all have what they demand and something is left: where the one that would be the
 * last to have enough would take all of it. */
static double level_of_last(const struct entitle_node *nodes, const struct entitle_node *group,
			    double left)
{
	uint32_t last = group->child;

	for (uint32_t c = last; c != ENTITLE_NONE; c = nodes[c].next) {
		if (nodes[c].demand * nodes[last].shares > nodes[last].demand * nodes[c].shares)
			last = c;
	}
	return max(0, left + nodes[last].given) / nodes[last].shares;
}

/* At which rate each child is served while it wants to run: by its shares at the level of its
 * siblings, so that those who demand little run as fast as those who demand all, for a shorter
 * time. Only a group is held to what is left over (its members divide its rate); a VM may press
 * its siblings down to its level, as far as they are above. */
static void set_rates(struct entitle_node *nodes, const struct entitle_node *group, double level)
{
	double left = group->rate;
	bool slack = true;

	for (uint32_t c = group->child; c != ENTITLE_NONE; c = nodes[c].next) {
		left -= nodes[c].given;
		slack &= nodes[c].full;
	}
	if (slack)
		level = level_of_last(nodes, group, left);
	for (uint32_t c = group->child; c != ENTITLE_NONE; c = nodes[c].next) {
		struct entitle_node *node = &nodes[c];
		double v = level * node->shares;

		if (slack && node->child != ENTITLE_NONE)
			v = min(v, max(0, left + node->given));
		node->rate = max(node->given, clamp(v, node->reservation, node->limit));
	}
}

/* Divides one group's entitlement among its children. The level at which nobody's bound is in the
 * way any more is found as in CSS flexible boxes: freeze the worse side, level the rest, repeat. */
static void divide_group(struct entitle_node *nodes, const struct entitle_node *group)
{
	double floors = 0, level = 0;
	struct pool p;

	for (uint32_t c = group->child; c != ENTITLE_NONE; c = nodes[c].next)
		floors += nodes[c].floor;
	for (uint32_t c = group->child; c != ENTITLE_NONE; c = nodes[c].next) {
		nodes[c].frozen = nodes[c].full = false;
		if (floors > group->rate) /* admission was not asked: everyone a part */
			nodes[c].floor *= group->rate / floors;
	}
	for (;;) {
		p = pool_of(nodes, group->child, group->rate);
		if (p.shares <= 0)
			break;
		level = max(0, p.capacity / p.shares);
		if (!freeze(nodes, group->child, level))
			break;
	}
	set_rates(nodes, group, level);
}

void entitle_divide(struct entitle_node *nodes, uint32_t n, double capacity)
{
	sum_up(nodes, n);
	nodes[0].given = min(capacity, nodes[0].demand);
	nodes[0].rate = capacity;
	for (uint32_t i = 0; i < n; i++) {
		if (nodes[i].child != ENTITLE_NONE)
			divide_group(nodes, &nodes[i]);
	}
}

/* What node i may promise to its children. */
static double available_in(const struct entitle_node *nodes, uint32_t i, double capacity)
{
	double own = nodes[i].parent == ENTITLE_NONE ? capacity : nodes[i].limit;

	return nodes[i].reservation > 0 ? min(own, nodes[i].reservation) : own;
}

/* What node i takes from its parent: its own reservation, or what its children reserve. */
static double promised(const struct entitle_node *nodes, uint32_t i)
{
	double sum = 0;

	if (nodes[i].reservation > 0)
		return nodes[i].reservation;
	for (uint32_t c = nodes[i].child; c != ENTITLE_NONE; c = nodes[c].next)
		sum += promised(nodes, c);
	return sum;
}

int entitle_admit(const struct entitle_node *nodes, uint32_t n, double capacity,
		  struct entitle_refusal *ret_refusal)
{
	for (uint32_t i = n; i-- > 0;) {
		double wanted = 0, available = available_in(nodes, i, capacity);

		if (nodes[i].limit < nodes[i].reservation) {
			*ret_refusal = (struct entitle_refusal){i, nodes[i].reservation,
								nodes[i].limit};
			return -EINVAL;
		}
		for (uint32_t c = nodes[i].child; c != ENTITLE_NONE; c = nodes[c].next)
			wanted += promised(nodes, c);
		if (nodes[i].child != ENTITLE_NONE && wanted > available * (1 + 1e-9)) {
			*ret_refusal = (struct entitle_refusal){i, wanted, available};
			return -ENOSPC;
		}
	}
	return 0;
}
