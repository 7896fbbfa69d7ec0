/* SPDX-License-Identifier: MIT */
/*
 * The agent: this kernel's switches, one source, the account. `vmdesched`, `desched top` and the
 * lab ask it for snapshots.
 */
#ifndef GUEST_AGENT_H
#define GUEST_AGENT_H

#include "base/failure.h"
#include "guest/account.h"
#include "guest/source.h"
#include "guest/switches.h"
#include "wire/snapshot.h"

#define AGENT_POLL_NS	  (100 * 1000 * 1000ull)
#define AGENT_PATIENCE_NS (300 * 1000 * 1000ull) /* longest a snapshot waits for the source */

struct agent_config {
	const char *source; /* a row's name; NULL or "auto": the best that works here */
	struct source_config source_config;
};

struct agent;

/* Fails with what is missing, -EPERM, -ENODEV (the source is not to be had), -EINVAL (no such
 * source). For "auto" `f` tells of every row why not. */
int agent_open(const struct agent_config *config, struct failure *f, struct agent **ret);
struct agent *agent_close(struct agent *agent);

/* Readable when there is so much to do that agent_poll() should not wait for its time. */
int agent_fd(const struct agent *agent);

/* Takes what has come; to be called every AGENT_POLL_NS. */
int agent_poll(struct agent *agent);

/* The source's name, and what it says of its figures. */
const char *agent_source(const struct agent *agent);
void agent_report(const struct agent *agent, struct source_report *ret);

/* From now on gaps of this length are told of; 0: none. */
void agent_set_gap(struct agent *agent, uint64_t ns);

/* Everything up to now, as far as the source has told without waiting for it. Up to when that is,
 * by CLOCK_MONOTONIC, agent_time() says. */
int agent_settle(struct agent *agent);
uint64_t agent_time(const struct agent *agent);
const struct account *agent_account(const struct agent *agent);

/* -ENOMEM. The snapshot is the caller's: snapshot_done(). It is complete up to agent_time(), which
 * is before the present while the source is silent: nothing in it ever falls from one to the
 * next. */
int agent_snapshot(struct agent *agent, struct snapshot *ret);

#endif
