/* SPDX-License-Identifier: MIT */
/*
 * What `virsh domstats --vcpu` prints, time after time: a line with the time, in front of each or
 * behind it, as whoever wrote the loop did it; "Domain: 'NAME'"; lines of "  counter=value".
 */
#include "correct/domstats.h"
#include "correct/reading.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct text {
	struct reading g;
	struct domstats stats;
	bool begun, behind;  /* a line was there; times stand behind what they are of */
	bool timed, pending; /* a time is known; a sample of the VM is under way */
	bool mine, bad;
	char time[128];
	uint64_t untimed; /* samples without one */
};

static int is(const struct input *in)
{
	return strstr(in->text, "Domain: '") && strstr(in->text, "cpu.");
}

static int finish(struct text *t)
{
	struct instant time;
	bool pending = t->pending;

	t->pending = false;
	if (!pending)
		return 0;
	if (!t->timed) {
		t->untimed++;
		return 0;
	}
	if (!reading_time(&t->g, t->time, &time))
		return 0;
	if (t->bad) {
		skips_count(&t->g.r->skips, SKIP_NUMBER, t->time);
		return 0;
	}
	return domstats_sample(&t->stats, &time);
}

/* "=== 2026-01-05 08:00:00 ===" and "time: 1767600000", too. False: it is no time. */
static bool find_time(char *line, char **ret)
{
	char *end = line + strlen(line);
	struct stamp s;

	if (!strncasecmp(line, "time", 4))
		line += 4 + strspn(line + 4, "stampSTAMP");
	line += strspn(line, " \t#=*-:[");
	while (end > line && strchr(" \t\r#=*-:]", end[-1]))
		*--end = '\0';
	*ret = line;
	return *line && !stamp_parse(line, &s);
}

static int take_time(const char *time, struct text *t)
{
	int err = t->behind ? 0 : finish(t);

	snprintf(t->time, sizeof(t->time), "%s", time);
	t->timed = true;
	return t->behind ? finish(t) : err;
}

static int take_domain(char *name, struct text *t)
{
	char *end = strrchr(name, '\'');
	int err = t->behind ? 0 : finish(t), mine;

	t->untimed += t->pending;

	if (end)
		*end = '\0';
	mine = choice_take(&t->g.choice, "", name);
	t->mine = mine > 0;
	if (err || !t->mine)
		return mine < 0 ? mine : err;
	domstats_clear(&t->stats);
	t->pending = true;
	t->bad = false;
	return 0;
}

static int take_line(char **fields, size_t n, void *data)
{
	struct text *t = data;
	char *line = fields[0], *equals = strchr(line, '='), *time;
	double *counter;

	(void)n;
	if (!strncmp(line, "Domain: '", 9)) {
		t->behind |= !t->begun;
		t->begun = true;
		return take_domain(line + 9, t);
	}
	if (equals && t->pending && t->mine) {
		*equals = '\0';
		counter = domstats_counter(&t->stats, line);
		if (counter && !domstats_set(counter, equals + 1))
			t->bad = true;
		if (counter || strchr(line, '.'))
			return 0;
		*equals = '=';
	}
	if (!find_time(line, &time))
		return 0;
	t->begun = true;
	return take_time(time, t);
}

static void begin(void *data)
{
	struct text *t = data;

	t->begun = t->behind = t->timed = t->pending = t->mine = false;
	domstats_init(&t->stats, t->g.r);
}

/* A column takes the whole line. */
static int pass(const struct input *in, void *data)
{
	struct text *t = data;
	int err = table_read(in->text, in->size, ' ', 1, take_line, data);

	if (!err && !t->behind)
		err = finish(t);
	t->untimed += t->pending;
	return err;
}

static int read_text(const struct input *in, struct failure *f, struct usage *r)
{
	struct text *t = calloc(1, sizeof(*t));
	int err;

	if (!t)
		return -ENOMEM;
	reading_init(&t->g, in, f, r);
	err = reading_run(&t->g, DATES_UNKNOWN, begin, pass, t);
	if (!err && t->untimed && !r->n)
		err = failure_set(f, -ENODATA,
				  "%s: no times between what virsh printed; record with 'while "
				  "date +%%s; do virsh domstats --vcpu; sleep 5; done'",
				  in->path);
	reading_done(&t->g);
	free(t);
	return err;
}

const struct format format_domstats_text = {"virsh domstats", true, is, read_text};
