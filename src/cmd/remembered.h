/* SPDX-License-Identifier: MIT */
/* What the subcommands share that show what vmdesched remembers: asking, waiting, JSON. */
#ifndef CMD_REMEMBERED_H
#define CMD_REMEMBERED_H

#include "base/options.h"
#include "guest/protocol.h"

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
	{0,	      "socket", "PATH", OPTION_STRING,                                             \
	 &(o).socket, 0,	0,	"where vmdesched answers (" PROTOCOL_SOCKET ")"},          \
	{                                                                                          \
		0, "json", NULL, OPTION_FLAG, &(o).json, 0, 0,                                     \
			"print what vmdesched answers, a line of JSON"                             \
	}

/* Asks for `what`, waiting for a daemon that is there and does not answer, and prints it. Returns
 * the exit status. */
int remembered_main(const struct command *command, const char *what,
		    const struct remembered_options *o, void (*print)(const json_t *answer),
		    int argc, char **argv);

/* "2026-11-20 12:00:06", local time. */
#define REMEMBERED_TIME 24
void remembered_time(double seconds, char ret[REMEMBERED_TIME]);

/* A process may call itself anything: '?' for what would take over a terminal. */
void remembered_name(const char *name);

#endif
