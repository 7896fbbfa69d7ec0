/* SPDX-License-Identifier: MIT */
/*
 * Guests of the lab's making for tests that have more to ask than `desched lab`: booted, put on one
 * CPU, with pages from this host. What to boot is in the environment (with-guest.sh). Whatever goes
 * wrong ends the program, with one line and status 1.
 */
#ifndef SYSTEM_GUESTS_H
#define SYSTEM_GUESTS_H

#include "lab/session.h"

struct guests {
	struct session session;
	struct lab_options options;
	struct lab_result result;
};

_Noreturn void guests_die(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* "tcg", "kvm" or "xen". */
const char *guests_kind(void);

/* Boots `n` guests. Free with guests_end(). */
void guests_begin(struct guests *g, int n);
void guests_end(struct guests *g);

/* Parks workers, on these CPUs unless that is NULL, which guests_order() `start` lets go and `stop`
 * ends; `collect` answers with their figures (lab/guest/init.c). The answer is valid until the
 * guest's next one. */
void guests_prepare(struct guests *g, int guest, const char *const *kinds, const int *cpus, int n);
const json_t *guests_order(struct guests *g, int guest, const char *order);

/* What a shell command in a guest prints. Valid as above. */
const char *guests_run(struct guests *g, int guest, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

void guests_sleep(struct guests *g, double seconds);

#endif
