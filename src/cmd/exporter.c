/* SPDX-License-Identifier: MIT */
/*
 * vmdesched-exporter: a daemon's metrics over HTTP, for Prometheus: vmdesched's, or with another
 * --socket deschedd's. A process of its own, so that a daemon needs neither a network nor the libraries of an HTTP server: this one has no privilege
 * and asks on the socket, once for all who ask at the same time.
 */
#include "base/command.h"
#include "base/units.h"
#include "exporter/http.h"
#include "wire/protocol.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

static uint64_t port = 9919;
static struct access_options access_options = {.listen = "127.0.0.1"};
static const char *socket_path = PROTOCOL_SOCKET;
static bool version;

static const struct option_row rows[] = {
	{'l', "listen", "ADDRESS", OPTION_STRING, &access_options.listen, 0, 0,
	 "a numeric address; beyond loopback with TLS and a token"},
	{'p', "port", "N", OPTION_UINT, &port, 0, 65535, "TCP port, 0 for a free one"},
	{0, "socket", "PATH", OPTION_STRING, &socket_path, 0, 0, "where the daemon answers"},
	{0, "tls-cert", "FILE", OPTION_STRING, &access_options.certificate, 0, 0,
	 "serve HTTPS with this certificate (PEM)"},
	{0, "tls-key", "FILE", OPTION_STRING, &access_options.key, 0, 0, "and its key (PEM)"},
	{0, "token", "FILE", OPTION_STRING, &access_options.token, 0, 0,
	 "clients send the bearer token in this file"},
	{'V', "version", NULL, OPTION_FLAG, &version, 0, 0, "show the version"},
};

static int run(char **operands, int n, struct failure *f);

static const struct command command = {
	.name = "",
	.operands = "",
	.summary = "The metrics of vmdesched or deschedd over HTTP, for Prometheus.",
	.examples = "  vmdesched-exporter --port 9919\n"
		    "  vmdesched-exporter --socket /run/deschedd.sock --port 9920\n"
		    "  vmdesched-exporter --listen :: --tls-cert cert.pem --tls-key key.pem "
		    "--token token\n"
		    "  curl http://127.0.0.1:9919/metrics\n",
	.rows = rows,
	.n_rows = ARRAY_SIZE(rows),
	.run = run,
};

static void on_signal(int number, void *data)
{
	(void)number;
	loop_stop(data);
}

static void say_address(const struct access *a, const struct http *h)
{
	bool six = strchr(access_options.listen, ':');

	printf("%s://%s%s%s:%u/metrics\n", a->certificate ? "https" : "http", six ? "[" : "",
	       access_options.listen, six ? "]" : "", http_port(h));
	fflush(stdout);
}

static int serve(struct loop *loop, const struct access *a, struct failure *f)
{
	static const int ends[] = {SIGTERM, SIGINT};
	struct http *h;
	int err = loop_signals(loop, ends, ARRAY_SIZE(ends), on_signal, loop);

	if (err)
		return failure_errno(f, err, "signals");
	err = http_open(loop, a, socket_path, f, &h);
	if (err)
		return err;
	say_address(a, h);
	err = loop_run(loop);
	http_close(h);
	return err ? failure_errno(f, err, "poll") : 0;
}

static int listen_and_serve(struct failure *f)
{
	struct access a;
	struct loop *loop;
	int err;

	access_options.port = (uint16_t)port;
	signal(SIGPIPE, SIG_IGN);
	err = access_open(&access_options, f, &a);
	if (err)
		return err;
	err = loop_new(&loop);
	if (err) {
		failure_errno(f, err, "loop");
	} else {
		err = serve(loop, &a, f);
		loop_free(loop);
	}
	access_close(&a);
	return err;
}

static int run(char **operands, int n, struct failure *f)
{
	(void)operands;
	(void)n;
	if (version) {
		printf("vmdesched-exporter %s\n", DESCHED_VERSION);
		return 0;
	}
	return listen_and_serve(f);
}

int main(int argc, char **argv)
{
	return command_main(&command, "vmdesched-exporter", argc, argv);
}
