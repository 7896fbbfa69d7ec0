/* SPDX-License-Identifier: MIT */
/*
 * Which VMs a person asks for, by operands. A number is the id that a VM's manager has given it
 * (Proxmox's VMID), or else a process; "pid=N" and "id=PATTERN" are one or the other. Anything else
 * is a shell pattern for names and UUIDs.
 */
#ifndef HOST_CHOICE_H
#define HOST_CHOICE_H

#include "host/host_vm.h"

#include <stdbool.h>

struct wish {
	const char *text; /* the caller's */
	const char *id;	  /* a pattern for ids; NULL: not that */
	pid_t pid;	  /* the process; 0: not that */
	bool fits;	  /* some VM did */
};

struct choice {
	struct wish *wishes; /* owned */
	int n;
};

/* The operands outlive it. -EINVAL and why, -ENOMEM. */
int choice_open(char *const *operands, int n, struct failure *f, struct choice *ret);
void choice_close(struct choice *c); /* all zero accepted */

/* Whether VMs that are not known yet may be wanted. */
bool choice_is_open(const struct choice *c);

/* Whether this VM is wanted for its names; those that are wanted as processes are not. */
bool choice_wants(struct choice *c, const struct host_vm *vm);

/* Whether this VM is wanted, for its names or as a process. */
bool choice_takes(struct choice *c, const struct host_vm *vm);

/* The first operand that no VM has fitted so far, but for processes; NULL. */
const char *choice_missing(const struct choice *c);

/* The same, processes among them. */
const char *choice_unmet(const struct choice *c);

#endif
