/* SPDX-License-Identifier: MIT */
#include "exporter/access.h"

#include "base/cleanup.h"
#include "base/proc.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#define TOKEN_MIN 16
#define BEARER	  "Bearer "

static bool is_loopback(const struct access *a)
{
	const struct in6_addr *six = &a->address.v6.sin6_addr;

	if (a->address.any.sa_family == AF_INET)
		return ntohl(a->address.v4.sin_addr.s_addr) >> 24 == 127;
	return IN6_IS_ADDR_LOOPBACK(six) || (IN6_IS_ADDR_V4MAPPED(six) && six->s6_addr[12] == 127);
}

static int parse_address(const struct access_options *o, struct failure *f, struct access *a)
{
	if (inet_pton(AF_INET, o->listen, &a->address.v4.sin_addr) == 1) {
		a->address.v4.sin_family = AF_INET;
		a->address.v4.sin_port = htons(o->port);
		a->size = sizeof(a->address.v4);
	} else if (inet_pton(AF_INET6, o->listen, &a->address.v6.sin6_addr) == 1) {
		a->address.v6.sin6_family = AF_INET6;
		a->address.v6.sin6_port = htons(o->port);
		a->size = sizeof(a->address.v6);
	} else {
		return failure_set(f, -EINVAL,
				   "--listen: '%s' given, expected an address such as 127.0.0.1, "
				   "192.0.2.7 or ::",
				   o->listen);
	}
	return 0;
}

/* At most `size` - 1 bytes. Secrets must not be readable by every user. */
static int read_text(const char *option, const char *path, bool secret, char *to, size_t size,
		     struct failure *f)
{
	_cleanup_(close_fd) int fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	struct stat st;
	ssize_t n;

	if (fd < 0 || fstat(fd, &st))
		return failure_errno(f, -errno, "--%s: %s", option, path);
	if (!S_ISREG(st.st_mode))
		return failure_set(f, -EINVAL, "--%s: %s: a file is expected", option, path);
	if (secret && st.st_mode & S_IROTH)
		return failure_set(
			f, -EINVAL,
			"--%s: %s: every user may read it; chmod o-r, and choose another", option,
			path);
	n = file_read_fd(fd, to, size);
	if (n < 0)
		return failure_errno(f, (int)n, "--%s: %s", option, path);
	if (!n || n == (ssize_t)size - 1 || memchr(to, '\0', (size_t)n))
		return failure_set(f, -EINVAL, "--%s: %s: %s", option, path,
				   n ? "longer than expected, or no text" : "is empty");
	return 0;
}

static int read_token(const char *path, struct failure *f, struct access *a)
{
	int err = read_text("token", path, true, a->token, sizeof(a->token), f);
	size_t n;

	if (err)
		return err;
	a->token[strcspn(a->token, "\r\n")] = '\0';
	n = strlen(a->token);
	for (size_t i = 0; i < n; i++)
		if (a->token[i] <= ' ' || a->token[i] > '~')
			n = 0;
	if (n < TOKEN_MIN)
		return failure_set(f, -EINVAL,
				   "--token: %s: expected one line of %d characters or more, "
				   "without blanks",
				   path, TOKEN_MIN);
	return 0;
}

static int read_pem(const char *option, const char *path, bool secret, struct failure *f,
		    char **ret)
{
	char *text = malloc(ACCESS_TEXT_MAX);
	int err;

	if (!text)
		return failure_errno(f, -ENOMEM, "--%s", option);
	err = read_text(option, path, secret, text, ACCESS_TEXT_MAX, f);
	if (!err && !strstr(text, "-----BEGIN "))
		err = failure_set(f, -EINVAL, "--%s: %s: expected PEM", option, path);
	if (err)
		free(text);
	else
		*ret = text;
	return err;
}

static int read_files(const struct access_options *o, struct failure *f, struct access *a)
{
	int err = o->token ? read_token(o->token, f, a) : 0;

	if (!err && !o->certificate != !o->key)
		err = failure_set(f, -EINVAL, "--tls-cert and --tls-key go together");
	if (!err && o->certificate)
		err = read_pem("tls-cert", o->certificate, false, f, &a->certificate);
	if (!err && o->key)
		err = read_pem("tls-key", o->key, true, f, &a->key);
	if (!err && !is_loopback(a) && !(a->certificate && a->token[0]))
		err = failure_set(f, -EINVAL,
				  "--listen %s: beyond loopback it wants --tls-cert, --tls-key and "
				  "--token: the metrics name this machine's processes",
				  o->listen);
	return err;
}

int access_open(const struct access_options *o, struct failure *f, struct access *ret)
{
	struct access a = {.token = ""};
	int err = parse_address(o, f, &a);

	if (!err)
		err = read_files(o, f, &a);
	if (err)
		access_close(&a);
	else
		*ret = a;
	return err;
}

void access_close(struct access *a)
{
	if (a->key)
		explicit_bzero(a->key, strlen(a->key));
	free(a->key);
	free(a->certificate);
	explicit_bzero(a, sizeof(*a));
}

bool access_granted(const struct access *a, const char *authorization)
{
	size_t size = strlen(a->token);
	unsigned differ = 0;

	if (!size)
		return true;
	if (!authorization || strncasecmp(authorization, BEARER, strlen(BEARER)) != 0)
		return false;
	authorization += strlen(BEARER);
	if (strlen(authorization) != size)
		return false;
	for (size_t i = 0; i < size; i++)
		differ |= (unsigned)(authorization[i] ^ a->token[i]);
	return !differ;
}
