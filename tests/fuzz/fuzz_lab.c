/* SPDX-License-Identifier: MIT */
/*
 * What a guest of the lab may say: lines in pieces, then each line as answer, list of kinds, report
 * and, for what it holds of the agent, snapshot. The first byte is the length of the pieces.
 */
#include "fuzz.h"

#include "lab/control.h"

#include <errno.h>
#include <string.h>

static void check_text(const char *text, size_t size)
{
	const char *end = memchr(text, '\0', size);

	CHECK(end);
	for (const char *c = text; c < end; c++)
		CHECK(*c >= ' ' && *c <= '~');
}

static void fuzz_answer(const json_t *line)
{
	struct control_answer a;
	int err = control_parse_answer(line, NULL, &a);

	CHECK(err == 0 || err == -EBADMSG);
	if (err)
		return;
	check_text(a.error, sizeof(a.error));
	check_text(a.agent.ended, sizeof(a.agent.ended));
	check_text(a.agent.said, sizeof(a.agent.said));
}

static void fuzz_kinds(const json_t *line)
{
	struct control_kinds k;

	if (control_parse_kinds(line, NULL, &k))
		return;
	CHECK(k.n >= 1 && k.n <= CONTROL_KINDS_MAX);
	for (int i = 0; i < k.n; i++) {
		check_text(k.names[i], sizeof(k.names[i]));
		CHECK(k.names[i][0]);
	}
}

static void fuzz_report(const json_t *line)
{
	struct control_report r;

	if (control_parse_report(line, NULL, &r))
		return;
	CHECK(r.n >= 1 && r.n <= CONTROL_WORKERS_MAX);
	for (int i = 0; i < r.n; i++) {
		check_text(r.workers[i].kind, sizeof(r.workers[i].kind));
		CHECK(r.workers[i].pid >= 0);
	}
}

/* Returns false when the lab would not listen any longer. */
static int take_lines(struct control_in *in)
{
	json_t *line;
	int got;

	while ((got = control_next(in, &line)) == 1) {
		CHECK(json_is_object(line));
		fuzz_answer(line);
		fuzz_kinds(line);
		fuzz_report(line);
		json_decref(line);
	}
	CHECK(got == 0 || got == -EBADMSG);
	return got == 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct control_in in = {0};
	size_t piece = size ? data[0] + 1u : 1;

	for (size_t at = 1; at < size; at += piece) {
		size_t n = size - at < piece ? size - at : piece;

		if (control_feed(&in, data + at, n) || !take_lines(&in))
			break;
	}
	control_done(&in);
	return 0;
}
