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

enum { WRITE, READ, PASS, AWAY, TAKE, INPUT, POLICY, KINDS };

static void check(const struct board *b)
{
	const struct tick *t = &b->ticker.tick;

	CHECK(t->due == t->delivered + t->backlog + t->lost);
	CHECK(b->serial.out_used <= sizeof(b->serial.out));
	CHECK(!b->cpu[0].port.page || b->cpu[0].port.page <= MEMORY - 4096);
	for (int i = 0; i < 4096; i++)
		CHECK(bytes[MEMORY + i] == 0x5a);
}

static void pass(struct board *b, uint64_t ns, uint64_t run)
{
	b->now += ns;
	ticker_reading(&b->ticker, b->now, b->ticker.cpu + run);
}

static void step(struct board *b, const struct record *r)
{
	static const unsigned sizes[] = {1, 2, 4, 1};
	unsigned size = sizes[r->size & 3];
	struct vcpu *v = &b->cpu[0];

	switch (r->what % KINDS) {
	case WRITE:
		vcpu_port_write(v, r->port, size, r->value);
		break;
	case READ:
		vcpu_port_read(v, r->port, size);
		break;
	case PASS:
		pass(b, r->value, r->value);
		break;
	case AWAY:
		pass(b, r->value * UINT64_C(100), 0);
		break;
	case TAKE:
		if (vcpu_pending(v))
			vcpu_acknowledge(v);
		b->serial.out_used = 0;
		break;
	case INPUT:
		serial_put(&b->serial, (uint8_t)r->value);
		break;
	default:
		board_set_policy(b, r->value % TICK_POLICIES);
	}
	board_raise(b);
	vcpu_tick(v);
	CHECK(!b->ticker.on || b->ticker.tick.period >= PIT_FASTEST);
	vcpu_publish(v);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct board b;
	struct record r;

	memset(bytes + MEMORY, 0x5a, 4096);
	memset(&b, 0, sizeof(b));
	b.memory = (struct memory){bytes, MEMORY};
	b.block.fd = -1;
	board_reset(&b, 1);
	board_set_policy(&b, TICK_DESCHED);
	for (size_t at = 0; at + sizeof(r) <= size; at += sizeof(r)) {
		memcpy(&r, data + at, sizeof(r));
		step(&b, &r);
	}
	check(&b);
	return 0;
}
