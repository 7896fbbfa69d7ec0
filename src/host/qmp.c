/* SPDX-License-Identifier: MIT */
#include "host/qmp.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/json_out.h"
#include "base/units.h"
#include "host/finder.h"
#include "wire/wire.h"

#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define CHUNK 4096

struct qmp {
	int fd;
	bool broken;
	uint64_t next_id;
	qmp_event_fn on_event;
	void *opaque;
	char *line; /* what has come of the present line */
	size_t used;
	size_t size;
};

static void drop_json(json_t **j)
{
	json_decref(*j);
}

/* Waits until the socket is ready for `events`, or the deadline. */
static int wait_for(const struct qmp *q, short events, uint64_t deadline)
{
	struct pollfd p = {.fd = q->fd, .events = events};

	for (;;) {
		uint64_t left = u64_sub_floor(deadline, clock_mono());
		struct timespec ts = {(time_t)(left / NS_PER_SEC), (long)(left % NS_PER_SEC)};
		int n;

		if (!left)
			return -ETIMEDOUT;
		n = ppoll(&p, 1, &ts, NULL);
		if (n > 0)
			return 0;
		if (n < 0 && errno != EINTR)
			return -errno;
	}
}

static int send_all(const struct qmp *q, const char *text, size_t size, uint64_t deadline)
{
	while (size) {
		ssize_t n;
		int err = wait_for(q, POLLOUT, deadline);

		if (err)
			return err;
		n = send(q->fd, text, size, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (n < 0 && errno != EAGAIN && errno != EINTR)
			return errno == EPIPE ? -ECONNRESET : -errno;
		if (n > 0) {
			text += n;
			size -= (size_t)n;
		}
	}
	return 0;
}

static int line_room(struct qmp *q)
{
	size_t size = q->size ? q->size * 2 : 2 * CHUNK;
	char *line;

	if (q->size - q->used >= CHUNK)
		return 0;
	line = realloc(q->line, size);
	if (!line)
		return -ENOMEM;
	q->line = line;
	q->size = size;
	return 0;
}

/* Takes more of the line, but nothing behind its end. 1: the line is complete. */
static int take_some(struct qmp *q)
{
	ssize_t n;
	char *end;
	int err = line_room(q);

	if (err)
		return err;
	n = recv(q->fd, q->line + q->used, CHUNK, MSG_PEEK | MSG_DONTWAIT);
	if (n > 0) {
		end = memchr(q->line + q->used, '\n', (size_t)n);
		n = end ? end + 1 - (q->line + q->used) : n;
		n = recv(q->fd, q->line + q->used, (size_t)n, MSG_DONTWAIT);
	}
	if (n == 0)
		return -ECONNRESET;
	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -errno;
	q->used += (size_t)n;
	if (q->used > QMP_LINE_MAX)
		return -EMSGSIZE;
	return q->line[q->used - 1] == '\n';
}

static int read_object(struct qmp *q, uint64_t deadline, json_t **ret)
{
	json_t *j = NULL;
	int done = 0;

	while (!done) {
		int err = wait_for(q, POLLIN, deadline);

		if (err)
			return err;
		done = take_some(q);
		if (done < 0)
			return done;
	}
	wire_load(q->line, q->used, &j);
	q->used = 0;
	if (!json_is_object(j)) {
		json_decref(j);
		return -EBADMSG;
	}
	*ret = j;
	return 0;
}

static int protocol_failure(struct qmp *q, const char *what, int err, struct failure *f)
{
	q->broken = err == -EMSGSIZE || err == -EBADMSG || err == -ECONNRESET;
	if (err == -EMSGSIZE)
		return failure_set(f, err, "QMP, %s: a line of more than 1 MiB; is this QEMU?",
				   what);
	if (err == -EBADMSG)
		return failure_set(f, err, "QMP, %s: no JSON object came; is this QEMU?", what);
	if (err == -ETIMEDOUT)
		return failure_set(f, err, "QMP, %s: no answer in time", what);
	return failure_errno(f, err, "QMP, %s", what);
}

static int refused(const char *command, const json_t *error, struct failure *f)
{
	const char *text = json_string_value(json_object_get(error, "desc"));
	char words[256];

	host_printable(text ? text : "no reason given", words, sizeof(words));
	return failure_set(f, -EREMOTEIO, "QMP, %s: refused: %s", command, words);
}

static int send_command(struct qmp *q, const char *name, json_t *arguments, uint64_t deadline)
{
	_cleanup_(drop_json) json_t *j = json_pack("{s:s, s:I, s:O*}", "execute", name, "id",
						   (json_int_t)q->next_id, "arguments", arguments);
	_cleanup_(free_ptr) char *text = j ? json_out_text(j, JSON_COMPACT) : NULL;

	return text ? send_all(q, text, strlen(text), deadline) : -ENOMEM;
}

static void hand_out_event(const struct qmp *q, const json_t *event, const char *name)
{
	if (q->on_event)
		q->on_event(name, json_object_get(event, "data"), q->opaque);
}

/* Reads until the answer to the present command; late answers to earlier ones are skipped. */
static int read_answer(struct qmp *q, const char *name, uint64_t deadline, struct failure *f,
		       json_t **ret_value)
{
	for (;;) {
		_cleanup_(drop_json) json_t *j = NULL;
		const char *event;
		json_t *value, *id;
		int err = read_object(q, deadline, &j);

		if (err)
			return protocol_failure(q, name, err, f);
		event = json_string_value(json_object_get(j, "event"));
		if (event) {
			hand_out_event(q, j, event);
			continue;
		}
		id = json_object_get(j, "id");
		if (!json_is_integer(id) || json_integer_value(id) != (json_int_t)q->next_id)
			continue;
		value = json_object_get(j, "return");
		if (!value)
			return refused(name, json_object_get(j, "error"), f);
		if (ret_value)
			*ret_value = json_incref(value);
		return 0;
	}
}

int qmp_command(struct qmp *q, const char *name, json_t *arguments, uint64_t timeout_ns,
		struct failure *f, json_t **ret_value)
{
	uint64_t deadline = clock_mono() + timeout_ns;
	int err;

	if (q->broken)
		return failure_set(f, -EPIPE, "QMP, %s: the connection broke before", name);
	q->next_id++;
	err = send_command(q, name, arguments, deadline);
	if (err) {
		protocol_failure(q, name, err, f);
		q->broken = true; /* half a command may be on its way */
		return err;
	}
	return read_answer(q, name, deadline, f, ret_value);
}

int qmp_resume(int fd, struct qmp **ret)
{
	struct qmp *q = calloc(1, sizeof(*q));

	if (!q)
		return -ENOMEM;
	q->fd = fd;
	/* Not those of an earlier handle: its answers may still come. */
	q->next_id = clock_mono() & (INT64_MAX >> 1);
	*ret = q;
	return 0;
}

static int greet(struct qmp *q, uint64_t deadline, struct failure *f)
{
	_cleanup_(drop_json) json_t *j = NULL;
	int err = read_object(q, deadline, &j);

	if (!err && !json_object_get(j, "QMP"))
		err = -EBADMSG;
	if (err)
		return protocol_failure(q, "greeting", err, f);
	return qmp_command(q, "qmp_capabilities", NULL, u64_sub_floor(deadline, clock_mono()), f,
			   NULL);
}

int qmp_open(int fd, uint64_t timeout_ns, struct failure *f, struct qmp **ret)
{
	uint64_t deadline = clock_mono() + timeout_ns;
	struct qmp *q;
	int err = qmp_resume(fd, &q);

	if (err)
		return err;
	err = greet(q, deadline, f);
	if (err) {
		qmp_close(q);
		return err;
	}
	*ret = q;
	return 0;
}

struct qmp *qmp_close(struct qmp *q)
{
	if (q)
		free(q->line);
	free(q);
	return NULL;
}

void qmp_on_event(struct qmp *q, qmp_event_fn fn, void *opaque)
{
	q->on_event = fn;
	q->opaque = opaque;
}
