/* SPDX-License-Identifier: MIT */
/* The random hosts of test_sim_fluid.c: how they are drawn, and what they are as a scenario. */
#ifndef TEST_FLUID_HOST_H
#define TEST_FLUID_HOST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FLUID_VMS 16

enum fluid_form {
	FLUID_STILL,   /* nothing changes */
	FLUID_CHANGES, /* after everything about the host has changed */
	FLUID_POOLS,   /* most groups have less than their members want */
	FLUID_INNER,   /* and only the outermost has a limit */
};

struct fluid_vm {
	bool later;					/* it comes when the host changes */
	double vcpus, shares, reservation, limit, load; /* load 0: always busy */
	double burst;					/* ms */
	int group;
	double low, high; /* CPUs, by the model */
	double entitled;  /* CPUs, if it alone wanted more */
	double speed;	  /* of a thread of it that works, if all do */
	double rate;	  /* CPUs: what the policy serves it by, on average */
	double work[17];  /* how probable it is that so many of its threads work */
};

struct fluid_host {
	uint64_t *rng; /* of all that is drawn for it */
	int cpus, n_groups, n_vms, cosched;
	bool wide; /* a CPU for each vCPU */
	struct {
		int parent;
		double shares, reservation, limit;
		bool full; /* it has its limit, always */
	} groups[4];
	struct fluid_vm vms[FLUID_VMS];
};

enum { FLUID_EACH, FLUID_RELAXED, FLUID_BALANCE, FLUID_STRICT }; /* cosched */
extern const char *const fluid_rows[];				 /* their names */

/* Draws a host with the random numbers of `rng`, and writes it as a scenario; of one that changes, `ret` is
 * what it is from 5 s on. */
void fluid_host_draw(enum fluid_form form, uint64_t *rng, struct fluid_host *ret, char *text,
		     size_t size);

#endif
