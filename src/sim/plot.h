/* SPDX-License-Identifier: MIT */
/* Pictures of a run: each VM's ledger as a bar, and the first vCPUs' states over the first moments,
 * in the terminal (NO_COLOR honoured) or as SVG. */
#ifndef SIM_PLOT_H
#define SIM_PLOT_H

#include "sim/engine.h"

#include <stdio.h>

struct plot;

/* `window` ns of timelines are kept, from now on. */
int plot_new(struct sim *s, uint64_t window, struct plot **ret);
void plot_state(struct plot *p, uint32_t vcpu, uint64_t now, enum ledger_state state);
void plot_terminal(struct plot *p, struct sim *s, FILE *out);
int plot_svg(struct plot *p, struct sim *s, const char *path, struct failure *f);
struct plot *plot_free(struct plot *p); /* NULL accepted; returns NULL */

#endif
