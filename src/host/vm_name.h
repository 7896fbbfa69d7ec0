/* SPDX-License-Identifier: MIT */
/*
 * What a virtual machine is called: by its owner, as its command line has it, and here, where no
 * two have one name.
 *
 * The rule: of VMs that are there at the same time and are called alike, the one whose process is
 * the oldest has the name; another one has '#' behind it and the first eight characters of its
 * UUID, or its process id where it has no UUID or that is taken as well. A VM keeps its name as
 * long as it is there.
 */
#ifndef HOST_VM_NAME_H
#define HOST_VM_NAME_H

#include "host/host_vm.h"
#include "host/words.h"

#include <stdbool.h>

/* Sets `called`, `uuid`, `id` and `manager` from a command line; `called` stays as it is where the
 * command line has no name. All of them are printable. */
void vm_name_read(const struct words *w, struct host_vm *vm);

/* Makes *vm that of a process, without vCPUs: its start, and what its command line says. */
void vm_name_start(struct host_vm *vm, pid_t pid);

/* A QEMU, by the name of its program. */
bool vm_name_is_qemu(const struct words *w);

/* Sets vm->name to what it is called, or to something else if `taken` says that another VM has
 * that. */
void vm_name_settle(struct host_vm *vm, bool (*taken)(const char *name, void *data), void *data);

/* The same for VMs that are found together, none of which has its name yet; sorts them by age. */
void vm_name_settle_all(struct host_vm **vms, size_t n);

/* Whether a shell pattern, as a person gives it, is for this VM: its name, what it is called, its
 * UUID, or its manager's id for it. What a terminal can't show may be given as it is or as '?'. */
bool vm_name_fits(const struct host_vm *vm, const char *pattern);

#endif
