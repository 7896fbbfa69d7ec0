/* SPDX-License-Identifier: MIT */
/* Whether the guest's BPF programs load on this machine; if not, a line says why. */
#ifndef NEEDS_BPF_H
#define NEEDS_BPF_H

#include "guest/switches.h"

#include <stdbool.h>
#include <stdio.h>

#define SKIPPED 77

static inline bool bpf_is_here(void)
{
	struct failure f = {.text = ""};
	struct switches *s;

	if (switches_open(&f, &s)) {
		printf("skipped: %s\n", f.text);
		return false;
	}
	switches_close(s);
	return true;
}

#endif
