/* SPDX-License-Identifier: MIT */
/* desched unset: takes back what `desched set` has given. */
#include "base/units.h"
#include "cmd/commands.h"
#include "cmd/settings.h"
#include "wire/protocol.h"

#include <stdio.h>

static const char *socket_path;

static const struct option_row rows[] = {
	SETTINGS_SOCKET_ROW(socket_path),
};

static int run(char **operands, int n, struct failure *f);

const struct command command_unset = {
	.name = "unset",
	.operands = "VM [KEY...]",
	.summary = "Take back what `desched set` has given, or some of it.",
	.examples = "  desched unset web1\n"
		    "  desched unset 'web*' limit\n",
	.rows = rows,
	.n_rows = ARRAY_SIZE(rows),
	.least = 1,
	.operand_name = settings_key,
	.run = run,
};

static int run(char **operands, int n, struct failure *f)
{
	json_t *keys = n > 1 ? json_array() : NULL;

	for (int i = 1; i < n; i++)
		if (json_array_append_new(keys, json_string(operands[i]))) {
			json_decref(keys);
			return command_usage(f, "there is no '%s'", operands[i]);
		}
	return settings_change("unset", operands[0], "keys", keys, socket_path, f);
}
