/* SPDX-License-Identifier: MIT */
#include "port_device.h"

#include <string.h>

#define MEMORY PORT_DEVICE_MEMORY

static _Alignas(4096) uint8_t bytes[MEMORY + 4096];

struct record {
	uint8_t what, size;
	uint16_t port;
	uint32_t value;
};

enum { WRITE, READ, PASS, AWAY, TAKE, INPUT, POLICY, POKE, RESET, KINDS };

static void check(const struct board *b)
{
	const struct ticker *k[] = {&b->ticker, &b->clock_ticker};

	for (int i = 0; i < 2; i++) {
		const struct tick *t = &k[i]->tick;

		CHECK(t->due == t->delivered + t->backlog + t->lost);
		CHECK(!k[i]->on || t->period >= PIT_FASTEST);
	}
	port_device.check(b);
}

static void act(struct board *b, const struct record *r)
{
	static const unsigned sizes[] = {1, 2, 4, 1};
	unsigned n = port_device.n_ports, size = sizes[r->size & 3];
	uint16_t port = n ? port_device.ports[r->port % n] : r->port;
	uint64_t mono = b->ticker.mono, cpu = b->ticker.cpu;

	switch (r->what % KINDS) {
	case WRITE:
		board_port_write(b, port, size, r->value);
		break;
	case READ:
		board_port_read(b, port, size);
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
	case POLICY:
		board_set_policy(b, r->value % TICK_POLICIES);
		break;
	case RESET:
		board_reset(b);
		break;
	default:
		memcpy(bytes + r->port % (MEMORY - 4), &r->value, sizeof(r->value));
	}
}

/* As the vCPU's thread does after each exit. */
static void step(struct board *b, const struct record *r)
{
	act(b, r);
	port_look(&b->port, board_timers(b), &b->memory);
	board_raise(b);
	timers_fire(b);
	port_publish(&b->port, board_timers(b), timers_raised(b), &b->memory);
	check(b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct board b;
	struct record r;

	memset(bytes, 0, MEMORY);
	memset(bytes + MEMORY, 0x5a, 4096);
	memset(&b, 0, sizeof(b));
	b.memory = (struct memory){.base = bytes, .size = MEMORY};
	b.block.fd = -1;
	board_reset(&b);
	board_set_policy(&b, TICK_DESCHED);
	for (size_t at = 0; at + sizeof(r) <= size; at += sizeof(r)) {
		memcpy(&r, data + at, sizeof(r));
		step(&b, &r);
	}
	for (int i = 0; i < 4096; i++)
		CHECK(bytes[MEMORY + i] == 0x5a);
	return 0;
}
