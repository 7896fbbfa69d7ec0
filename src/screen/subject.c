/* SPDX-License-Identifier: MIT */
#include "screen/subject.h"

#include "base/options.h"
#include "base/units.h"

#include <errno.h>
#include <stdarg.h>
#include <string.h>

const struct subject *const subjects[] = {&subject_guest, &subject_host};
const size_t n_subjects = ARRAY_SIZE(subjects);

/* ---- frames ---- */

uint64_t frame_elapsed(const struct frame *f)
{
	return f->subject->elapsed(f);
}

uint64_t frame_lag(const struct frame *f)
{
	return f->subject->lag(f);
}

bool frame_is_news(const struct frame *shown, const struct frame *now)
{
	return now->subject->is_news(shown, now);
}

void frame_done(struct frame *f)
{
	if (f->subject)
		f->subject->done(f);
	f->subject = NULL;
}

int model_make(const struct frame *from, const struct frame *to, const struct model_view *view,
	       struct model *ret)
{
	return to->subject->make(from, to, view, ret);
}

/* ---- notes ---- */

void notes_add(struct notes *n, enum style style, const char *format, ...)
{
	va_list ap;

	if (n->n == NOTES_MAX)
		return;
	va_start(ap, format);
	vsnprintf(n->text[n->n], sizeof(n->text[0]), format, ap);
	va_end(ap);
	n->style[n->n++] = style;
}

/* ---- values ---- */

void time_text(uint64_t ns, char ret[TIME_TEXT_SIZE])
{
	double ms = (double)ns / (double)NS_PER_MS;

	if (ms < 999.5)
		snprintf(ret, TIME_TEXT_SIZE, "%.*fms", ms < 9.995 ? 2 : ms < 99.95 ? 1 : 0, ms);
	else
		snprintf(ret, TIME_TEXT_SIZE, "%.*fs", ms < 99950 ? 1 : 0, ms / 1000);
}

/* ---- columns as orders ---- */

bool column_is_order(const struct column *c)
{
	return c->name && c->value;
}

static bool is_figure(enum unit unit)
{
	return unit == UNIT_PERCENT || unit == UNIT_BYTES || unit == UNIT_TIME;
}

int column_compare(const struct column *c, const struct model *m, const struct model_row *a,
		   const struct model_row *b)
{
	struct value x = c->value(c, m, a), y = c->value(c, m, b);

	if (c->unit == UNIT_TEXT || c->unit == UNIT_NAME)
		return strcmp(x.text ? x.text : "", y.text ? y.text : "");
	if (x.n == y.n)
		return 0;
	return (x.n < y.n) == is_figure(c->unit) ? 1 : -1;
}

const struct column *subject_column(const struct subject *s, const char *name)
{
	for (size_t i = 0; i < s->n_columns; i++)
		if (column_is_order(&s->columns[i]) && !strcmp(s->columns[i].name, name))
			return &s->columns[i];
	return NULL;
}

const struct column *subject_sort(const struct subject *s, const struct model_view *view)
{
	return view->sort ? view->sort : subject_column(s, s->sort);
}

/* The i-th order of a subject; NULL behind the last. */
static const char *order_of(const struct subject *s, size_t i)
{
	for (size_t c = 0; c < s->n_columns; c++)
		if (column_is_order(&s->columns[c]) && !i--)
			return s->columns[c].name;
	return NULL;
}

static bool is_of_earlier(size_t subject, const char *name)
{
	for (size_t s = 0; s < subject; s++)
		if (subject_column(subjects[s], name))
			return true;
	return false;
}

const char *subject_order_name(size_t i)
{
	const char *name;

	for (size_t s = 0; s < n_subjects; s++)
		for (size_t c = 0; (name = order_of(subjects[s], c)); c++)
			if (!is_of_earlier(s, name) && !i--)
				return name;
	return NULL;
}

/* "a, b, c" */
static void list_orders(const struct subject *s, char *ret, size_t size)
{
	const char *name;
	size_t used = 0;

	ret[0] = '\0';
	for (size_t i = 0; (name = order_of(s, i)) && used < size; i++)
		used += (size_t)snprintf(ret + used, size - used, "%s%s", i ? ", " : "", name);
}

int subject_find_order(const struct subject *s, const char *name, struct failure *f,
		       const struct column **ret)
{
	const struct column *c = subject_column(s, name);
	char names[256];

	if (!c) {
		list_orders(s, names, sizeof(names));
		return failure_set(f, -EINVAL, "no order '%.40s'; there are %s", name, names);
	}
	*ret = c;
	return 0;
}
