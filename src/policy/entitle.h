/* SPDX-License-Identifier: MIT */
/*
 * Entitlement: how much CPU each VM and group may count on.
 *
 * A tree; node 0 is the host, a parent stands before its children, leaves are VMs. CPU amounts are
 * fractions of one CPU. Each node has shares (against its siblings), a reservation (minimum) and a
 * limit (maximum). The capacity of a node is divided by water-filling: everyone gets
 * clamp(level * shares, reservation, limit), cut at what it demands, with the one level that uses
 * the capacity up. So an unused reservation is lent out, and comes back with the next division
 * after the demand does.
 *
 * Doubles, since this runs some tens of times a second and outside the kernel; dispatching takes
 * the result as an integer (dispatch.h).
 */
#ifndef POLICY_ENTITLE_H
#define POLICY_ENTITLE_H

#include <stdbool.h>
#include <stdint.h>

#define ENTITLE_NONE	      UINT32_MAX
#define ENTITLE_UNLIMITED     1e18
#define ENTITLE_SHARES_LOW    500 /* per vCPU */
#define ENTITLE_SHARES_NORMAL 1000
#define ENTITLE_SHARES_HIGH   2000

struct entitle_node {
	uint32_t parent; /* ENTITLE_NONE for the host, and for one that is not in the tree */
	uint32_t child;	 /* first child; set by entitle_link() */
	uint32_t next;	 /* next sibling; set by entitle_link() */
	bool frozen;	 /* scratch */
	bool full;	 /* scratch: it has what it demands */

	double shares;	    /* > 0 */
	double reservation; /* >= 0 */
	double limit;	    /* >= reservation */

	double demand; /* in for VMs, out for groups: what can be used now */
	double used;   /* likewise: what has been used lately, demand if not known */
	double floor;  /* out: the part of the demand that is reserved */
	double given;  /* out: the entitlement; never above demand or limit. Of those who have all
			* that  they demand what they use: they may wait for it, but not for more. */
	double rate;   /* out: what it would be if this node alone demanded more; >= given */
};

/* Sets child and next from parent. */
void entitle_link(struct entitle_node *nodes, uint32_t n);

/* Divides `capacity` (CPUs) over the tree. */
void entitle_divide(struct entitle_node *nodes, uint32_t n, double capacity);

/*
 * Can every reservation be kept at once? 0, or -ENOSPC with the first node (children before their
 * parent) whose children's reservations exceed what it has, and both figures; or -EINVAL with the
 * node whose limit is below its reservation.
 */
struct entitle_refusal {
	uint32_t node;
	double wanted;
	double available;
};
int entitle_admit(const struct entitle_node *nodes, uint32_t n, double capacity,
		  struct entitle_refusal *ret_refusal);

#endif
