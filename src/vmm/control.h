/* SPDX-License-Identifier: MIT */
/*
 * What a peer on the control socket may ask for. A peer sends a line and gets one back, a JSON
 * object: what vmm_figures() has, after "figures", "policy NAME", "balloon MIB" and "forget" (what
 * was worst so far), or {"error": TEXT}.
 */
#ifndef VMM_CONTROL_H
#define VMM_CONTROL_H

#include "vmm/machine.h"

#include <jansson.h>

/* The answer to one line, a new reference. Takes the lock. */
json_t *control_answer(struct machine *m, const char *line);

#endif
