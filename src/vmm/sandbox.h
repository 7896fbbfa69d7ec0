/* SPDX-License-Identifier: MIT */
/*
 * What a thread of the monitor may still ask of the kernel: an allow-list of system calls for each,
 * and SIGSYS, which ends the process, for anything else. Builds with a sanitizer go without, since
 * that needs calls of its own.
 */
#ifndef VMM_SANDBOX_H
#define VMM_SANDBOX_H

enum sandbox {
	SANDBOX_VCPU, /* the guest and its devices */
	SANDBOX_MAIN, /* input, control */
	SANDBOXES,
};

/* For the calling thread alone, for good. */
int sandbox_enter(enum sandbox which);

/* How many system calls a list has; ioctl, of which it has several uses, is one of them. */
unsigned sandbox_size(enum sandbox which);

#endif
