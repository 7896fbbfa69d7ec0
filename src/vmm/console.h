/* SPDX-License-Identifier: MIT */
/*
 * The thread that started the machine, while it runs: standard input for the serial port, the
 * control socket, the signals that end a process. It waits in one place (service/loop.h), and for
 * nothing else but the machine's lock, which no thread holds for long. On the control socket there
 * may be many peers (service/server.h); what they may ask for is in control.h.
 */
#ifndef VMM_CONSOLE_H
#define VMM_CONSOLE_H

#include "service/listener.h"
#include "service/loop.h"
#include "service/server.h"
#include "vmm/machine.h"

#include <termios.h>

struct console {
	struct machine *machine;
	struct loop *loop;
	struct listener listener; /* fd -1: no control socket */
	struct server *server;
	struct loop_watch input, ended; /* input.fd -1: it has come to its end */
	struct loop_timer soon, silence;
	bool full;	   /* the serial port's input: it is looked at again soon */
	bool ending;	   /* the machine has ended, its threads not all */
	uint64_t deadline; /* mono: when those are left where they are, 0: not yet */
	void (*notice)(
		const char *text); /* what the user should know meanwhile; NULL: discards it */
	uint64_t speed; /* what kernel code does here: instructions a second, 0: unknown */
	bool terminal;
	struct termios before;
};

/* Before the machine's threads are made: it blocks the signals that end a process, for all, so that
 * only console_serve() sees them. After a failure console_close() is to be called, too. */
int console_open(struct console *c, struct machine *m, const char *path, struct failure *f);
void console_close(struct console *c);

/* Until the machine has ended and its threads are gone; -ETIMEDOUT when one of them is not, half a
 * second after a signal: then the machine stays where it is until the process ends. */
int console_serve(struct console *c, struct failure *f);

#endif
