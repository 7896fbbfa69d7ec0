/* SPDX-License-Identifier: MIT */
#include "cmd/remembered.h"

#include "screen/canvas.h"
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

void remembered_name(const char *name)
{
	while (*name) {
		const char *from = name;
		uint32_t ch = utf8_next(&name);

		if (ch < ' ' || (ch >= 0x7f && ch < 0xa0))
			putchar('?');
		else if (name - from == 1)
			putchar((int)ch); /* '?' for a byte that is no UTF-8 */
		else
			fwrite(from, 1, (size_t)(name - from), stdout);
	}
}

/* A whole machine that was away for a while comes back, and its daemon with it. */
static int ask(const char *name, const char *socket, const char *what, struct failure *f,
	       json_t **ret)
{
	bool said = false;
	int err;

	while ((err = feed_ask(socket, what, f, ret)) == -ETIMEDOUT) {
		if (!said)
			fprintf(stderr, "desched %s: waiting: %s\n", name, f->text);
		said = true;
	}
	return err;
}

int remembered_main(const struct command *command, const char *what,
		    const struct remembered_options *o, void (*print)(const json_t *answer),
		    int argc, char **argv)
{
	struct failure f = {.text = ""};
	json_t *answer = NULL;
	bool help;
	int first = options_parse(command, argc, argv, &f, &help);

	if (help) {
		options_help(command, "desched");
		return 0;
	}
	if (first >= 0 && first != argc)
		first = failure_set(&f, -EINVAL, "takes no operands; --help shows the usage");
	if (first < 0) {
		fprintf(stderr, "desched %s: %s\n", command->name, f.text);
		return 2;
	}
	if (ask(command->name, o->socket, what, &f, &answer)) {
		fprintf(stderr, "desched %s: %s\n", command->name, f.text);
		return 1;
	}
	if (o->json) {
		json_dumpf(answer, stdout, JSON_COMPACT | JSON_REAL_PRECISION(15));
		putchar('\n');
	} else {
		print(answer);
	}
	json_decref(answer);
	return 0;
}
