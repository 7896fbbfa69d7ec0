/* SPDX-License-Identifier: MIT */
#include "base/failure.h"

#include "base/text.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* Names in it may be from anywhere; the text is for a terminal or a log. */
static void failure_format(struct failure *f, const char *format, va_list ap)
{
	vsnprintf(f->text, sizeof(f->text), format, ap);
	text_clean(f->text);
}

int failure_set(struct failure *f, int code, const char *format, ...)
{
	va_list ap;

	if (!f)
		return code;
	va_start(ap, format);
	failure_format(f, format, ap);
	va_end(ap);
	return code;
}

int failure_errno(struct failure *f, int code, const char *format, ...)
{
	va_list ap;
	size_t used;

	if (!f)
		return code;
	va_start(ap, format);
	failure_format(f, format, ap);
	va_end(ap);
	used = strlen(f->text);
	snprintf(f->text + used, sizeof(f->text) - used, ": %s", strerror(-code));
	return code;
}

void failure_list(struct failure *f, const char *name)
{
	static const char head[] = "; there are: ", more[] = ", ...";
	size_t used = f ? strlen(f->text) : 0, end = used > strlen(more) ? used - strlen(more) : 0;
	struct failure clean;

	if (!f || !strcmp(f->text + end, more))
		return;
	failure_set(&clean, 0, "%s%s", strstr(f->text, head) ? ", " : head, name);
	if (used + strlen(clean.text) + sizeof(more) <= sizeof(f->text))
		strcpy(f->text + used, clean.text);
	else if (used + sizeof(more) <= sizeof(f->text))
		strcpy(f->text + used, more);
}
