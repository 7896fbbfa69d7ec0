/* SPDX-License-Identifier: MIT */
/* A whole embedder of the core (policy/core.h): one CPU, and two VMs that always want to run, one
 * with three times the shares of the other. Time is a number; what the core asks for is played. */
#include "policy/core.h"

#include <stdio.h>

#define VMS 2
#define END UINT64_C(60000000000) /* ns */

/* The core's timers: one a VM, the host's; and the CPU's `until`. */
static uint64_t due[VMS + 2] = {CORE_NEVER, CORE_NEVER, CORE_NEVER, CORE_NEVER};

/* A real host runs cpus[i].vcpu there, too. */
static void carry_out(struct core *c)
{
	const struct core_changes *changes = core_changes(c);

	for (uint32_t i = 0; i < changes->n_cpus; i++)
		due[VMS + 1] = changes->cpus[i].until;
	for (uint32_t i = 0; i < changes->n_alarms; i++)
		due[changes->alarms[i].timer] = changes->alarms[i].at;
}

static void play(struct core *c)
{
	for (uint64_t now = 0; now < END; carry_out(c)) {
		uint32_t next = 0;

		for (uint32_t i = 1; i < VMS + 2; i++)
			next = due[i] < due[next] ? i : next;
		now = due[next];
		if (now >= END)
			return;
		due[next] = CORE_NEVER;
		if (next == VMS + 1)
			core_expire(c, now, 0);
		else
			core_timer(c, now, next);
	}
}

int main(void)
{
	struct core_site cpu = {.sibling = CORE_NONE};
	struct core_shape shape = {
		.cpus = 1, .domains = 1, .sites = &cpu, .vms = VMS, .vcpus = VMS};
	struct core_vm_spec vm = {.vcpus = 1, .shares = 3000, .limit = ENTITLE_UNLIMITED};
	struct core_vcpu_figures f;
	struct core *c;

	if (core_new(&core_defaults, &shape, &c) || core_vm_add(c, 0, 0, 0, 1, &vm, NULL))
		return 1;
	vm.shares = 1000;
	if (core_vm_add(c, 0, 1, 1, 1, &vm, NULL) || core_start(c, 0, NULL))
		return 1;
	for (uint32_t i = 0; i < VMS; i++)
		core_wake(c, 0, i);
	carry_out(c);
	play(c);
	core_settle(c, END);
	for (uint32_t i = 0; i < VMS; i++) {
		core_read_vcpu(c, i, &f);
		printf("vCPU %u: %.1f s\n", i, (double)f.ledger->ns[LEDGER_RUN] / 1e9);
	}
	core_free(c);
	return 0;
}
