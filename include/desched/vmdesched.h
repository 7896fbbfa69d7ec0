/* SPDX-License-Identifier: MIT */
/*
 * What a guest and `desched vm` say to each other about descheduled time: vmdesched(7).
 *
 * A kernel asks for the port, gives a page of its memory, and says when it executes VMDesched. The
 * monitor keeps the page. It writes only while the vCPU does not run, which so sees every field as
 * of one instant: the injection of the last interrupt, or later. All of it is for each vCPU by
 * itself. A process that is VMDesched without its kernel's knowledge asks for each tick instead.
 *
 * Freestanding: guests include this too.
 */
#ifndef DESCHED_VMDESCHED_H
#define DESCHED_VMDESCHED_H

#include <stdint.h>

#define VMDESCHED_PORT	      0x560 /* 32 bit. in: VMDESCHED_MAGIC. out: the page's address, or 0 */
#define VMDESCHED_STATE	      0x564 /* 8 bit. out: 1 VMDesched gets the CPU, 0 it leaves it */
#define VMDESCHED_ASK	      0x564 /* 8 bit. in: VMDesched takes one tick, and bits as below */
#define VMDESCHED_CLOCK	      0x564 /* 32 bit. in: ms that the clock is to be set, since last read */
#define VMDESCHED_LEDGER      0x568	  /* 32 bit. in: where the ledger page is, 0: none */
#define VMDESCHED_LEDGER_SIZE 0x56c	  /* 32 bit. in: its bytes */
#define VMDESCHED_LEDGER_AT   0xd4000000u /* what VMDESCHED_LEDGER says, if it is not 0 */
#define VMDESCHED_PORTS	      16
#define VMDESCHED_MAGIC	      0x53444d56u /* "VMDS" */

#define VMDESCHED_WANTED (1u << 0) /* there is a backlog: execute VMDesched */
#define VMDESCHED_SET	 (1u << 1) /* only to who asks: read VMDESCHED_CLOCK */

struct vmdesched_page {
	uint32_t magic;	  /* once the page is kept */
	uint32_t bits;	  /* VMDESCHED_WANTED */
	uint64_t period;  /* ns, of the timer's ticks */
	uint64_t due;	  /* ticks that fell due */
	uint64_t taken;	  /* ... that were delivered */
	uint64_t backlog; /* ... that wait */
	uint64_t lost;	  /* ... that never will be */
	uint64_t set;	  /* ticks to be added to the guest's clock, by all resynchronizations */
	uint64_t resyncs;
	uint64_t real_ns;      /* since the timer was started */
	uint64_t run_ns;       /* of it: the vCPU had a CPU, for VMDesched too */
	uint64_t away_ns;      /* of it: it wanted one and had none */
	uint64_t vmdesched_ns; /* of run_ns: VMDesched */
	uint32_t running;      /* the guest's word: bit 0, it executes VMDesched */
};

#endif
