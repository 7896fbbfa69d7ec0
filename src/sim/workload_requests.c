/* SPDX-License-Identifier: MIT */
/*
 * A guest that serves requests: they arrive every `arrival` on average, whatever the guest does,
 * and each takes `burst` of CPU time of one vCPU. Those that find all vCPUs busy wait in one queue.
 * The work is the VM's and not a vCPU's: with more vCPUs the same requests are served, sooner. An
 * operation is one request; its response time is from its arrival to its end.
 *
 * The queue isn't stored. Arrivals and sizes are drawn in the order of the requests from a stream
 * of the VM's own, and `next` is when the first that no vCPU has taken arrived or will: a vCPU that
 * has finished takes it if it is there, and sleeps otherwise. One idle vCPU, the listener, sleeps
 * until then, the others until they become the listener.
 */
#include "sim/workload_internal.h"

#include "sim/demand.h"

#define COUNTED 1000000 /* requests in the queue; what is beyond is reckoned by the mean */

enum { IDLE, SERVES };

static uint64_t draw(const struct vm_spec *spec, uint64_t *random, uint64_t mean)
{
	return spec->fixed ? mean : random_exp(random, mean);
}

/* When the request comes that follows one at `at`. */
static uint64_t next_after(const struct sim_vm *vm, uint64_t *random, uint64_t at)
{
	const struct vm_spec *spec = vm->spec;

	if (spec->wants)
		return demand_pass(spec, vm->number, at, workload_arrivals(spec, random));
	return at + draw(spec, random, spec->arrival);
}

static uint32_t first_of(const struct sim *s, uint32_t vcpu)
{
	return guest_vm(s, vcpu)->first;
}

static void requests_begin(struct sim *s, uint32_t vcpu)
{
	struct requests *r = guest_vm(s, vcpu)->requests;
	const struct vm_spec *spec = guest_spec(s, vcpu);

	s->guests[vcpu].phase = IDLE;
	if (vcpu != first_of(s, vcpu)) { /* a new one where all others serve is the listener */
		bool listens = s->now && r->listener == CORE_NONE &&
			       vcpu - first_of(s, vcpu) < vm_spec_active(spec);

		if (listens)
			r->listener = vcpu;
		guest_rest(s, vcpu, listens ? r->next : TIMER_NEVER);
		return;
	}
	r->random = s->guests[vcpu].random;
	r->next = next_after(guest_vm(s, vcpu), &r->random, workload_start(s, vcpu));
	r->listener = vcpu;
	guest_rest(s, vcpu, r->next);
}

/* The next request is the vCPU's: returns the CPU time that it takes. */
static uint64_t take(struct sim *s, uint32_t vcpu)
{
	struct requests *r = guest_vm(s, vcpu)->requests;
	const struct vm_spec *spec = guest_spec(s, vcpu);

	r->arrived[vcpu - first_of(s, vcpu)] = r->next;
	r->next = next_after(guest_vm(s, vcpu), &r->random, r->next);
	s->guests[vcpu].phase = SERVES;
	return draw(spec, &r->random, spec->burst);
}

static uint32_t idle_one(const struct sim *s, uint32_t vcpu)
{
	const struct vm_spec *spec = guest_spec(s, vcpu);
	uint32_t first = first_of(s, vcpu), n = vm_spec_active(spec);

	for (uint32_t v = first; v < first + n; v++) {
		if (s->guests[v].phase == IDLE)
			return v;
	}
	return CORE_NONE;
}

/* A request has arrived at the listener. */
static void requests_timer(struct sim *s, uint32_t vcpu)
{
	struct requests *r = guest_vm(s, vcpu)->requests;

	guest_wake(s, vcpu, take(s, vcpu));
	r->listener = idle_one(s, vcpu);
	if (r->listener != CORE_NONE)
		guest_rest(s, r->listener, r->next);
}

static void requests_done(struct sim *s, uint32_t vcpu)
{
	struct requests *r = guest_vm(s, vcpu)->requests;
	bool listens = r->listener == CORE_NONE;

	s->guests[vcpu].ops++;
	quantiles_add(&r->response, s->now - r->arrived[vcpu - first_of(s, vcpu)]);
	if (r->next <= s->now) {
		guest_work(s, vcpu, take(s, vcpu));
		return;
	}
	s->guests[vcpu].phase = IDLE;
	if (listens)
		r->listener = vcpu;
	guest_sleep(s, vcpu, listens ? r->next : TIMER_NEVER, LEDGER_HALT);
}

uint64_t workload_requests_queued(const struct sim *s, uint32_t vm)
{
	const struct requests *r = s->vms[vm].requests;
	const struct vm_spec *spec = s->vms[vm].spec;
	uint64_t n = 0, random = r->random, at;

	if (!s->vms[vm].n)
		return 0;
	for (uint32_t i = 0; i < s->vms[vm].n; i++)
		n += s->guests[s->vms[vm].first + i].phase == SERVES;
	for (at = r->next; at <= s->now && n < COUNTED; n++) {
		at = next_after(&s->vms[vm], &random, at);
		draw(spec, &random, spec->burst);
	}
	if (at > s->now)
		return n;
	return n +
	       (uint64_t)((double)(s->now - at) * demand_mean(spec, s->vms[vm].number, at, s->now) /
			  (double)spec->burst);
}

const struct workload_row workload_requests = {
	.name = "requests",
	.summary = "requests that arrive on their own, served by all vCPUs",
	.begin = requests_begin,
	.done = requests_done,
	.timer = requests_timer,
};
