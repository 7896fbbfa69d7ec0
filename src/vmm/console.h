/* SPDX-License-Identifier: MIT */
/*
 * The thread that started the machine, while it runs: standard input for the serial port, the
 * control socket, the signals that end a process.
 *
 * On the control socket a peer sends a line and gets one back, a JSON object: what vmm_figures()
 * has after "figures", "policy NAME", "balloon MIB" and "forget" (what was worst so far), or
 * {"error": TEXT}. One peer at a time; one that does not read its answers is dropped.
 */
#ifndef VMM_CONSOLE_H
#define VMM_CONSOLE_H

#include "vmm/board.h"

#include <jansson.h>
#include <signal.h>
#include <termios.h>

struct console {
	struct board *board;
	const char *path; /* of the control socket, NULL: none */
	int control, peer;
	char line[256];
	size_t used;
	bool input;	   /* standard input has not ended */
	bool ended;	   /* a vCPU's thread is through */
	uint64_t deadline; /* mono: when the others are left where they are, 0: not yet */
	bool terminal;
	struct termios before;
	sigset_t open; /* the signals that were blocked before ours were */
};

/* Before the machine's thread is made: it blocks the signals that end a process, for both, so that
 * only console_serve() sees them. */
int console_open(struct console *c, struct board *m, const char *path, struct failure *f);
void console_close(struct console *c);

/* Until the machine has ended and its threads are gone; -ETIMEDOUT when one of them is not, half a
 * second after a signal: then the machine stays where it is until the process ends. */
int console_serve(struct console *c, struct failure *f);

/* The answer to one line; for console.c and the tests. */
json_t *control_answer(struct board *m, const char *line);

#endif
