/* SPDX-License-Identifier: MIT */
/*
 * What guests say: one line of JSON after another over a serial port, from a machine that may be
 * broken or hostile. Lines are bounded, values are checked, text is cleaned before anybody prints
 * it. What is not understood is ignored where it is an addition, and an error where it replaces
 * something needed.
 *
 * src/lab's side of lab/guest/init.c, which describes the conversation.
 */
#ifndef LAB_CONTROL_H
#define LAB_CONTROL_H

#include "base/failure.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CONTROL_LINE_MAX    (1024 * 1024)
#define CONTROL_KINDS_MAX   16
#define CONTROL_WORKERS_MAX 16
#define CONTROL_NAME_SIZE   16
#define CONTROL_TEXT_SIZE   160

/* Bytes of a line that is not complete yet. Zero-initialized is empty. */
struct control_in {
	char *line;
	size_t used, size;
	size_t taken; /* of `used`, handed out already */
};

/* Takes what was read. -EMSGSIZE when a line exceeds CONTROL_LINE_MAX, -ENOMEM. */
int control_feed(struct control_in *in, const void *data, size_t n);

/* The next whole line as a new reference in *ret, which must be an object: 1; 0 when there is none
 * yet; -EBADMSG for a line that is no JSON object. Empty lines are skipped. */
int control_next(struct control_in *in, json_t **ret);

void control_done(struct control_in *in);

/* The agent as init sees it. */
struct control_agent {
	bool alive;
	char ended[CONTROL_TEXT_SIZE];
	char said[CONTROL_TEXT_SIZE];
};

/* The guest's CLOCK_MONOTONIC and its counter at one instant. */
struct control_clock {
	uint64_t mono; /* ns; 0: it did not say */
	uint64_t ticks;
};

/* What every line has. */
struct control_answer {
	uint64_t id; /* of the command, 0 for the line that a guest sends when it is ready */
	bool ok;
	char error[CONTROL_TEXT_SIZE];
	struct control_agent agent;
	struct control_clock clock;
};
int control_parse_answer(const json_t *line, struct failure *f, struct control_answer *ret);

/* "kinds" of the ready line, and behind them "traced_kinds": those that want a truth by trace.
 * Names of 1 to 15 characters [a-z0-9_-]. */
struct control_kinds {
	int n, n_traced;
	char names[CONTROL_KINDS_MAX][CONTROL_NAME_SIZE];
};
int control_parse_kinds(const json_t *line, struct failure *f, struct control_kinds *ret);

struct control_worker {
	char kind[CONTROL_NAME_SIZE];
	int pid;
	bool steady, alive;
	uint64_t units;
	uint64_t reported; /* ns, in clock ticks */
	uint64_t cpu;	   /* ns, the same as finely as the guest's kernel has it */
	bool has_top;
	uint64_t top; /* ns */
};

/* The answer to "collect". */
struct control_report {
	int n;
	struct control_worker workers[CONTROL_WORKERS_MAX];
	uint64_t others;		  /* ns of all other processes between the two readings */
	int64_t busy;			  /* ns of /proc/stat between the two readings */
	struct control_clock first, last; /* of the guest, before and after all this */
	const json_t *before; /* the agent's snapshots, borrowed from the line; NULL for none */
	const json_t *after;
};
int control_parse_report(const json_t *line, struct failure *f, struct control_report *ret);

/* A number of seconds as ns. -EBADMSG for what is no number, negative, or above 1e9. */
int control_ns(const json_t *seconds, uint64_t *ret);

/* Copies text, cut to fit; what is not printable ASCII becomes '?'. NULL gives "". */
void control_text(const char *text, char *ret, size_t size);

#endif
