/* SPDX-License-Identifier: MIT */
/*
 * vmdesched: the guest's agent as a daemon. Keeps the account and answers on a Unix socket
 * (guest/protocol.h). Ends on SIGTERM and SIGINT.
 */
#include "base/clock.h"
#include "base/options.h"
#include "base/units.h"
#include "guest/agent.h"
#include "guest/protocol.h"
#include "guest/server.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#define DEFAULT_SOCKET PROTOCOL_SOCKET

static struct {
	const char *source, *socket, *page;
	bool version;
} options = {.source = "auto", .socket = DEFAULT_SOCKET};

static const struct option_row rows[] = {
	{'s', "source", "S", OPTION_STRING, &options.source, 0, 0,
	 "auto, steal, page or self (auto: the best that works here)"},
	{0, "socket", "PATH", OPTION_STRING, &options.socket, 0, 0,
	 "where to answer (" DEFAULT_SOCKET ")"},
	{0, "page", "FILE", OPTION_STRING, &options.page, 0, 0,
	 "map this file as the ledger page (the ivshmem device)"},
	{'V', "version", NULL, OPTION_FLAG, &options.version, 0, 0, "show the version"},
};

static const struct command command = {
	.name = "",
	.operands = "",
	.summary = "True CPU time of the processes in this virtual machine, on a socket.",
	.examples = "  vmdesched --source page\n"
		    "  echo '{\"get\":\"snapshot\"}' | socat - " DEFAULT_SOCKET "\n",
	.rows = rows,
	.n_rows = ARRAY_SIZE(rows),
};

static volatile sig_atomic_t stop;

static void on_signal(int signal)
{
	(void)signal;
	stop = 1;
}

static int error_line(const char *why, char **ret)
{
	json_t *o = json_pack("{s:s}", "error", why);

	*ret = json_dumps(o, JSON_COMPACT);
	json_decref(o);
	return *ret ? 0 : -ENOMEM;
}

static int snapshot_line(struct agent *agent, char **ret)
{
	struct snapshot snapshot;
	json_t *o;
	int err = agent_snapshot(agent, &snapshot);

	if (err)
		return error_line("the snapshot failed", ret);
	o = snapshot_json(&snapshot);
	snapshot_done(&snapshot);
	*ret = json_dumps(o, JSON_COMPACT | JSON_REAL_PRECISION(12));
	json_decref(o);
	return *ret ? 0 : -ENOMEM;
}

static int answer(const char *line, size_t size, void *data, char **ret)
{
	enum protocol_request request;
	const char *why;

	if (protocol_parse(line, size, &request, &why))
		return error_line(why, ret);
	if (request == PROTOCOL_SNAPSHOT)
		return snapshot_line(data, ret);
	*ret = strdup("{\"version\":\"" DESCHED_VERSION "\"}");
	return *ret ? 0 : -ENOMEM;
}

static void serve(struct agent *agent, struct server *server)
{
	struct pollfd fds[SERVER_CLIENTS_MAX + 2];
	uint64_t next = clock_mono();

	while (!stop) {
		int n = server_pollfds(server, fds);
		uint64_t now = clock_mono();

		if (now >= next) {
			agent_poll(agent);
			next = now + AGENT_POLL_NS;
		}
		fds[n] = (struct pollfd){.fd = agent_fd(agent), .events = POLLIN};
		poll(fds, (nfds_t)n + 1, (int)(u64_sub_floor(next, clock_mono()) / NS_PER_MS) + 1);
		if (fds[n].revents)
			agent_poll(agent);
		server_handle(server, fds, n);
	}
}

int main(int argc, char **argv)
{
	struct agent_config config;
	struct server *server = NULL;
	struct agent *agent = NULL;
	struct failure f;
	bool help;
	int err = options_parse(&command, argc, argv, &f, &help);

	if (help) {
		options_help(&command, "vmdesched");
		return 0;
	}
	if (err >= 0 && options.version) {
		printf("vmdesched %s\n", DESCHED_VERSION);
		return 0;
	}
	config = (struct agent_config){options.source, {.page_path = options.page}};
	if (err >= 0)
		err = agent_open(&config, &f, &agent);
	if (err >= 0)
		err = server_open(options.socket, answer, agent, &f, &server);
	if (err < 0) {
		fprintf(stderr, "vmdesched: %s\n", f.text);
		agent_close(agent);
		return 1;
	}
	sigaction(SIGTERM, &(struct sigaction){.sa_handler = on_signal}, NULL);
	sigaction(SIGINT, &(struct sigaction){.sa_handler = on_signal}, NULL);
	serve(agent, server);
	server_close(server);
	agent_close(agent);
	return 0;
}
