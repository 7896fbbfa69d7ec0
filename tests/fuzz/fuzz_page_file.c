/* SPDX-License-Identifier: MIT */
/* A process may have any command line: what is taken for a file is a word of it. */
#include "fuzz.h"

#include "host/page_file.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *words = malloc(size + 1);
	const char *file;

	memcpy(words, data, size);
	words[size] = '\0';
	file = page_file_option(words, size);
	CHECK(!file || (file > words && file + strlen(file) <= words + size));
	free(words);
	return 0;
}
