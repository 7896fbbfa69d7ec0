/* SPDX-License-Identifier: MIT */
/* The files of a task. `stat` counts in clock ticks, `schedstat` in ns, `sched` in ms with six
 * decimals. */
#include "base/units.h"
#include "view/rewrite_internal.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

enum { UTIME, STIME, CUTIME, CSTIME, TIMES };

/* The numbers of interest in a `stat`, and where the four times stand. */
struct stat_times {
	uint64_t ns[TIMES];
	uint64_t start; /* ticks */
	const char *begin, *end;
};

/* Behind n more words, at the blank before the next one. NULL when the line ends before that. */
static const char *skip_words(const char *at, int n)
{
	while (n--) {
		if (*at != ' ')
			return NULL;
		at += 1 + strcspn(at + 1, " \n");
	}
	return *at == ' ' ? at : NULL;
}

/* The name is in brackets and may hold brackets, blanks and newlines: the last bracket ends it. */
static int parse_stat(const char *text, struct stat_times *ret)
{
	const char *name_end = strrchr(text, ')'), *at;
	uint64_t tick = tick_ns();

	at = name_end ? skip_words(name_end + 1, 11) : NULL;
	if (!at)
		return -EBADMSG;
	ret->begin = at;
	for (int i = 0; i < TIMES; i++) {
		uint64_t ticks;

		/* a sum of two, and of what is added, must not overflow */
		if (number_take(&at, UINT64_MAX / tick / 4, &ticks))
			return -EBADMSG;
		ret->ns[i] = ticks * tick;
	}
	ret->end = at;
	at = skip_words(at, 4);
	return at ? number_take(&at, UINT64_MAX, &ret->start) : -EBADMSG;
}

/* What is to be added to what was shown. `whole`: the truth is all that the task ever had. */
static uint64_t growth(struct progress *p, uint64_t raw, const struct task_figures *f, bool whole)
{
	bool known = p->begun && f->live && p->epoch == f->epoch;
	uint64_t add;

	if (known)
		add = u64_sub_floor(f->truth, p->truth);
	else if (p->begun)
		add = u64_sub_floor(raw, p->raw);
	else
		add = whole ? f->truth : u64_sub_floor(raw, f->excess) + f->more;
	p->truth = known ? u64_max(f->truth, p->truth) : f->truth;
	p->epoch = f->live ? f->epoch : 0;
	p->raw = raw;
	p->begun = true;
	return add;
}

static void show_own(struct task_shown *shown, const uint64_t *raw, const struct task_figures *f)
{
	bool whole = f->live && shown->start > f->since / tick_ns();

	spread_add(&shown->own, 2, raw, growth(&shown->progress, spread_sum(raw, 2), f, whole));
}

static void show_children(struct spread *s, const uint64_t *raw, uint64_t excess)
{
	uint64_t total = u64_sub_floor(spread_sum(raw, 2), excess);

	spread_add(s, 2, raw, u64_sub_floor(total, spread_sum(s->shown, 2)));
}

int rewrite_task_stat(const char *text, const struct task_figures *figures,
		      struct task_shown *shown, FILE *out)
{
	uint64_t tick = tick_ns();
	struct stat_times t;

	if (parse_stat(text, &t))
		return -EBADMSG;
	if (shown->start != t.start)
		*shown = (struct task_shown){.start = t.start, .read = shown->read};
	show_own(shown, t.ns + UTIME, figures);
	show_children(&shown->children, t.ns + CUTIME, figures->children_excess);
	fprintf(out, "%.*s %" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64 "%s",
		(int)(t.begin - text), text, shown->own.shown[0] / tick, shown->own.shown[1] / tick,
		shown->children.shown[0] / tick, shown->children.shown[1] / tick, t.end);
	return 0;
}

/* A `raw` that goes back is another task's. */
static uint64_t corrected(struct true_counter *c, uint64_t raw, const struct task_figures *figures)
{
	if (raw < c->progress.raw)
		*c = (struct true_counter){0};
	c->shown += growth(&c->progress, raw, figures, false);
	return c->shown;
}

/* "RUN DELAY TIMES\n", without a blank before the first. */
int rewrite_task_schedstat(const char *text, const struct task_figures *figures,
			   struct task_shown *shown, FILE *out)
{
	char first[24] = " ";
	size_t digits = strspn(text, "0123456789");
	const char *at = first;
	uint64_t run;

	if (digits > 20 || text[digits] != ' ')
		return -EBADMSG;
	memcpy(first + 1, text, digits);
	if (number_take(&at, UINT64_MAX / 2, &run))
		return -EBADMSG;
	fprintf(out, "%" PRIu64 "%s", corrected(&shown->schedstat, run, figures), text + digits);
	return 0;
}

/* The value behind "se.sum_exec_runtime   :", NULL if there is none. A name of 15 bytes cannot hold
 * the key, so that the line cannot be forged. */
static const char *find_sum(const char *text)
{
	static const char key[] = "\nse.sum_exec_runtime";
	const char *line = strstr(text, key);

	if (!line)
		return NULL;
	line += sizeof(key) - 1;
	line += strspn(line, " ");
	return *line == ':' ? line + 1 : NULL;
}

/* "      1234.567890": ms and ns below a ms. */
static int take_ms(const char **at, uint64_t *ret)
{
	const char *p = *at;
	uint64_t ms, ns = 0;

	if (number_take(&p, UINT64_MAX / NS_PER_MS / 2, &ms) || *p != '.' ||
	    strspn(p + 1, "0123456789") != 6)
		return -EBADMSG;
	for (int i = 1; i <= 6; i++)
		ns = 10 * ns + (uint64_t)(p[i] - '0');
	*at = p + 7;
	*ret = ms * NS_PER_MS + ns;
	return 0;
}

int rewrite_task_sched(const char *text, const struct task_figures *figures,
		       struct task_shown *shown, FILE *out)
{
	const char *begin = find_sum(text), *end = begin;
	char number[32];
	uint64_t run;

	if (!begin || take_ms(&end, &run))
		return -EBADMSG;
	run = corrected(&shown->sched, run, figures);
	snprintf(number, sizeof(number), " %" PRIu64 ".%06" PRIu64, run / NS_PER_MS,
		 run % NS_PER_MS);
	fprintf(out, "%.*s%*s%s", (int)(begin - text), text, (int)(end - begin), number, end);
	return 0;
}
