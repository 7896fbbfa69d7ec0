/* SPDX-License-Identifier: MIT */
/*
 * An I/O-bound guest: `streams` requests are under way at once, each takes `service` in the device,
 * its interrupt is served and its data processed in `burst` of CPU time, and the next request of
 * the stream is issued. Only the first vCPU does this. What a backup does, with one stream.
 */
#include "sim/workload_internal.h"

#include "sim/memory.h"

/* The stream whose request is complete first. */
static uint32_t first_stream(const struct sim_vm *vm)
{
	uint32_t first = 0;

	for (uint32_t i = 1; i < vm->spec->streams; i++) {
		if (vm->pending[i] < vm->pending[first])
			first = i;
	}
	return first;
}

static void io_begin(struct sim *s, uint32_t vcpu)
{
	struct sim_vm *vm = guest_vm(s, vcpu);
	bool first = vcpu == guest_vm(s, vcpu)->first;

	if (!first) {
		guest_rest(s, vcpu, TIMER_NEVER);
		return;
	}
	for (uint32_t i = 0; i < vm->spec->streams; i++)
		vm->pending[i] = workload_start(s, vcpu) +
				 workload_draw(s, vcpu, vm->spec->service);
	guest_rest(s, vcpu, vm->pending[first_stream(vm)]);
}

/* Takes the completed request of a stream: returns the CPU time that it needs. */
static uint64_t take(struct sim *s, uint32_t vcpu, uint32_t stream)
{
	s->guests[vcpu].phase = stream & 0xfff;
	return workload_draw(s, vcpu, guest_vm(s, vcpu)->spec->burst);
}

static void io_timer(struct sim *s, uint32_t vcpu)
{
	guest_wake(s, vcpu, take(s, vcpu, first_stream(guest_vm(s, vcpu))));
}

/* When a request that is issued now is complete. */
static uint64_t issue(struct sim *s, uint32_t vcpu)
{
	const struct vm_spec *spec = guest_spec(s, vcpu);

	if (spec->device == DEVICE_HOST)
		return memory_disk_submit(s, spec->io_size, spec->fixed);
	return s->now + workload_draw(s, vcpu, spec->service);
}

static void io_done(struct sim *s, uint32_t vcpu)
{
	struct sim_vm *vm = guest_vm(s, vcpu);
	struct guest *g = &s->guests[vcpu];
	uint32_t next;

	g->ops++;
	g->debt += s->scenario->host.exit_cost;
	vm->pending[g->phase] = issue(s, vcpu);
	next = first_stream(vm);
	if (vm->pending[next] <= s->now)
		guest_work(s, vcpu, take(s, vcpu, next));
	else
		guest_sleep(s, vcpu, vm->pending[next], LEDGER_HALT);
}

const struct workload_row workload_io = {
	.name = "io",
	.summary = "requests to a device, each followed by processing",
	.begin = io_begin,
	.done = io_done,
	.timer = io_timer,
};
