/* SPDX-License-Identifier: MIT */
/*
 * vmdesched: the guest's agent as a daemon. What the command line says goes before what the
 * configuration says; the rest is vmdesched/daemon.h.
 */
#include "base/command.h"
#include "base/units.h"
#include "guest/source.h"
#include "service/service.h"
#include "vmdesched/allowed.h"
#include "vmdesched/backlog.h"
#include "vmdesched/daemon.h"
#include "wire/protocol.h"

#include <cap-ng.h>
#include <stdio.h>

static struct {
	struct option_choice source;
	const char *config, *socket, *page;
	bool check, ticks, version;
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
	{0, "check", NULL, OPTION_FLAG, &options.check, 0, 0,
	 "read the configuration, show the settings that follow from it, and end"},
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

static int take_ticks(const struct settings *s, struct failure *f)
{
	bool set_clock = capng_have_capability(CAPNG_EFFECTIVE, CAP_SYS_TIME);
	struct confine keep;
	int err = backlog_open(f);

	allowed_backlog(set_clock, &keep);
	if (!err)
		err = confine_privileges(s->service.user, keep.capabilities, keep.n_capabilities,
					 f);
	if (!err && s->service.seccomp)
		err = confine_system_calls(keep.lists, keep.n_lists, f);
	return err ? err : backlog_run(set_clock, f);
}

static int serve(const struct settings *settings, const struct settings_source *source,
		 struct failure *f)
{
	struct daemon *d;
	int err = daemon_open(settings, source, f, &d);

	if (err)
		return err;
	err = daemon_run(d, f);
	daemon_close(d);
	return err;
}

/* Only a file that was asked for must be there. */
static int run_daemon(struct failure *f)
{
	const struct settings_override overrides[] = {
		{"vmdesched", "source", "--source", options.source.value},
		{"vmdesched", "socket", "--socket", options.socket},
		{"vmdesched", "page", "--page", options.page},
	};
	const struct settings_source source = {options.config ? options.config : SETTINGS_FILE,
					       !options.config, overrides, ARRAY_SIZE(overrides)};
	struct settings settings;
	int err = settings_read(&vmdesched_settings, &source, f, &settings);

	if (err)
		return err;
	if (options.check) {
		err = service_check(&settings.service, f);
		if (!err)
			settings_print(&vmdesched_settings, &settings, stdout);
		return err;
	}
	return options.ticks ? take_ticks(&settings, f) : serve(&settings, &source, f);
}

static int run(char **operands, int n, struct failure *f)
{
	(void)operands;
	(void)n;
	if (options.version) {
		printf("vmdesched %s\n", DESCHED_VERSION);
		return 0;
	}
	return run_daemon(f);
}

int main(int argc, char **argv)
{
	return command_main(&command, "vmdesched", argc, argv);
}
