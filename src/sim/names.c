/* SPDX-License-Identifier: MIT */
#include "sim/names.h"

#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

int names_widen(int width, const char *name)
{
	int len = (int)strlen(name);

	return len > width ? len : width;
}

int names_terminal(FILE *out)
{
	struct winsize size;

	if (!isatty(fileno(out)) || ioctl(fileno(out), TIOCGWINSZ, &size) || !size.ws_col)
		return 0;
	return size.ws_col;
}

void names_put(FILE *out, const char *name, int width)
{
	if ((int)strlen(name) > width)
		fprintf(out, "%.*s~ ", width - 1, name);
	else
		fprintf(out, "%-*s ", width, name);
}
