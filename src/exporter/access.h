/* SPDX-License-Identifier: MIT */
/*
 * Where the exporter listens, and who may read it. The metrics name this machine's processes:
 * without a certificate and a token they are given on loopback only.
 */
#ifndef EXPORTER_ACCESS_H
#define EXPORTER_ACCESS_H

#include "base/failure.h"

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>

#define ACCESS_TEXT_MAX 65536

struct access {
	union {
		struct sockaddr any;
		struct sockaddr_in v4;
		struct sockaddr_in6 v6;
	} address;
	socklen_t size;
	char token[256];   /* "": everybody who can connect */
	char *certificate; /* PEM, malloc'ed; NULL: no TLS */
	char *key;
};

struct access_options {
	const char *listen; /* a numeric address */
	uint16_t port;
	const char *certificate, *key, *token; /* files; NULL: none */
};

/* -EINVAL for an address, a token or a choice of these that can't be; -errno of a file. */
int access_open(const struct access_options *o, struct failure *f, struct access *ret);
void access_close(struct access *a);

/* Whether a header "Authorization" (NULL: none) has the token. Takes the same time for any of the
 * same length. */
bool access_granted(const struct access *a, const char *authorization);

#endif
