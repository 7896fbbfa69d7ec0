/* SPDX-License-Identifier: MIT */
/* vmdesched.conf, any bytes: a configuration within its bounds, or a reason of one line. */
#include "fuzz.h"

#include "base/units.h"
#include "vmdesched/keys.h"

#include <errno.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct failure f = {.text = ""};
	struct settings s, before;

	settings_default(&vmdesched_settings, &s);
	before = s;
	if (settings_parse(&vmdesched_settings, "fuzz", (const char *)data, size, &f, &s)) {
		CHECK(!memcmp(&s, &before, sizeof(s)));
		CHECK(f.text[0]);
		return 0;
	}
	CHECK(s.service.interval >= NS_PER_SEC && s.service.interval <= 3600 * NS_PER_SEC);
	CHECK(s.gap_ns <= 3600 * NS_PER_SEC && s.processes <= 1000);
	CHECK(memchr(s.service.socket, '\0', sizeof(s.service.socket)));
	return 0;
}
