/* SPDX-License-Identifier: MIT */
/* Memory in which a guest asks its host for the time: what test_clock_smp and clock_pong share. */
#ifndef CLOCK_PONG_H
#define CLOCK_PONG_H

#include <stdatomic.h>
#include <stdint.h>

#define PONG_BYTES 65536u

struct pong {
	_Atomic uint64_t calling; /* the guest is about to ask */
	_Atomic uint64_t ask;	  /* raised by the guest */
	_Atomic uint64_t answer;  /* what was asked, when `mono` is the answer */
	_Atomic uint64_t mono;	  /* ns, the host's CLOCK_MONOTONIC */
};

#endif
