/* SPDX-License-Identifier: MIT */
/*
 * The board: all that vCPUs share but the vCPUs themselves. Memory, the devices of a PC of 2006
 * (8259s, 8254, CMOS clock, serial port, power management), virtio devices, and the tickers of the
 * two timers that can tick (timers.h). Interrupts of devices go by the 8259s to vCPU 0.
 */
#ifndef VMM_BOARD_H
#define VMM_BOARD_H

#include "vmm/device.h"
#include "vmm/pic.h"
#include "vmm/pit.h"
#include "vmm/power.h"
#include "vmm/rtc.h"
#include "vmm/serial.h"
#include "vmm/ticker.h"
#include "vmm/virtio_devices.h"

#define BOARD_PLACES 3
#define BOARD_PORTS  0x1000 /* no device has one above */

struct board {
	struct memory memory;
	struct bus bus;
	uint8_t owners[BOARD_PORTS]; /* of each port: a row of devices[], from 1 on; 0: none */
	struct pic pic;
	struct pit pit;
	struct rtc rtc;
	struct serial serial;
	struct power power;
	struct block block; /* fd -1: no disk */
	struct balloon balloon;
	struct entropy entropy;
	struct ticker ticker;	    /* the 8254's; its time is vCPU 0's, also while it is off */
	struct ticker clock_ticker; /* the CMOS clock's, likewise */
	uint64_t second_at; /* mono: when the CMOS clock has a second that is wanted, 0: never */
};

/* Makes the virtio devices, once memory and the disk are there. */
void board_add_devices(struct board *b);

/* Power-up; what was counted stays. */
void board_reset(struct board *b);

/* What the guest's accesses do. All ones where there is nothing. False: not yet (virtio_write()).
 * Afterwards, bus.off and bus.reset are to be looked at. */
void board_port_write(struct board *b, uint16_t port, unsigned size, uint32_t value);
uint32_t board_port_read(struct board *b, uint16_t port, unsigned size);
bool board_memory_write(struct board *b, uint64_t at, unsigned size, uint64_t value);
uint64_t board_memory_read(struct board *b, uint64_t at, unsigned size);

/* The virtio device at a place, NULL if there is none; where its registers are. */
struct virtio *board_virtio(struct board *b, unsigned place);
uint64_t board_place(unsigned place);

/* Raises what devices ask for; after each access. */
void board_raise(struct board *b);

#endif
