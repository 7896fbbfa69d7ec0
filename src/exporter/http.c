/* SPDX-License-Identifier: MIT */
#include "exporter/http.h"

#include "base/clock.h"
#include "base/units.h"

#include <arpa/inet.h>
#include <errno.h>
#include <microhttpd.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define IDLE_S	    10u		      /* after which the library ends a connection */
#define REST	    (100 * NS_PER_MS) /* of the listener, for lack of descriptors */
#define MEMORY	    (32u * 1024)      /* of a connection: a request's head */
#define LIBRARY_MAX (HTTP_CONNECTIONS + 16u)
#define CIPHERS	    "SECURE128:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2"

struct peer {
	struct http *http;
	struct peer *next;
	int fd;
	struct in6_addr address; /* an IPv4 one in its first four bytes */
	uint64_t last;		 /* the count of events when it connected, or asked last */
	bool busy;		 /* has asked, and not got its answer yet */
	bool ended;		 /* by us; the library doesn't know yet */
};

/* One request, from its head to its answer. */
struct request {
	struct http *http;
	struct MHD_Connection *connection;
	struct peer *peer;
	struct request *next; /* who waits for metrics */
	bool waiting, answered;
	char *text; /* NULL: there is none */
};

struct http {
	struct loop *loop;
	const struct access *access;
	struct MHD_Daemon *library;
	struct fetch *fetch;
	struct loop_watch listener, events;
	struct loop_timer timeout, rest;
	struct peer *peers;
	unsigned n;
	uint64_t count; /* of events */
	struct request *waiting;
	bool closing; /* the library can't end a connection that waits: none does any more */
};

/* The library's turn, and when it wants the next one. */
static void run(struct http *h)
{
	MHD_UNSIGNED_LONG_LONG ms;

	MHD_run(h->library);
	h->timeout.due = MHD_get_timeout(h->library, &ms) == MHD_YES ? clock_mono() + ms * NS_PER_MS
								     : LOOP_NEVER;
}

static void on_events(short events, void *data)
{
	(void)events;
	run(data);
}

static void on_timeout(uint64_t now, void *data)
{
	(void)now;
	run(data);
}

/* ---- connections ---- */

static struct in6_addr address_of(const struct sockaddr *from)
{
	struct in6_addr a = {0};

	if (from->sa_family == AF_INET)
		memcpy(&a, &((const struct sockaddr_in *)from)->sin_addr, 4);
	else if (from->sa_family == AF_INET6)
		a = ((const struct sockaddr_in6 *)from)->sin6_addr;
	return a;
}

