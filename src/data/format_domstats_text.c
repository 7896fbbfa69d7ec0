/* SPDX-License-Identifier: MIT */
/*
 * What `virsh domstats` prints, time after time: a line with the time, in front of each or behind
 * it, as whoever wrote the loop did it; "Domain: 'NAME'" for each VM; lines of "  counter=value".
 */
#include "data/domstats.h"
#include "data/reading.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct text {
	struct reading g;
	struct domstats stats;
	bool begun, behind;  /* a line was there; times stand behind what they are of */
	bool timed, pending; /* a time is known; a sample is under way */
	char time[128];
	uint64_t untimed; /* samples without one */
};

static int is(const struct input *in)
{
	return strstr(in->text, "Domain: '") &&
	       (strstr(in->text, "cpu.") || strstr(in->text, "balloon."));
}

/* The sample under way waits for its time, or for the next one. */
static int hold(struct text *t)
{
	int err = t->pending ? domstats_hold(&t->stats) : 0;

	t->pending = false;
	t->untimed += err > 0;
	return err < 0 ? err : 0;
}

/* All that wait have this time. */
static int release(struct text *t)
{
	struct instant time;
	int err = hold(t);

	if (err)
		return err;
	t->untimed += t->timed ? 0 : t->stats.n_held;
	if (!t->timed || !t->stats.n_held || !reading_time(&t->g, t->time, NAN, &time))
		return domstats_release(&t->stats, NULL);
	return domstats_release(&t->stats, &time);
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
	int err = t->behind ? 0 : release(t);

	snprintf(t->time, sizeof(t->time), "%s", time);
	t->timed = true;
	return t->behind ? release(t) : err;
}

static int take_domain(char *name, struct text *t)
{
	struct data_entity e = {DATA_KIND_VM, DATA_NONE, name, ""};
	char *end = strrchr(name, '\'');
	int err = t->behind ? hold(t) : release(t);
	uint32_t vm;

	if (end)
		*end = '\0';
	if (err)
		return err;
	err = out_entity(t->g.out, &e, &vm);
	if (err <= 0)
		return err;
	t->pending = true;
	return domstats_begin(&t->stats, vm);
}

/* False: it is no counter. */
static bool take_counter(char *line, char *equals, struct text *t, int *ret_err)
{
	int slot;

	*equals = '\0';
	slot = domstats_slot(&t->stats, line);
	*ret_err = domstats_set(&t->stats, slot, equals + 1);
	if (slot != DOMSTATS_NONE || strchr(line, '.'))
		return true;
	*equals = '=';
	return false;
}

static int take_line(char **fields, size_t n, void *data)
{
	struct text *t = data;
	char *line = fields[0], *equals = strchr(line, '='), *time;
	int err;

	(void)n;
	if (!strncmp(line, "Domain: '", 9)) {
		t->behind |= !t->begun;
		t->begun = true;
		return take_domain(line + 9, t);
	}
	if (equals && t->pending && take_counter(line, equals, t, &err))
		return err;
	if (!find_time(line, &time))
		return 0;
	t->begun = true;
	return take_time(time, t);
}

static void begin(void *data)
{
	struct text *t = data;

	t->begun = t->behind = t->timed = t->pending = false;
	t->untimed = 0;
	t->stats.n_held = 0;
}

/* A column takes the whole line. */
static int pass(const struct input *in, void *data)
{
	struct text *t = data;
	int err = table_read(in->text, in->size, ' ', 1, take_line, data);

	if (!err && !t->behind)
		return release(t);
	if (!err)
		err = hold(t);
	t->untimed += t->stats.n_held;
	return err;
}

static int read_text(const struct input *in, struct out *out)
{
	struct text t = {.begun = false};
	int err;

	reading_init(&t.g, in, out);
	domstats_init(&t.stats, out);
	err = reading_run(&t.g, DATES_UNKNOWN, begin, pass, domstats_state_done, &t);
	if (!err && t.untimed && !out->file.samples)
		err = failure_set(out->f, -ENODATA,
				  "%s: no times between what virsh printed; record with 'while "
				  "date +%%s; do virsh domstats --vcpu; sleep 5; done'",
				  in->path);
	out_forget(out, domstats_state_done);
	domstats_done(&t.stats);
	return err;
}

const struct format format_domstats_text = {
	.name = "virsh domstats",
	.what = "what virsh domstats prints",
	.host = true,
	.is = is,
	.read = read_text,
};
