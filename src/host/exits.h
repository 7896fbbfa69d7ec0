/* SPDX-License-Identifier: MIT */
/*
 * Exits of vCPUs, by what they are for (src/bpf/exits.h): counted only once somebody asks, for KVM's
 * vCPUs only. What KVM doesn't report stays 0: `told` says which of the two tables were ever written.
 */
#ifndef HOST_EXITS_H
#define HOST_EXITS_H

#include "base/failure.h"
#include "bpf/exits.h"
#include "bpf/object.h"
#include "bpf/vcpu.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* "halt", "port": what an exit or a trip is for. */
const char *exit_class_name(enum exit_class c);
const char *exit_class_help(enum exit_class c);

/* The class of KVM's reason: isa 1 is VMX, 2 is SVM. And that of a KVM_EXIT_* of its API. */
enum exit_class exit_class_of(uint32_t isa, uint32_t reason);
enum exit_class exit_class_of_user(uint32_t reason);

/* Since counting began or the VM came, whichever was later. */
struct vcpu_exits {
	struct exits_count kernel[EXIT_CLASSES]; /* exits; ns of CPU time in the host's kernel */
	struct exits_count user[EXIT_CLASSES];	 /* trips to the monitor; ns of CPU time there */
};

struct exits_programs;
struct vcpu_programs;

/* Loads the programs beside those of the ledger and attaches them. -EOPNOTSUPP where this kernel
 * has no KVM. */
int exits_open(const struct vcpu_programs *ledger, struct failure *f, struct exits_programs **ret);
struct exits_programs *exits_close(struct exits_programs *p); /* NULL accepted; returns NULL */

/* The slot is a new vCPU's. */
void exits_clear(struct exits_programs *p, uint32_t slot);

void exits_read(const struct exits_programs *p, uint32_t slot, struct vcpu_exits *ret);

#endif
