/* SPDX-License-Identifier: MIT */
/* What the subcommands share that show what vmdesched or deschedd remembers: asking, waiting, JSON. */
#ifndef CMD_REMEMBERED_H
#define CMD_REMEMBERED_H

#include "base/command.h"
#include "wire/protocol.h"

#include <jansson.h>

struct remembered_options {
	const char *socket; /* NULL: the usual one */
	bool json;
};

/* The last rows of such a command. */
#define REMEMBERED_ROWS(o)                                                                         \
	{0,                                                                                        \
	 "socket",                                                                                 \
	 "PATH",                                                                                   \
	 OPTION_STRING,                                                                            \
	 &(o).socket,                                                                              \
	 0,                                                                                        \
	 0,                                                                                        \
	 "where the daemon answers (" PROTOCOL_SOCKET ", a host's " PROTOCOL_HOST_SOCKET ")"},     \
	{                                                                                          \
		0, "json", NULL, OPTION_FLAG, &(o).json, 0, 0,                                     \
			"print what the daemon answers, a line of JSON"                            \
	}

/* Sends the request to vmdesched, or with `host` to deschedd, waiting for a daemon that is there and
 * does not answer, and prints the answer. `command` is who says so. As `run` of a command. */
int remembered_show(const char *command, const char *request, bool host,
		    const struct remembered_options *o, void (*print)(const json_t *answer),
		    struct failure *f);

/* Whether this machine runs VMs (screen/here.h), and has no vmdesched. */
bool remembered_on_host(void);

/* "2026-11-20 12:00:06", local time. */
#define REMEMBERED_TIME 24
void remembered_time(double seconds, char ret[REMEMBERED_TIME]);

#endif
