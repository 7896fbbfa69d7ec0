/* SPDX-License-Identifier: MIT */
/* What the subcommands share that show what vmdesched remembers: asking, waiting, JSON. */
#ifndef CMD_REMEMBERED_H
#define CMD_REMEMBERED_H

#include "base/command.h"
#include "wire/protocol.h"

#include <jansson.h>

struct remembered_options {
	const char *socket;
	bool json;
};

#define REMEMBERED_DEFAULTS                                                                        \
	{                                                                                          \
		.socket = PROTOCOL_SOCKET                                                          \
	}

/* The last rows of such a command. */
#define REMEMBERED_ROWS(o)                                                                         \
	{0, "socket", "PATH", OPTION_STRING, &(o).socket, 0, 0, "where vmdesched answers"},        \
	{                                                                                          \
		0, "json", NULL, OPTION_FLAG, &(o).json, 0, 0,                                     \
			"print what vmdesched answers, a line of JSON"                             \
	}

/* Asks for `what`, which the command is called too, waiting for a daemon that is there and does not
 * answer, and prints it. As `run` of a command. */
int remembered_show(const char *what, const struct remembered_options *o,
		    void (*print)(const json_t *answer), struct failure *f);

/* "2026-11-20 12:00:06", local time. */
#define REMEMBERED_TIME 24
void remembered_time(double seconds, char ret[REMEMBERED_TIME]);

#endif
