/* SPDX-License-Identifier: MIT */
#include "host/measure_parts.h"

#include <stdarg.h>
#include <stdio.h>

void measure_note(const struct measurement *m, const char *format, ...)
{
	const struct measure_setup *s = &m->parts->setup;
	char text[512];
	va_list ap;

	if (!s->note)
		return;
	va_start(ap, format);
	vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	s->note(text, s->data);
}
