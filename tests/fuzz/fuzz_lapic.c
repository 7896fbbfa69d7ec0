/* SPDX-License-Identifier: MIT */
/*
 * What guests do to their local APICs is hostile: any sequence of accesses by four vCPUs, with time
 * passing, interrupts taken and messages acted upon in between. No vector below 16 ever comes, none
 * that the priorities hold back; timers keep to their limit; ticks add up. Input: records of eight
 * bytes (what, vCPU, register, value).
 */
#include "fuzz.h"

#include "vmm/machine.h"
#include "vmm/reset.h"
#include "vmm/vcpu_access.h"
#include "vmm/vcpu_interrupts.h"
#include "vmm/vcpu_ticks.h"

#include <string.h>

#define CPUS   4
#define MEMORY (4 * 4096)

static _Alignas(4096) uint8_t bytes[MEMORY];

struct record {
	uint8_t what, cpu;
	uint16_t at;
	uint32_t value;
};

enum { WRITE, READ, PASS, AWAY, TAKE, MESSAGES, BASE, DESCHED, KINDS };

static uint32_t class_of(struct vcpu *v)
{
	return vcpu_memory_read(v, (v->apic.base & ~0xfffull) + 0xa0, 4) >> 4 & 0xf;
}

static void take(struct vcpu *v)
{
	bool own = lapic_pending(&v->apic);
	uint32_t before = class_of(v);
	uint8_t vector;

	if (!vcpu_pending(v))
		return;
	vector = vcpu_acknowledge(v);
	if (!own || !lapic_has(&v->apic, v->apic.base))
		return;
	CHECK(vector >= 16);
	CHECK(vector >> 4 > before);
	CHECK(class_of(v) == vector >> 4);
}

static void pass(struct vcpu *v, uint64_t ns, uint64_t run)
{
	struct machine *m = v->machine;
	uint64_t fired = v->apic.fired;

	m->board.bus.now += ns;
	ticker_reading(&v->ticker, m->board.bus.now, v->ticker.cpu + run);
	if (vcpu_tick(v) && v->apic.fired != fired && fired)
		CHECK(v->apic.fired - fired >= LAPIC_FASTEST);
}

/* As the vCPU's thread does. */
static void act(struct vcpu *v)
{
	v->wake = v->apic.nmi = v->apic.startup = false;
	if (!v->apic.init)
		return;
	lapic_init(&v->apic);
	CHECK(!lapic_pending(&v->apic) && !v->apic.init);
}

static void check(const struct vcpu *v)
{
	const struct tick *t = &v->ticker.tick;

	CHECK(!v->apic.sends);
	CHECK(!((v->apic.requested[0] | v->apic.in_service[0]) & 0xffff));
	CHECK(!v->ticker.on || t->period >= LAPIC_FASTEST);
	CHECK(t->due == t->delivered + t->backlog + t->lost);
	CHECK(vcpu_next(v) >= v->ticker.mono || !v->ticker.on);
}

static void step(struct machine *m, const struct record *r)
{
	static const unsigned sizes[] = {4, 4, 4, 1};
	struct vcpu *v = &m->cpu[r->cpu % CPUS];
	unsigned size = sizes[r->cpu >> 6];
	uint64_t at = v->apic.base & ~0xfffull;

	switch (r->what % KINDS) {
	case WRITE:
		vcpu_memory_write(v, at + r->at % 4096, size, r->value);
		break;
	case READ:
		vcpu_memory_read(v, at + r->at % 4096, size);
		break;
	case PASS:
		pass(v, r->value, r->value);
		break;
	case AWAY:
		pass(v, r->value * UINT64_C(100), 0);
		break;
	case TAKE:
		take(v);
		break;
	case MESSAGES:
		act(v);
		break;
	case BASE: /* the MSR's bits, which KVM has checked */
		v->apic.base = (uint64_t)r->value << 12 | (r->at & LAPIC_ENABLED);
		break;
	default:
		vcpu_port_write(v, 0x564, 1, r->value);
	}
	vcpu_look(v);
	pass(v, 0, 0);
	vcpu_publish(v);
	for (unsigned i = 0; i < CPUS; i++)
		check(&m->cpu[i]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct machine m;
	struct record r;

	memset(&m, 0, sizeof(m));
	m.board.memory = (struct memory){.base = bytes, .size = MEMORY};
	m.board.block.fd = -1;
	m.board.bus.now = 1000000;
	m.cpus = CPUS;
	machine_reset(&m);
	machine_set_policy(&m, TICK_DESCHED);
	for (size_t at = 0; at + sizeof(r) <= size; at += sizeof(r)) {
		memcpy(&r, data + at, sizeof(r));
		step(&m, &r);
	}
	return 0;
}
