/* SPDX-License-Identifier: MIT */
/* guest_ask REQUEST: what vmdesched answers to {"get":"REQUEST"}, for tests in guests. */
#include "base/clock.h"
#include "base/units.h"
#include "wire/ask.h"

#include <stdio.h>
#include <stdlib.h>

int main(int argc, char **argv)
{
	uint64_t until = clock_mono() + 30 * NS_PER_SEC;
	char request[64], *answer;
	size_t size;
	int fd;

	if (argc != 2 || ask_dial("/run/vmdesched.sock", until, &fd))
		return 1;
	snprintf(request, sizeof(request), "{\"get\":\"%s\"}\n", argv[1]);
	if (ask_line(fd, request, until, &answer, &size))
		return 1;
	puts(answer);
	free(answer);
	return 0;
}
