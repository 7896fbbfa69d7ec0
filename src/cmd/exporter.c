/* SPDX-License-Identifier: MIT */
/*
 * vmdesched-exporter: vmdesched's metrics over HTTP, for Prometheus. A process of its own, so that
 * the daemon needs neither a network nor the libraries of an HTTP server: this one has no privilege
 * and asks on the socket, once for each request. Loopback addresses only.
 */
#include "base/ask.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/command.h"
#include "base/units.h"
#include "guest/protocol.h"

#include <arpa/inet.h>
#include <errno.h>
#include <jansson.h>
#include <microhttpd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define PATIENCE_NS (5 * NS_PER_SEC)

static struct {
	const char *listen, *socket;
	uint64_t port;
	bool version;
} options = {.listen = "127.0.0.1", .socket = PROTOCOL_SOCKET, .port = 9919};

static const struct option_row rows[] = {
	{'l', "listen", "ADDRESS", OPTION_STRING, &options.listen, 0, 0, "a loopback address"},
	{'p', "port", "N", OPTION_UINT, &options.port, 0, 65535, "TCP port, 0 for a free one"},
	{0, "socket", "PATH", OPTION_STRING, &options.socket, 0, 0, "where vmdesched answers"},
	{'V', "version", NULL, OPTION_FLAG, &options.version, 0, 0, "show the version"},
};

static int run(char **operands, int n, struct failure *f);

static const struct command command = {
	.name = "",
	.operands = "",
	.summary = "The metrics of vmdesched over HTTP on loopback, for Prometheus.",
	.examples = "  vmdesched-exporter --port 9919\n"
		    "  curl http://127.0.0.1:9919/metrics\n",
	.rows = rows,
	.n_rows = ARRAY_SIZE(rows),
	.run = run,
};

/* The daemon's text, malloc'ed; NULL when it has none for us. */
static char *fetch(void)
{
	uint64_t deadline = clock_mono() + PATIENCE_NS;
	_cleanup_(close_fd) int fd = -1;
	_cleanup_(free_ptr) char *answer = NULL;
	size_t size = 0;
	const char *text;
	char *copy;
	json_t *o;

	if (ask_dial(options.socket, deadline, &fd) ||
	    ask_line(fd, "{\"get\":\"metrics\"}\n", deadline, &answer, &size))
		return NULL;
	o = json_loadb(answer, size, 0, NULL);
	text = json_string_value(json_object_get(o, "metrics"));
	copy = text ? strdup(text) : NULL;
	json_decref(o);
	return copy;
}

static enum MHD_Result reply(struct MHD_Connection *connection, unsigned status, char *text)
{
	struct MHD_Response *r = MHD_create_response_from_buffer(strlen(text), text,
								 MHD_RESPMEM_MUST_COPY);
	enum MHD_Result result;

	MHD_add_response_header(r, MHD_HTTP_HEADER_CONTENT_TYPE,
				"text/plain; version=0.0.4; charset=utf-8");
	result = MHD_queue_response(connection, status, r);
	MHD_destroy_response(r);
	return result;
}

static enum MHD_Result on_request(void *data, struct MHD_Connection *connection, const char *url,
				  const char *method, const char *version, const char *upload,
				  size_t *upload_size, void **state)
{
	static char down[] = "vmdesched does not answer\n", absent[] = "see /metrics\n",
		    refused[] = "GET only\n";
	enum MHD_Result result;
	char *text;

	(void)data;
	(void)version;
	(void)upload;
	(void)state;
	if (strcmp(method, MHD_HTTP_METHOD_GET) != 0 || *upload_size)
		return reply(connection, MHD_HTTP_METHOD_NOT_ALLOWED, refused);
	if (strcmp(url, "/metrics") != 0)
		return reply(connection, MHD_HTTP_NOT_FOUND, absent);
	text = fetch();
	if (!text)
		return reply(connection, MHD_HTTP_SERVICE_UNAVAILABLE, down);
	result = reply(connection, MHD_HTTP_OK, text);
	free(text);
	return result;
}

/* Figures about every process are for this machine; a proxy may take them further. */
static int parse_address(struct sockaddr_in *ret, struct failure *f)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons((uint16_t)options.port)};

	if (inet_pton(AF_INET, options.listen, &a.sin_addr) != 1 ||
	    ntohl(a.sin_addr.s_addr) >> 24 != 127)
		return failure_set(f, -EINVAL, "--listen: '%s' given, expected 127.x.x.x",
				   options.listen);
	*ret = a;
	return 0;
}

static int start(struct failure *f, struct MHD_Daemon **ret)
{
	struct sockaddr_in address;
	int err = parse_address(&address, f);

	if (err)
		return err;
	*ret = MHD_start_daemon(MHD_USE_INTERNAL_POLLING_THREAD, 0, NULL, NULL, on_request, NULL,
				MHD_OPTION_SOCK_ADDR, &address, MHD_OPTION_CONNECTION_LIMIT, 16u,
				MHD_OPTION_CONNECTION_TIMEOUT, 10u, MHD_OPTION_END);
	if (!*ret)
		return failure_set(f, -EADDRINUSE,
				   "cannot listen on %s port %u; does another program?",
				   options.listen, (unsigned)options.port);
	return 0;
}

static int serve(struct failure *f)
{
	struct MHD_Daemon *http;
	sigset_t ends;
	int got, err;

	sigemptyset(&ends);
	sigaddset(&ends, SIGTERM);
	sigaddset(&ends, SIGINT);
	sigprocmask(SIG_BLOCK, &ends, NULL);
	err = start(f, &http);
	if (err)
		return err;
	printf("http://%s:%u/metrics\n", options.listen,
	       MHD_get_daemon_info(http, MHD_DAEMON_INFO_BIND_PORT)->port);
	fflush(stdout);
	sigwait(&ends, &got);
	MHD_stop_daemon(http);
	return 0;
}

static int run(char **operands, int n, struct failure *f)
{
	(void)operands;
	(void)n;
	if (options.version) {
		printf("vmdesched-exporter %s\n", DESCHED_VERSION);
		return 0;
	}
	return serve(f);
}

int main(int argc, char **argv)
{
	return command_main(&command, "vmdesched-exporter", argc, argv);
}
