/* SPDX-License-Identifier: MIT */
#include "cmd/remembered.h"

#include "base/json_out.h"
#include "screen/feed.h"

#include <errno.h>
#include <stdio.h>
#include <time.h>

void remembered_time(double seconds, char ret[REMEMBERED_TIME])
{
	time_t time = (time_t)seconds;
	struct tm tm;

	if (!localtime_r(&time, &tm) || !strftime(ret, REMEMBERED_TIME, "%F %T", &tm))
		snprintf(ret, REMEMBERED_TIME, "?");
}

/* A whole machine that was away for a while comes back, and its daemon with it. */
static int ask(const char *socket, const char *what, struct failure *f, json_t **ret)
{
	bool said = false;
	int err;

	while ((err = feed_ask(socket, what, f, ret)) == -ETIMEDOUT) {
		if (!said)
			fprintf(stderr, "desched %s: waiting: %s\n", what, f->text);
		said = true;
	}
	return err;
}

int remembered_show(const char *what, const struct remembered_options *o,
		    void (*print)(const json_t *answer), struct failure *f)
{
	json_t *answer = NULL;
	int err = ask(o->socket, what, f, &answer);

	if (err)
		return err;
	if (o->json)
		return json_out_print(answer, JSON_COMPACT | JSON_REAL_PRECISION(15), stdout,
				      "standard output", f);
	print(answer);
	json_decref(answer);
	return 0;
}
