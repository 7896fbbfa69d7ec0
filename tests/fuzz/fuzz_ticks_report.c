/* SPDX-License-Identifier: MIT */
/* What a guest prints as its report is hostile. */
#include "fuzz.h"

#include "ticks/ticks_report.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct ticks_report r;
	char *line = malloc(size + 1);

	memset(&r, 0xee, sizeof(r));
	memcpy(line, data, size);
	line[size] = '\0';
	if (ticks_report_parse(line, &r))
		CHECK(r.clock == 0xeeeeeeeeeeeeeeeeu); /* untouched */
	free(line);
	return 0;
}
