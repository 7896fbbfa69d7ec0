/* SPDX-License-Identifier: MIT */
/*
 * One `desched vm` with the test guest, as a process beside us: what it reports over its serial
 * line, what its monitor says on the control socket, and what the host's kernel says of its vCPU.
 */
#ifndef TICKS_TICKS_VM_H
#define TICKS_TICKS_VM_H

#include "base/failure.h"
#include "ticks/ticks_report.h"

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct ticks_vm {
	char name[16];
	pid_t pid;    /* 0: none */
	int to, from; /* the serial line */
	int control;
	char socket[100];
	char line[2048];
	size_t used;
};

/* Starts it on CPU `cpu`. Stop it in either case; it dies with us, and leaves no file behind. */
int ticks_vm_start(struct ticks_vm *v, const char *name, const char *policy, uint64_t hz, int cpu,
		   struct failure *f);
void ticks_vm_stop(struct ticks_vm *v);

/* Asks for a report; waits for it. */
int ticks_vm_ask(struct ticks_vm *v, struct failure *f);
int ticks_vm_answer(struct ticks_vm *v, struct failure *f, struct ticks_report *ret);

/* A request on the control socket: a new reference to the answer. */
int ticks_vm_request(struct ticks_vm *v, const char *request, struct failure *f, json_t **ret);

#endif
