/* SPDX-License-Identifier: MIT */
#include "wire/client.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/text.h"
#include "base/units.h"
#include "wire/ask.h"
#include "wire/host_frame.h"
#include "wire/snapshot.h"
#include "wire/wire.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#define REQUEST_MAX 1024
#define PATIENCE_NS (5 * NS_PER_SEC)

/* What the daemon says is on its way to a terminal. */
static int take_error(const json_t *error, struct failure *f)
{
	const char *text = json_string_value(error);

	failure_set(f, -EREMOTEIO, "%.200s", text ? text : "it failed");
	if (f)
		text_clean(f->text);
	return -EREMOTEIO;
}

int client_ask(int fd, const char *request, uint64_t deadline, struct failure *f, json_t **ret)
{
	_cleanup_(free_ptr) char *text = NULL;
	char line[REQUEST_MAX];
	size_t size = 0;
	json_t *o = NULL;
	int err;

	if (snprintf(line, sizeof(line), "%s\n", request) >= (int)sizeof(line))
		return -E2BIG;
	err = ask_line(fd, line, deadline, &text, &size);
	if (!err)
		err = wire_load(text, size, &o);
	if (err)
		return err == -E2BIG ? -EBADMSG : err;
	if (json_object_get(o, "error")) {
		err = take_error(json_object_get(o, "error"), f);
		json_decref(o);
		return err;
	}
	*ret = o;
	return 0;
}

int client_snapshot(int fd, uint64_t deadline, struct failure *f, struct snapshot *ret)
{
	json_t *o = NULL;
	int err = client_ask(fd, CLIENT_GET("snapshot"), deadline, NULL, &o);

	if (err)
		return failure_errno(f, err, "a snapshot");
	err = snapshot_decode(o, f, ret);
	json_decref(o);
	return err;
}

static int complain(int err, const char *daemon, const char *path, const char *said,
		    struct failure *f)
{
	if (err == -ENOENT || err == -ECONNREFUSED)
		return failure_set(f, err, "no %s at %s", daemon, path);
	if (err == -ENAMETOOLONG)
		return failure_set(f, err, "socket path %s is too long (107 bytes)", path);
	if (err == -EBADMSG)
		return failure_set(f, err, "%s: what answers there is no %s", path, daemon);
	if (err == -EREMOTEIO)
		return failure_set(f, -EBADMSG, "%s at %s: %s", daemon, path, said);
	return failure_errno(f, err, "%s at %s", daemon, path);
}

int client_query(const char *daemon, const char *path, const char *request, struct failure *f,
		 json_t **ret)
{
	uint64_t deadline = clock_mono() + PATIENCE_NS;
	_cleanup_(close_fd) int fd = -1;
	struct failure said = {""};
	json_t *o = NULL;
	int err = ask_dial(path, deadline, &fd);

	if (!err)
		err = client_ask(fd, request, deadline, &said, &o);
	if (!err && !json_is_string(json_object_get(o, "schema"))) {
		json_decref(o);
		err = -EBADMSG;
	}
	if (err)
		return complain(err, daemon, path, said.text, f);
	*ret = o;
	return 0;
}

int client_frame(const char *path, uint64_t session, uint64_t since, struct failure *f,
		 struct host_frame *ret)
{
	char request[128] = CLIENT_GET("frame");
	struct failure why = {""};
	json_t *o = NULL;
	int err;

	if (session)
		snprintf(request, sizeof(request),
			 "{\"get\":\"frame\",\"session\":\"%" PRIu64 "\",\"since_ns\":%" PRIu64 "}",
			 session, since);
	err = client_query("deschedd", path, request, f, &o);
	if (err)
		return err;
	err = host_frame_decode(o, &why, ret);
	json_decref(o);
	return err ? failure_set(f, err, "deschedd at %s: %s", path, why.text) : 0;
}
