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

static void pass(struct board *b, uint64_t ns, uint64_t run)
{
	b->now += ns;
	timers_reading(b, b->now, b->ticker.cpu + run);
}

static void act(struct board *b, const struct record *r)
{
	static const unsigned sizes[] = {1, 2, 4, 1};
	unsigned n = port_device.n_ports, size = sizes[r->size & 3];
	uint16_t port = n ? port_device.ports[r->port % n] : r->port;
	struct vcpu *v = &b->cpu[0];

	switch (r->what % KINDS) {
	case WRITE:
		vcpu_port_write(v, port, size, r->value);
		break;
	case READ:
		vcpu_port_read(v, port, size);
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
	vcpu_look(&b->cpu[0]);
	board_raise(b);
	vcpu_tick(&b->cpu[0]);
	vcpu_publish(&b->cpu[0]);
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
	b.cpus = 1;
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
