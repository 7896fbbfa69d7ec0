/* SPDX-License-Identifier: MIT */
#include "cmd/remembered.h"

#include "base/json_out.h"
#include "screen/here.h"
#include "wire/client.h"

#include <errno.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

void remembered_time(double seconds, char ret[REMEMBERED_TIME])
{
	time_t time = (time_t)seconds;
	struct tm tm;

	if (!localtime_r(&time, &tm) || !strftime(ret, REMEMBERED_TIME, "%F %T", &tm))
		snprintf(ret, REMEMBERED_TIME, "?");
}

/* A whole machine that was away for a while comes back, and its daemon with it. */
static int ask(const char *command, const char *daemon, const char *socket, const char *request,
	       struct failure *f, json_t **ret)
{
	bool said = false;
	int err;

	while ((err = client_query(daemon, socket, request, f, ret)) == -ETIMEDOUT) {
		if (!said)
			fprintf(stderr, "desched %s: waiting: %s\n", command, f->text);
		said = true;
	}
	return err;
}

bool remembered_on_host(void)
{
	struct here here;

	if (!access(PROTOCOL_SOCKET, F_OK))
		return false;
	here_look(&here);
	return here_subject(&here) == &subject_host;
}

/* Where the usual daemon isn't there. */
static int say_how(int err, const char *daemon, const struct remembered_options *o,
		   struct failure *f)
{
	char said[sizeof(f->text)];

	if (o->socket || (err != -ENOENT && err != -ECONNREFUSED))
		return err;
	snprintf(said, sizeof(said), "%s", f->text);
	return failure_set(f, err,
			   "%.200s: 'systemctl enable --now %s' starts it, and from then on "
			   "it remembers",
			   said, daemon);
}

int remembered_show(const char *command, const char *request, bool host,
		    const struct remembered_options *o, void (*print)(const json_t *answer),
		    struct failure *f)
{
	const char *usual = host ? PROTOCOL_HOST_SOCKET : PROTOCOL_SOCKET;
	const char *daemon = host ? "deschedd" : "vmdesched";
	json_t *answer = NULL;
	int err = ask(command, daemon, o->socket ? o->socket : usual, request, f, &answer);

	if (err)
		return say_how(err, daemon, o, f);
	if (o->json)
		return json_out_print(answer, JSON_COMPACT | JSON_REAL_PRECISION(15), stdout,
				      "standard output", f);
	print(answer);
	json_decref(answer);
	return 0;
}
