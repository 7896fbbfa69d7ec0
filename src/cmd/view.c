/* SPDX-License-Identifier: MIT */
/*
 * desched view: a /proc with true figures, for programs that know nothing of desched. Becomes the
 * command, which sees it in the place of /proc; or mounts it on a directory and ends.
 */
#include "base/units.h"
#include "cmd/commands.h"
#include "view/guard.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static struct teller_config config = {.socket = "/run/vmdesched.sock", .source = "auto"};
static const char *directory;

static const struct option_row rows[] = {
	{'m', "mount", "DIR", OPTION_STRING, &directory, 0, 0,
	 "mount the view on DIR and end; umount(8) ends it"},
	{0, "socket", "PATH", OPTION_STRING, &config.socket, 0, 0,
	 "where vmdesched answers (/run/vmdesched.sock)"},
	{'s', "source", "S", OPTION_STRING, &config.source, 0, 0,
	 "without vmdesched: auto, steal, page or self (auto)"},
	{0, "page", "FILE", OPTION_STRING, &config.page, 0, 0,
	 "without vmdesched: map this file as the ledger page"},
};

const struct command command_view = {
	.name = "view",
	.operands = "[-- COMMAND [ARGUMENT...]]",
	.summary = "Lets unmodified programs see true CPU times: a corrected /proc.",
	.examples = "  desched view -- top\n"
		    "  desched view -- pidstat 1 5\n"
		    "  desched view --mount /run/desched/proc\n",
	.rows = rows,
	.n_rows = ARRAY_SIZE(rows),
};

/* Returns an exit status, as env(1) has them. */
static int start(char **command, struct failure *f)
{
	int err;

	if (!directory == !command[0]) {
		failure_set(f, -EINVAL, "expected either '-- COMMAND' or --mount DIR");
		return 1;
	}
	err = directory ? guard_mount(directory, &config, f) : guard_enter(&config, f);
	if (err || directory)
		return err ? 1 : 0;
	execvp(command[0], command);
	err = -errno;
	failure_errno(f, err, "%s", command[0]);
	return err == -ENOENT ? 127 : 126;
}

int cmd_view(int argc, char **argv)
{
	struct failure f = {""};
	bool help;
	int first = options_parse(&command_view, argc, argv, &f, &help), status;

	if (help) {
		options_help(&command_view, "desched");
		return 0;
	}
	if (first < 0) {
		fprintf(stderr, "desched view: %s\n", f.text);
		return 2;
	}
	status = start(argv + first, &f);
	if (status)
		fprintf(stderr, "desched view: %s\n", f.text);
	return status;
}
