/* SPDX-License-Identifier: MIT */
/*
 * deschedd: the VMs of this host, measured by a daemon. What the command line says goes before what
 * the configuration says; the rest is deschedd/deschedd.h.
 */
#include "deschedd/deschedd.h"
#include "base/command.h"
#include "base/units.h"
#include "deschedd/host_metrics.h"
#include "enforce/enforcer.h"
#include "service/service.h"
#include "wire/protocol.h"

#include <stdio.h>

static struct {
	struct option_choice source;
	const char *config, *socket;
	bool check, metrics, restore, version;
} options = {.source = {NULL, host_settings_source}};

static const struct option_row rows[] = {
	{'c', "config", "FILE", OPTION_STRING, &options.config, 0, 0,
	 "read this configuration (" HOST_SETTINGS_FILE ", if it is there)"},
	{'s', "source", "S", OPTION_CHOICE, &options.source, 0, 0,
	 "auto is the best that works here"},
	{0, "socket", "PATH", OPTION_STRING, &options.socket, 0, 0,
	 "where to answer (" PROTOCOL_HOST_SOCKET ")"},
	{0, "check", NULL, OPTION_FLAG, &options.check, 0, 0,
	 "read the configuration, show the settings that follow from it, and end"},
	{0, "metrics", NULL, OPTION_FLAG, &options.metrics, 0, 0,
	 "list the metrics: name, type, labels, meaning; and end"},
	{0, "restore", NULL, OPTION_FLAG, &options.restore, 0, 0,
	 "undo what an enforcer has left that was killed together with its guardian; and end"},
	{'V', "version", NULL, OPTION_FLAG, &options.version, 0, 0, "show the version"},
};

static int run(char **operands, int n, struct failure *f);

static const struct command command = {
	.name = "",
	.operands = "",
	.summary =
		"Where the time of this host's virtual CPUs goes, on a socket; guests get pages.",
	.examples = "  deschedd --check\n"
		    "  echo '{\"get\":\"frame\"}' | socat - /run/deschedd.sock\n",
	.rows = rows,
	.n_rows = ARRAY_SIZE(rows),
	.run = run,
};

static int serve(const struct host_settings *settings, const struct settings_source *source,
		 struct failure *f)
{
	struct deschedd *d;
	int err = deschedd_open(settings, source, f, &d);

	if (err)
		return err;
	err = deschedd_run(d, f);
	deschedd_close(d);
	return err;
}

/* Only a file that was asked for must be there. */
static int run_daemon(struct failure *f)
{
	const struct settings_override overrides[] = {
		{"deschedd", "source", "--source", options.source.value},
		{"deschedd", "socket", "--socket", options.socket},
	};
	const struct settings_source source = {options.config ? options.config : HOST_SETTINGS_FILE,
					       !options.config, overrides, ARRAY_SIZE(overrides)};
	struct host_settings settings;
	int err = settings_read(&deschedd_settings, &source, f, &settings);

	if (err)
		return err;
	if (options.check) {
		err = service_check(&settings.service, f);
		if (!err)
			settings_print(&deschedd_settings, &settings, stdout);
		return err;
	}
	return serve(&settings, &source, f);
}

static void print_line(const char *line, void *data)
{
	(void)data;
	puts(line);
}

static int run(char **operands, int n, struct failure *f)
{
	(void)operands;
	(void)n;
	if (options.version) {
		printf("deschedd %s\n", DESCHED_VERSION);
		return 0;
	}
	if (options.metrics) {
		host_metrics_list(stdout);
		return 0;
	}
	if (options.restore) {
		enforcers_recover(print_line, NULL);
		return 0;
	}
	return run_daemon(f);
}

int main(int argc, char **argv)
{
	return command_main(&command, "deschedd", argc, argv);
}
