/* SPDX-License-Identifier: MIT */
#include "port_device.h"

#include "vmm/reset.h"
#include "vmm/timers.h"
#include "vmm/vcpu_access.h"
#include "vmm/vcpu_interrupts.h"
#include "vmm/vcpu_ticks.h"

#include <string.h>

#define MEMORY PORT_DEVICE_MEMORY

static _Alignas(4096) uint8_t bytes[MEMORY + 4096];

struct record {
	uint8_t what, size;
	uint16_t port;
	uint32_t value;
};

enum { WRITE, READ, PASS, AWAY, TAKE, INPUT, POLICY, POKE, RESET, KINDS };

static void check(const struct machine *m)
{
	const struct ticker *k[] = {&m->board.ticker, &m->board.clock_ticker};

	for (int i = 0; i < 2; i++) {
		const struct tick *t = &k[i]->tick;

		CHECK(t->due == t->delivered + t->backlog + t->lost);
		CHECK(!k[i]->on || t->period >= PIT_FASTEST);
	}
	port_device.check(m);
}

static void pass(struct machine *m, uint64_t ns, uint64_t run)
{
	m->board.bus.now += ns;
	timers_reading(&m->board, m->board.bus.now, m->board.ticker.cpu + run);
}

static void act(struct machine *m, const struct record *r)
{
	static const unsigned sizes[] = {1, 2, 4, 1};
	unsigned n = port_device.n_ports, size = sizes[r->size & 3];
	uint16_t port = n ? port_device.ports[r->port % n] : r->port;
	struct vcpu *v = &m->cpu[0];

	switch (r->what % KINDS) {
	case WRITE:
		vcpu_port_write(v, port, size, r->value);
		break;
	case READ:
		vcpu_port_read(v, port, size);
		break;
	case PASS:
		pass(m, r->value, r->value);
		break;
	case AWAY:
		pass(m, r->value * UINT64_C(100), 0);
		break;
	case TAKE:
		if (vcpu_pending(v))
			vcpu_acknowledge(v);
		m->board.serial.out_used = 0;
		break;
	case INPUT:
		serial_put(&m->board.serial, (uint8_t)r->value);
		break;
	case POLICY:
		machine_set_policy(m, r->value % TICK_POLICIES);
		break;
	case RESET:
		machine_reset(m);
		break;
	default:
		memcpy(bytes + r->port % (MEMORY - 4), &r->value, sizeof(r->value));
	}
}

/* As the vCPU's thread does after each exit. */
static void step(struct machine *m, const struct record *r)
{
	act(m, r);
	vcpu_look(&m->cpu[0]);
	board_raise(&m->board);
	vcpu_tick(&m->cpu[0]);
	vcpu_publish(&m->cpu[0]);
	check(m);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct machine m;
	struct record r;

	memset(bytes, 0, MEMORY);
	memset(bytes + MEMORY, 0x5a, 4096);
	memset(&m, 0, sizeof(m));
	m.board.memory = (struct memory){.base = bytes, .size = MEMORY};
	m.board.block.fd = -1;
	m.cpus = 1;
	machine_reset(&m);
	machine_set_policy(&m, TICK_DESCHED);
	for (size_t at = 0; at + sizeof(r) <= size; at += sizeof(r)) {
		memcpy(&r, data + at, sizeof(r));
		step(&m, &r);
	}
	for (int i = 0; i < 4096; i++)
		CHECK(bytes[MEMORY + i] == 0x5a);
	return 0;
}
