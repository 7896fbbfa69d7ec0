/* SPDX-License-Identifier: MIT */
/*
 * Which subject a screen is about where nobody has said:
 *
 *     VMs run here                                    the host
 *     none does, but something is there that runs
 *     them, and this machine is no VM itself          the host
 *     otherwise                                       the guest
 *
 * So a VM that runs VMs is a host. What can be had besides is said in a line.
 */
#ifndef SCREEN_HERE_H
#define SCREEN_HERE_H

#include "screen/subject.h"

struct here {
	bool has_vms;  /* that the caller may see */
	bool runs_vms; /* it has what runs VMs: libvirt, Proxmox, deschedd */
	bool is_vm;
};

void here_look(struct here *ret);

const struct subject *here_subject(const struct here *h);

/* What to say of the choice on a screen, where key V shows the other, or in front of tables; NULL
 * for nothing: the other would make no sense. */
const char *here_note(const struct here *h, bool screen);

#endif
