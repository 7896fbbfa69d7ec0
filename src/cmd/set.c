/* SPDX-License-Identifier: MIT */
/* desched set: settings of VMs, until deschedd ends. */
#include "base/units.h"
#include "cmd/commands.h"
#include "cmd/settings.h"
#include "wire/protocol.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static const char *socket_path;

static const struct option_row rows[] = {
	SETTINGS_SOCKET_ROW(socket_path),
};

static int run(char **operands, int n, struct failure *f);

const struct command command_set = {
	.name = "set",
	.operands = "VM KEY=VALUE...",
	.summary = "Give VMs shares, a reservation, a limit, until deschedd ends.",
	.examples = "  desched set web1 shares=2000 limit=1.5\n"
		    "  desched set 'web*' reservation=0.5\n"
		    "  desched set pid=4711 limit=none\n",
	.rows = rows,
	.n_rows = ARRAY_SIZE(rows),
	.least = 2,
	.operand_name = settings_key,
	.run = run,
};

/* "shares=2000" */
static int add(json_t *to, char *word, struct failure *f)
{
	char *value = strchr(word, '=');

	if (!value || value == word)
		return command_usage(f, "'%s' given, expected KEY=VALUE, such as shares=2000",
				     word);
	*value++ = '\0';
	if (json_object_get(to, word))
		return command_usage(f, "%s is given twice; take one out", word);
	if (json_object_set_new(to, word, json_string(value)))
		return command_usage(f, "%s: this isn't UTF-8", word);
	return 0;
}

static int run(char **operands, int n, struct failure *f)
{
	json_t *settings = json_object();
	int status = settings ? 0 : failure_errno(f, -ENOMEM, "settings");

	for (int i = 1; i < n && !status; i++)
		status = add(settings, operands[i], f);
	if (!status)
		return settings_change("set", operands[0], "settings", settings, socket_path, f);
	json_decref(settings);
	return status;
}
