/* SPDX-License-Identifier: MIT */
/*
 * A guest's port accesses are hostile: any sequence of reads and writes to the devices, with time
 * passing and interrupts taken in between, leaves ticks that add up and buffers within their
 * bounds. Input: records of eight bytes (what, size, port, value).
 */
#include "fuzz.h"

#include "vmm/board.h"

#include <desched/vmdesched.h>
#include <string.h>

#define MEMORY (16 * 4096)

static _Alignas(4096) uint8_t bytes[MEMORY + 4096];

struct record {
	uint8_t what, size;
	uint16_t port;
	uint32_t value;
};

enum { WRITE, READ, PASS, AWAY, TAKE, INPUT, POLICY, RESET, KINDS };

static void check(const struct board *b)
{
	const struct tick *ticks[] = {&b->ticker.tick, &b->clock_ticker.tick};

	for (int i = 0; i < 2; i++)
		CHECK(ticks[i]->due == ticks[i]->delivered + ticks[i]->backlog + ticks[i]->lost);
	CHECK(b->serial.out_used <= sizeof(b->serial.out));
	CHECK(!b->port.page || b->port.page <= MEMORY - 4096);
	for (int i = 0; i < 4096; i++)
		CHECK(bytes[MEMORY + i] == 0x5a);
}

static void tick(struct board *b)
{
	timers_fire(b);
	CHECK(!b->ticker.on || b->ticker.tick.period >= PIT_FASTEST);
	CHECK(!b->clock_ticker.on || b->clock_ticker.tick.period >= PIT_FASTEST);
}

static void step(struct board *b, const struct record *r)
{
	static const unsigned sizes[] = {1, 2, 4, 1};
	unsigned size = sizes[r->size & 3];
	uint64_t mono = b->ticker.mono, cpu = b->ticker.cpu;

	switch (r->what % KINDS) {
	case WRITE:
		board_port_write(b, r->port, size, r->value);
		break;
	case READ:
		board_port_read(b, r->port, size);
		break;
	case PASS:
		timers_reading(b, mono + r->value, cpu + r->value);
		break;
	case AWAY:
		timers_reading(b, mono + r->value * UINT64_C(100), cpu);
		break;
	case TAKE:
		if (pic_pending(&b->pic))
			pic_acknowledge(&b->pic);
		b->serial.out_used = 0;
		break;
	case INPUT:
		serial_put(&b->serial, (uint8_t)r->value);
		break;
	case RESET:
		board_reset(b);
		break;
	default:
		board_set_policy(b, r->value % TICK_POLICIES);
	}
	board_raise(b);
	tick(b);
	port_publish(&b->port, board_timers(b), timers_raised(b), &b->memory);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct board b;
	struct record r;

	memset(bytes + MEMORY, 0x5a, 4096);
	memset(&b, 0, sizeof(b));
	b.memory = (struct memory){bytes, MEMORY};
	b.block.fd = -1;
	board_reset(&b);
	board_set_policy(&b, TICK_DESCHED);
	for (size_t at = 0; at + sizeof(r) <= size; at += sizeof(r)) {
		memcpy(&r, data + at, sizeof(r));
		step(&b, &r);
	}
	check(&b);
	return 0;
}
