/* SPDX-License-Identifier: MIT */
/*
 * What vmdesched answers on its socket: a request is one line of JSON, so is the answer.
 *
 *     {"get":"snapshot"}   -> a snapshot, schema desched-agent/2
 *     {"get":"history"}    -> the last ten minutes, schema desched-history/2
 *     {"get":"gaps"}       -> the last long gaps, schema desched-gaps/1
 *     {"get":"metrics"}    -> {"metrics":"..."}, Prometheus' text format
 *     {"get":"version"}    -> {"version":"..."}
 *     anything else        -> {"error":"..."}
 *
 * The bytes come from any local process and are hostile.
 */
#ifndef GUEST_PROTOCOL_H
#define GUEST_PROTOCOL_H

#include "base/failure.h"

#include <stddef.h>

#define PROTOCOL_SOCKET	  "/run/vmdesched.sock"
#define PROTOCOL_LINE_MAX 4096

enum protocol_request {
	PROTOCOL_SNAPSHOT,
	PROTOCOL_HISTORY,
	PROTOCOL_GAPS,
	PROTOCOL_METRICS,
	PROTOCOL_VERSION,
};

/* `line` is without its newline and may hold any bytes. */
int protocol_parse(const char *line, size_t size, struct failure *f, enum protocol_request *ret);

#endif
