/* SPDX-License-Identifier: MIT */
/* Faults on purpose, for the lab's own tests: rows of a table, chosen by lab.fault=NAME on the
 * kernel's command line. */
#ifndef LAB_GUEST_FAULT_H
#define LAB_GUEST_FAULT_H

enum fault_point {
	FAULT_BOOT,  /* before the guest has said that it is ready */
	FAULT_RUN,   /* the workers have just been released */
	FAULT_ANSWER /* a line is about to be written */
};

/* "" for none. An unknown name is none. */
void fault_choose(const char *name);

/* Called at each point; most return, some do not. `fd` is the control channel. */
void fault_point(enum fault_point point, int fd);

#endif
