/* SPDX-License-Identifier: MIT */
/* What `desched set` and `desched unset` share: asking deschedd to change something, and its answer. */
#ifndef CMD_SETTINGS_H
#define CMD_SETTINGS_H

#include "base/command.h"

#include <jansson.h>

/* Sends {"do":WHAT,"vm":VM,KEY:VALUE}, and prints which VMs it fits and what deschedd notes. `value`
 * is released; NULL: none. As `run` of a command. */
int settings_change(const char *what, const char *vm, const char *key, json_t *value,
		    const char *socket, struct failure *f);

/* The i-th key that can be set, for completion; NULL behind the last. */
const char *settings_key(size_t i);

#define SETTINGS_SOCKET_ROW(dest)                                                                  \
	{                                                                                          \
		0, "socket", "PATH", OPTION_STRING, &(dest), 0, 0,                                 \
			"where deschedd answers (" PROTOCOL_HOST_SOCKET ")"                        \
	}

#endif
