/* SPDX-License-Identifier: MIT */
/*
 * Pictures of a run: each VM's ledger as a bar, and the first vCPUs' states over a window of time,
 * in the terminal (NO_COLOR honoured) or as SVG. Both show shares, not majorities: what a vCPU did
 * for a third of a cell has a third of it.
 */
#ifndef SIM_PLOT_H
#define SIM_PLOT_H

#include "sim/engine.h"

#include <stdio.h>

struct plot;

/* Keeps `window` ns of timelines, from `from` ns after now on. The bars count what the ledgers
 * do. */
int plot_new(struct sim *s, uint64_t from, uint64_t window, struct plot **ret);
void plot_state(struct plot *p, uint32_t vcpu, uint64_t now, enum ledger_state state);
void plot_terminal(struct plot *p, struct sim *s, FILE *out);
int plot_svg(struct plot *p, struct sim *s, const char *title, const char *path, struct failure *f);
struct plot *plot_free(struct plot *p); /* NULL accepted; returns NULL */

#endif
