/* SPDX-License-Identifier: MIT */
/* VMDesched's port: the interface of vmdesched(7) on the monitor's side. */
#ifndef VMM_PORT_H
#define VMM_PORT_H

#include "vmm/memory.h"
#include "vmm/ticker.h"

struct port {
	uint64_t page;	     /* guest address, 0: none */
	uint64_t entered;    /* times that VMDesched got the CPU */
	bool told;	     /* by the port that it has it */
	uint64_t clock_told; /* ticks of tick.set that a process was told of */
};

/* Two timers of a vCPU may tick, each with a backlog of its own; VMDesched takes both. The page
 * tells of the first. */
struct port_timers {
	struct ticker *timer, *clock; /* the second one may be NULL */
};

/* The guest's accesses to [VMDESCHED_PORT, VMDESCHED_PORT + VMDESCHED_PORTS). A page that is not in
 * the guest's memory, or not on a page boundary, is none. */
void port_write(struct port *p, struct port_timers t, const struct memory *m, uint16_t port,
		unsigned size, uint32_t value);
uint32_t port_read(struct port *p, struct port_timers t, const struct memory *m, uint16_t port,
		   unsigned size);

/* Looks at the page's word by which a guest says the same as by the port: after each exit, before
 * ticks are looked at. */
void port_look(struct port *p, struct port_timers t, const struct memory *m);

/* Writes the page, if there is one. Only while the vCPU does not run. `raised`: a timer interrupt
 * is on its way to the guest; VMDesched is to stay until it has the last one of the backlog. */
void port_publish(const struct port *p, struct port_timers t, bool raised, const struct memory *m);

#endif
