/* SPDX-License-Identifier: MIT */
/*
 * vmdesched: the guest's agent as a daemon. What the command line says goes before what the
 * configuration says; the rest is vmdesched/daemon.h.
 */
#include "base/command.h"
#include "base/units.h"
#include "vmdesched/backlog.h"
#include "vmdesched/confine.h"
#include "vmdesched/daemon.h"
#include "guest/source.h"
#include "wire/protocol.h"

#include <cap-ng.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

static struct {
	struct option_choice source;
	const char *config, *socket, *page;
	bool ticks, version;
} options = {.source = {NULL, source_name}};

static const struct option_row rows[] = {
	{'c', "config", "FILE", OPTION_STRING, &options.config, 0, 0,
	 "read this configuration (" SETTINGS_FILE ", if it is there)"},
	{'s', "source", "S", OPTION_CHOICE, &options.source, 0, 0,
	 "auto is the best that works here"},
	{0, "socket", "PATH", OPTION_STRING, &options.socket, 0, 0,
	 "where to answer (" PROTOCOL_SOCKET ")"},
	{0, "page", "FILE", OPTION_STRING, &options.page, 0, 0,
	 "map this file as the ledger page (the ivshmem device)"},
	{0, "ticks", NULL, OPTION_FLAG, &options.ticks, 0, 0,
	 "be VMDesched to a monitor that keeps ticks, and nothing else"},
	{'V', "version", NULL, OPTION_FLAG, &options.version, 0, 0, "show the version"},
};

static int run(char **operands, int n, struct failure *f);

static const struct command command = {
	.name = "",
	.operands = "",
	.summary = "True CPU time of the processes in this virtual machine, on a socket.",
	.examples = "  vmdesched --source page\n"
		    "  echo '{\"get\":\"snapshot\"}' | socat - /run/vmdesched.sock\n",
	.rows = rows,
	.n_rows = ARRAY_SIZE(rows),
	.run = run,
};

static int override(char *to, const char *name, const char *value, struct failure *f)
{
	if (!value)
		return 0;
	if (strlen(value) >= SETTINGS_STRING)
		return failure_set(f, -EINVAL, "--%s: longer than %d bytes", name,
				   SETTINGS_STRING - 1);
	snprintf(to, SETTINGS_STRING, "%s", value);
	return 0;
}

/* Only a file that was asked for must be there. */
static int make_settings(struct settings *s, const char **ret_config, struct failure *f)
{
	const char *config = options.config ? options.config : SETTINGS_FILE;
	int err;

	settings_default(s);
	err = settings_load(config, f, s);
	if (err == -ENOENT && !options.config) {
		config = NULL;
		err = 0;
	}
	if (!err)
		err = override(s->source, "source", options.source.value, f);
	if (!err)
		err = override(s->socket, "socket", options.socket, f);
	if (!err)
		err = override(s->page, "page", options.page, f);
	if (!err)
		*ret_config = config;
	return err;
}

static int take_ticks(const struct settings *s, struct failure *f)
{
	bool set_clock = capng_have_capability(CAPNG_EFFECTIVE, CAP_SYS_TIME);
	int err = backlog_open(f);

	if (!err)
		err = confine_privileges(s->user, set_clock, f);
	if (!err && s->seccomp)
		err = confine_backlog_calls(set_clock, f);
	return err ? err : backlog_run(set_clock, f);
}

static int serve(struct failure *f)
{
	struct settings settings;
	const char *config;
	struct daemon *d;
	int err = make_settings(&settings, &config, f);

	if (!err && options.ticks)
		return take_ticks(&settings, f);
	if (!err)
		err = daemon_open(&settings, config, f, &d);
	if (err)
		return err;
	err = daemon_run(d, f);
	daemon_close(d);
	return err;
}

static int run(char **operands, int n, struct failure *f)
{
	(void)operands;
	(void)n;
	if (options.version) {
		printf("vmdesched %s\n", DESCHED_VERSION);
		return 0;
	}
	return serve(f);
}

int main(int argc, char **argv)
{
	return command_main(&command, "vmdesched", argc, argv);
}
