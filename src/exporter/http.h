/* SPDX-License-Identifier: MIT */
/*
 * HTTP for the exporter, on the daemon's loop. libmicrohttpd speaks it; who may be connected is
 * decided here, since the library would keep a new client waiting behind idle ones: the oldest idle
 * connection goes, of the address that has the most.
 */
#ifndef EXPORTER_HTTP_H
#define EXPORTER_HTTP_H

#include "exporter/access.h"
#include "exporter/fetch.h"

#define HTTP_CONNECTIONS 64

struct http;

/* Asks the daemon on `socket`. `access` and `socket` outlive it. -EADDRINUSE, -EINVAL (a certificate
 * that can't be), -errno. */
int http_open(struct loop *loop, const struct access *access, const char *socket, struct failure *f,
	      struct http **ret);
struct http *http_close(struct http *h); /* returns NULL */

uint16_t http_port(const struct http *h);

#endif
