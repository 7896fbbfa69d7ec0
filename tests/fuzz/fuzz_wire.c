/* SPDX-License-Identifier: MIT */
/*
 * Texts from outside: whatever they are, they are loaded within bounds or refused, and what is read
 * of them is a time, an identifier, or nothing.
 */
#include "fuzz.h"

#include "wire/wire.h"

#include <errno.h>

static void read_all(const json_t *o)
{
	struct wire_amounts a = {.reported = 0};
	struct wire_session s = {.id = 0};
	uint64_t ns = 0;

	wire_is_snapshot(o);
	if (wire_ns(o, "elapsed_s", &ns))
		CHECK(ns <= (uint64_t)(WIRE_SECONDS_MAX * 1e9));
	wire_amounts(json_object_get(o, "totals"), &a);
	if (wire_session(o, &s)) {
		CHECK(s.n_before <= WIRE_SESSIONS_MAX);
		CHECK(wire_goes_on(&s, 5, &s, 5));
		CHECK(!wire_goes_on(&s, 5, &s, 4));
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	json_t *o = NULL;
	int err = wire_load((const char *)data, size, &o);

	CHECK(err == 0 || err == -EBADMSG || err == -E2BIG || err == -ENOMEM);
	CHECK(!err == (o != NULL));
	if (!err)
		read_all(o);
	json_decref(o);
	return 0;
}
