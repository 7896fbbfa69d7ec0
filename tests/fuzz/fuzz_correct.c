/* SPDX-License-Identifier: MIT */
/*
 * desched correct over hostile recordings: the input is a guest's file and a host's, cut at the
 * first byte 0x1e. What is read must hold what recording.h promises, and so must what is made of
 * it.
 */
#include "fuzz.h"

#include "correct/correct.h"

#include <math.h>
#include <string.h>

static void check_recording(const struct usage *r)
{
	CHECK(r->n > 0);
	for (size_t i = 0; i < r->n; i++) {
		const struct piece *p = &r->pieces[i];

		CHECK(p->from < p->to && p->cpu >= 0 && isfinite(p->cpu));
		CHECK(p->who < r->n_names);
		CHECK(p->who < WHO_FIRST || r->names[p->who]);
	}
}

static void check_correction(const struct correction *c)
{
	CHECK(c->seconds >= ALIGN_MIN_SECONDS && isfinite(c->lag));
	CHECK(c->reported > 0 && c->measured > 0 && isfinite(c->w));
	CHECK(isnan(c->w_low) || (c->w_low <= c->w && c->w <= c->w_high));
	CHECK(c->w_min <= c->w && c->w <= c->w_max);
	for (size_t i = 0; i < c->n; i++) {
		const struct corrected *p = &c->processes[i];

		CHECK(p->name && p->reported > 0 && isfinite(p->corrected));
		CHECK(p->low >= 0 && isfinite(p->high));
		CHECK(p->least >= 0 && isfinite(p->most));
	}
}

static void both(struct usage *guest, const char *text, size_t size)
{
	static const struct correct_options o = {.align = {.max_lag = 10}, .sampled_hz = 64};
	static const struct source side = {.host = true};
	struct usage host;
	struct correction c;
	struct failure f = {""};

	if (usage_parse(text, size, &side, "host", &f, &host)) {
		CHECK(f.text[0]);
		return;
	}
	check_recording(&host);
	if (!correct(guest, &host, &o, &f, &c)) {
		check_correction(&c);
		correction_done(&c);
	} else {
		CHECK(f.text[0]);
	}
	usage_done(&host);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *text = (const char *)data;
	const char *cut = size ? memchr(text, 0x1e, size) : NULL;
	size_t n = cut ? (size_t)(cut - text) : size;
	static const struct source side = {.host = false};
	struct usage guest;
	struct failure f = {""};

	if (usage_parse(text, n, &side, "guest", &f, &guest)) {
		CHECK(f.text[0]);
		if (cut)
			usage_init(&guest);
		else
			return 0;
	} else {
		check_recording(&guest);
	}
	if (cut)
		both(&guest, cut + 1, size - n - 1);
	usage_done(&guest);
	return 0;
}
