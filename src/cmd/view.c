/* SPDX-License-Identifier: MIT */
/*
 * desched view: a /proc with true figures, for programs that know nothing of desched. Becomes the
 * command, which sees it in the place of /proc; or mounts it on a directory and ends.
 */
#include "base/units.h"
#include "cmd/commands.h"
#include "guest/source.h"
#include "view/guard.h"
#include "wire/protocol.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static struct asked config;
static struct option_choice source = {"auto", source_name};
static const char *directory;

static const struct option_row rows[] = {
	{'m', "mount", "DIR", OPTION_STRING, &directory, 0, 0,
	 "mount the view on DIR and end; umount(8) ends it"},
	{0, "socket", "PATH", OPTION_STRING, &config.socket, 0, 0,
	 "ask the vmdesched that answers here (" PROTOCOL_SOCKET ")"},
	{'s', "source", "S", OPTION_CHOICE, &source, 0, 0, "an agent of its own, with this source"},
	{0, "page", "FILE", OPTION_STRING, &config.page, 0, 0,
	 "source page, with this file as the ledger page (the ivshmem device)"},
};

static int run(char **command, int n, struct failure *f);

const struct command command_view = {
	.name = "view",
	.operands = "[-- COMMAND [ARGUMENT...]]",
	.summary = "Lets unmodified programs see true CPU times: a corrected /proc.",
	.examples = "  desched view -- top\n"
		    "  desched view -- pidstat 1 5\n"
		    "  desched view --mount /run/desched/proc\n",
	.rows = rows,
	.n_rows = ARRAY_SIZE(rows),
	.runs_command = true,
	.run = run,
};

/* Returns an exit status, as env(1) has them. */
static int run(char **command, int n, struct failure *f)
{
	int err;

	if (!directory == !n)
		return command_usage(f, "expected either '-- COMMAND' or --mount DIR");
	config.source = source.value;
	err = directory ? guard_mount(directory, &config, f) : guard_enter(&config, f);
	if (err || directory)
		return err;
	execvp(command[0], command);
	err = -errno;
	failure_errno(f, err, "%s", command[0]);
	return err == -ENOENT ? 127 : 126;
}