static void begin_peer(struct http *h, struct MHD_Connection *connection, void **context)
{
	const union MHD_ConnectionInfo *fd = MHD_get_connection_info(
		connection, MHD_CONNECTION_INFO_CONNECTION_FD);
	const union MHD_ConnectionInfo *from = MHD_get_connection_info(
		connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
	struct peer *p = calloc(1, sizeof(*p));

	*context = p;
	if (!p) {
		shutdown(fd->connect_fd, SHUT_RDWR);
		return;
	}
	*p = (struct peer){.http = h,
			   .next = h->peers,
			   .fd = fd->connect_fd,
			   .address = address_of(from->client_addr),
			   .last = ++h->count};
	h->peers = p;
	h->n++;
}

static void end_peer(struct http *h, struct peer *p)
{
	struct peer **at = &h->peers;

	if (!p)
		return;
	while (*at != p)
		at = &(*at)->next;
	*at = p->next;
	h->n--;
	free(p);
}

static void on_connection(void *data, struct MHD_Connection *connection, void **context,
			  enum MHD_ConnectionNotificationCode code)
{
	if (code == MHD_CONNECTION_NOTIFY_STARTED)
		begin_peer(data, connection, context);
	else
		end_peer(data, *context);
}

static unsigned peers_from(const struct http *h, const struct in6_addr *address)
{
	unsigned n = 0;

	for (const struct peer *p = h->peers; p; p = p->next)
		n += !memcmp(&p->address, address, sizeof(*address));
	return n;
}

/* Of the address that has most connections among those with an idle one, the oldest idle one. */
static struct peer *choose(const struct http *h)
{
	struct peer *found = NULL;
	unsigned most = 0;

	for (struct peer *p = h->peers; p; p = p->next) {
		unsigned n = p->busy || p->ended ? 0 : peers_from(h, &p->address);

		if (n > most || (n && n == most && p->last < found->last)) {
			most = n;
			found = p;
		}
	}
	return found;
}

/* Returns whether a connection went. */
static bool make_place(struct http *h)
{
	struct peer *p = choose(h);
	unsigned before = h->n;

	if (!p)
		return false;
	p->ended = true;
	shutdown(p->fd, SHUT_RDWR);
	run(h); /* finds that it has ended */
	return h->n < before;
}

static void rest(struct http *h)
{
	h->listener.events = 0;
	h->rest.due = clock_mono() + REST;
}

static void on_rested(uint64_t now, void *data)
{
	struct http *h = data;

	(void)now;
	h->listener.events = POLLIN;
}

static void on_listener(short events, void *data)
{
	struct http *h = data;
	struct sockaddr_storage from;
	socklen_t size = sizeof(from);
	int fd;

	(void)events;
	if (h->n >= HTTP_CONNECTIONS && !make_place(h)) {
		rest(h);
		return;
	}
	fd = accept4(h->listener.fd, (struct sockaddr *)&from, &size, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (fd >= 0) {
		MHD_add_connection(h->library, fd, (struct sockaddr *)&from, size);
		run(h);
	} else if (errno != EAGAIN && errno != EINTR && errno != ECONNABORTED && !make_place(h)) {
		rest(h);
	}
}

/* ---- requests ---- */

static const struct {
	const char *name, *value;
} all_answers[] = {
	{MHD_HTTP_HEADER_CACHE_CONTROL, "no-store"},
	{"X-Content-Type-Options", "nosniff"},
};

static enum MHD_Result reply(struct MHD_Connection *connection, unsigned status, const char *type,
			     const char *text, const char *name, const char *value)
{
	struct MHD_Response *r = MHD_create_response_from_buffer(
		strlen(text), (void *)(uintptr_t)text, MHD_RESPMEM_MUST_COPY);
	enum MHD_Result result;

	if (!r)
		return MHD_NO;
	MHD_add_response_header(r, MHD_HTTP_HEADER_CONTENT_TYPE, type);
	for (size_t i = 0; i < ARRAY_SIZE(all_answers); i++)
		MHD_add_response_header(r, all_answers[i].name, all_answers[i].value);
	if (name)
		MHD_add_response_header(r, name, value);
	result = MHD_queue_response(connection, status, r);
	MHD_destroy_response(r);
	return result;
}

static const char plain[] = "text/plain; charset=utf-8",
		  metrics_type[] = "text/plain; version=0.0.4; charset=utf-8",
		  html[] = "text/html; charset=utf-8",
		  index_page[] = "<!DOCTYPE html>\n<html lang=\"en\"><head><title>desched</title>"
				 "</head><body>\n<h1>desched</h1>\n<p>Version " DESCHED_VERSION
				 ": <a href=\"/metrics\">metrics</a></p>\n</body></html>\n";

static enum MHD_Result wait_for_metrics(struct request *r)
{
	struct http *h = r->http;

	r->waiting = true;
	r->next = h->waiting;
	h->waiting = r;
	MHD_suspend_connection(r->connection);
	fetch_start(h->fetch);
	return MHD_YES;
}

/* Proxies, and clients that take us for one, send "http://host/path" (RFC 9112, 3.2.2). */
static const char *path_of(const char *url)
{
	const char *host = strstr(url, "://");

	if (url[0] == '/' || !host)
		return url;
	host += strlen("://");
	return host[strcspn(host, "/")] ? host + strcspn(host, "/") : "/";
}

static enum MHD_Result answer(struct request *r, const char *url, const char *method)
{
	struct MHD_Connection *c = r->connection;
	const char *authorization = MHD_lookup_connection_value(c, MHD_HEADER_KIND,
								MHD_HTTP_HEADER_AUTHORIZATION);

	if (!access_granted(r->http->access, authorization))
		return reply(c, MHD_HTTP_UNAUTHORIZED, plain, "a bearer token is needed\n",
			     MHD_HTTP_HEADER_WWW_AUTHENTICATE, "Bearer realm=\"desched\"");
	if (strcmp(method, MHD_HTTP_METHOD_GET) != 0 && strcmp(method, MHD_HTTP_METHOD_HEAD) != 0)
		return reply(c, MHD_HTTP_METHOD_NOT_ALLOWED, plain, "GET or HEAD only\n",
			     MHD_HTTP_HEADER_ALLOW, "GET, HEAD");
	url = path_of(url);
	if (!strcmp(url, "/"))
		return reply(c, MHD_HTTP_OK, html, index_page, NULL, NULL);
	if (strcmp(url, "/metrics") != 0)
		return reply(c, MHD_HTTP_NOT_FOUND, plain, "see /metrics\n", NULL, NULL);
	if (!r->answered && !r->http->closing)
		return wait_for_metrics(r);
	if (!r->text)
		return reply(c, MHD_HTTP_SERVICE_UNAVAILABLE, plain, "the daemon does not answer\n",
			     MHD_HTTP_HEADER_RETRY_AFTER, "15");
	return reply(c, MHD_HTTP_OK, metrics_type, r->text, NULL, NULL);
}

static struct request *begin_request(struct http *h, struct MHD_Connection *connection)
{
	const union MHD_ConnectionInfo *context = MHD_get_connection_info(
		connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
	struct request *r = calloc(1, sizeof(*r));

	if (!r)
		return NULL;
	*r = (struct request){.http = h, .connection = connection, .peer = context->socket_context};
	if (r->peer) {
		r->peer->busy = true;
		r->peer->last = ++h->count;
	}
	return r;
}

/* Called with the head alone first, then for each part of a body, which is thrown away. */
static enum MHD_Result on_request(void *data, struct MHD_Connection *connection, const char *url,
				  const char *method, const char *version, const char *upload,
				  size_t *upload_size, void **state)
{
	(void)version;
	(void)upload;
	if (!*state) {
		*state = begin_request(data, connection);
		return *state ? MHD_YES : MHD_NO;
	}
	if (*upload_size) {
		*upload_size = 0;
		return MHD_YES;
	}
	return answer(*state, url, method);
}

static void stop_waiting(struct request *r)
{
	struct request **at = &r->http->waiting;

	while (*at && *at != r)
		at = &(*at)->next;
	if (*at)
		*at = r->next;
	r->waiting = false;
}

static void on_completed(void *data, struct MHD_Connection *connection, void **state,
			 enum MHD_RequestTerminationCode code)
{
	struct request *r = *state;

	(void)data;
	(void)connection;
	(void)code;
	if (!r)
		return;
	stop_waiting(r);
	if (r->peer)
		r->peer->busy = false;
	free(r->text);
	free(r);
	*state = NULL;
}

/* For all requests that wait. */
static void on_metrics(const char *text, void *data)
{
	struct http *h = data;

	while (h->waiting) {
		struct request *r = h->waiting;

		stop_waiting(r);
		r->answered = true;
		r->text = text ? strdup(text) : NULL;
		MHD_resume_connection(r->connection);
	}
	run(h);
}

/* ---- opening and closing ---- */

static int listen_at(const struct access *a, int *ret_fd)
{
	const int on = 1;
	int fd = socket(a->address.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int err;

	if (fd < 0)
		return -errno;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (!bind(fd, &a->address.any, a->size) && !listen(fd, 64)) {
		*ret_fd = fd;
		return 0;
	}
	err = -errno;
	close(fd);
	return err;
}

static struct MHD_Daemon *start_library(struct http *h)
{
	const struct access *a = h->access;
	const struct MHD_OptionItem tls[] = {
		{MHD_OPTION_HTTPS_MEM_CERT, 0, a->certificate},
		{MHD_OPTION_HTTPS_MEM_KEY, 0, a->key},
		{MHD_OPTION_HTTPS_PRIORITIES, 0, (void *)(uintptr_t)CIPHERS},
		{MHD_OPTION_END, 0, NULL},
	};
	unsigned flags = MHD_USE_EPOLL | MHD_USE_NO_LISTEN_SOCKET | MHD_ALLOW_SUSPEND_RESUME |
			 (a->certificate ? MHD_USE_TLS : 0);

	return MHD_start_daemon(flags, 0, NULL, NULL, on_request, h, MHD_OPTION_ARRAY,
				a->certificate ? tls : tls + 3, MHD_OPTION_CONNECTION_LIMIT,
				LIBRARY_MAX, MHD_OPTION_CONNECTION_TIMEOUT, IDLE_S,
				MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)MEMORY,
				MHD_OPTION_NOTIFY_CONNECTION, on_connection, h,
				MHD_OPTION_NOTIFY_COMPLETED, on_completed, h, MHD_OPTION_END);
}

static int watch(struct http *h)
{
	const union MHD_DaemonInfo *info = MHD_get_daemon_info(h->library,
							       MHD_DAEMON_INFO_EPOLL_FD);
	int err;

	h->events = (struct loop_watch){
		.fd = info->epoll_fd, .events = POLLIN, .ready = on_events, .data = h};
	h->listener.events = POLLIN;
	h->listener.ready = on_listener;
	h->listener.data = h;
	err = loop_watch(h->loop, &h->events);
	if (err)
		return err;
	err = loop_watch(h->loop, &h->listener);
	if (err) {
		loop_unwatch(h->loop, &h->events);
		return err;
	}
	h->timeout = (struct loop_timer){.due = LOOP_NEVER, .fire = on_timeout, .data = h};
	h->rest = (struct loop_timer){.due = LOOP_NEVER, .fire = on_rested, .data = h};
	loop_timer_add(h->loop, &h->timeout);
	loop_timer_add(h->loop, &h->rest);
	return 0;
}

static int cannot_listen(const struct access *a, int err, struct failure *f)
{
	bool six = a->address.any.sa_family == AF_INET6;
	const void *from = six ? (const void *)&a->address.v6.sin6_addr
			       : (const void *)&a->address.v4.sin_addr;
	unsigned port = ntohs(six ? a->address.v6.sin6_port : a->address.v4.sin_port);
	const char *remedy = err == -EADDRINUSE
				     ? "; another program listens there ('ss -ltnp' shows "
				       "which): choose another --port"
			     : err == -EADDRNOTAVAIL ? "; 'ip address' shows those of this machine"
			     : err == -EACCES
				     ? "; ports below 1024 need privilege: choose another --port"
				     : "";
	char text[INET6_ADDRSTRLEN] = "?";

	inet_ntop(a->address.any.sa_family, from, text, sizeof(text));
	return failure_set(f, err, "cannot listen at %s, port %u: %s%s", text, port, strerror(-err),
			   remedy);
}

static int start(struct http *h, const char *socket, struct failure *f)
{
	int err = listen_at(h->access, &h->listener.fd);

	if (err)
		return cannot_listen(h->access, err, f);
	h->library = start_library(h);
	if (!h->library)
		return failure_set(
			f, -EINVAL, "%s",
			h->access->certificate
				? "--tls-cert and --tls-key: not a certificate and its key"
				: "the HTTP server can't be started");
	err = fetch_new(h->loop, socket, on_metrics, h, &h->fetch);
	if (!err)
		err = watch(h);
	return err ? failure_errno(f, err, "HTTP") : 0;
}

static void free_all(struct http *h)
{
	fetch_free(h->fetch);
	if (h->library)
		MHD_stop_daemon(h->library);
	if (h->listener.fd >= 0)
		close(h->listener.fd);
	free(h);
}

int http_open(struct loop *loop, const struct access *access, const char *socket, struct failure *f,
	      struct http **ret)
{
	struct http *h = calloc(1, sizeof(*h));
	int err;

	if (!h)
		return failure_errno(f, -ENOMEM, "HTTP");
	h->loop = loop;
	h->access = access;
	h->listener.fd = -1;
	err = start(h, socket, f);
	if (err)
		free_all(h);
	else
		*ret = h;
	return err;
}

struct http *http_close(struct http *h)
{
	if (!h)
		return NULL;
	h->closing = true;
	on_metrics(NULL, h);
	loop_unwatch(h->loop, &h->events);
	loop_unwatch(h->loop, &h->listener);
	loop_timer_remove(h->loop, &h->timeout);
	loop_timer_remove(h->loop, &h->rest);
	free_all(h);
	return NULL;
}

uint16_t http_port(const struct http *h)
{
	struct sockaddr_in6 a = {.sin6_port = 0};
	socklen_t size = sizeof(a);

	if (getsockname(h->listener.fd, (struct sockaddr *)&a, &size))
		return 0;
	return ntohs(a.sin6_port); /* where sin_port is, too */
}
