/* SPDX-License-Identifier: MIT */
/* The members of schema desched-agent/2, a row each (schema.c); encode.c and decode.c go by
 * them. */
#ifndef WIRE_SCHEMA_H
#define WIRE_SCHEMA_H

#include "wire/members.h"

extern const struct members schema_snapshot, schema_session, schema_cpu, schema_process,
	schema_thread, schema_cgroup, schema_page, schema_vcpu;

#endif
