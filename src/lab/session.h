/* SPDX-License-Identifier: MIT */
/*
 * The machines of a lab and the one place where it waits: session_pump(). Whatever is waited for,
 * consoles are drained, ends of QEMU are noticed and signals are heard.
 */
#ifndef LAB_SESSION_H
#define LAB_SESSION_H

#include "lab/control.h"
#include "lab/lab_options.h"
#include "lab/machine.h"
#include "lab/offcpu.h"
#include "lab/pages.h"
#include "lab/result.h"

struct session {
	const struct lab_options *options;
	const struct lab_watch *watch;
	struct machine *machines; /* owned */
	int n;
	struct machine_setup setup;
	char kernel[512], image[512];
	char dir[32];			  /* of host_page.h; "" while there is none */
	int image_fd;			  /* holds it where it has no name; above 0 */
	cpu_set_t allowed, shared, other; /* may be used; by the machines; by the lab itself */
	struct pages *pages;		  /* NULL: none */
	struct offcpu *offcpu;		  /* NULL: truth is by work units */
	uint64_t drained;		  /* mono ns: when its trace was, last */
	int signals;			  /* a signalfd */
	int signal;			  /* that was received, 0: none */
	const char *phase;
	struct control_kinds kinds;
	uint64_t unit_ns; /* a unit of the first kind, 0 while not known */
	struct lab_result *result;
};

void session_say(const struct session *s, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* Waits up to `timeout_ns` for anything to happen, and takes it in. -EINTR after a signal. */
int session_pump(struct session *s, uint64_t timeout_ns);

/* Pumps for so long; ends early with 1 when a machine has failed. -EINTR as above. */
int session_sleep(struct session *s, uint64_t ns);

/* Sends {"do":command} to every machine that has not failed, or to one, without waiting. */
void session_ask(struct session *s, struct machine *one, const char *command);

/* Waits until the machine, or every one (NULL), has answered or failed; one that does not answer in
 * time fails. Returns 0, or -EINTR. */
int session_await(struct session *s, struct machine *one, const char *command);

#endif
