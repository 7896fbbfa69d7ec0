/* SPDX-License-Identifier: MIT */
/* The guest agent as seen by init: started, watched, asked. */
#ifndef LAB_GUEST_AGENT_H
#define LAB_GUEST_AGENT_H

#include <jansson.h>
#include <stdint.h>
#include <sys/types.h>

/* Starts vmdesched and waits until it answers or has ended. */
void agent_start(const char *source);

/* To be told of every child that init has reaped. */
void agent_reaped(pid_t pid, int status);

/* {"alive":bool,"said":"last line of its log","ended":"how"}; a new reference. */
json_t *agent_status(void);

/* Its answer to "snapshot" as it came, or {"error":...}: NUL-terminated, to be freed. It is not
 * looked into here, so that as little as possible happens between its making and the answer to the
 * host. NULL without memory. */
char *agent_snapshot(void);

/* Such an answer as JSON, or {"error":...} when it is none; a new reference. */
json_t *agent_parse(const char *answer);

/* Its CPU time, ns, as the kernel says; 0 when it does not live. */
uint64_t agent_cpu_ns(void);

/* Its process, 0 when it does not live. */
pid_t agent_process(void);

/* Kills it: for the lab's own tests. */
void agent_kill(void);

#endif
