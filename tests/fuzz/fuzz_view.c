/* SPDX-License-Identifier: MIT */
/*
 * What a view reads, over any bytes. The first byte of the input chooses what the rest is: one of
 * the texts of /proc, or a snapshot. Each text is corrected three times: with figures, with others,
 * and without.
 */
#include "fuzz.h"

#include "base/units.h"
#include "view/kept.h"
#include "view/mounts.h"

#include <errno.h>
#include <string.h>

struct text {
	char *bytes;
	size_t size;
};

static FILE *begin(struct text *t)
{
	FILE *out;

	*t = (struct text){0};
	out = open_memstream(&t->bytes, &t->size);
	CHECK(out);
	return out;
}

static void end(struct text *t, FILE *out, int err, const char *in)
{
	fclose(out);
	CHECK(err == 0 || (err == -EBADMSG && t->size == 0));
	/* Some numbers are others now; lines come and go with nobody. */
	CHECK(err || t->size <= 11 * strlen(in) + 64);
	free(t->bytes);
}

typedef int task_fn(const char *, const struct task_figures *, struct task_shown *, FILE *);
typedef int system_fn(const char *, const struct system_figures *, struct system_shown *, FILE *);

static void correct_task(task_fn *fn, const char *in)
{
	static const struct task_figures figures[] = {
		{.live = true, .epoch = 1, .excess = 123456789, .children_excess = 5, .truth = 5},
		{.live = true, .epoch = 1, .truth = NS_PER_SEC, .children_excess = UINT64_MAX},
		{.excess = 1}};
	struct task_shown shown = {0};

	for (size_t i = 0; i < ARRAY_SIZE(figures); i++) {
		struct text t;
		FILE *out = begin(&t);

		end(&t, out, fn(in, &figures[i], &shown, out), in);
	}
}

static void correct_system(system_fn *fn, const struct system_figures *figures,
			   struct system_shown *shown, const char *in)
{
	struct text t;
	FILE *out = begin(&t);

	end(&t, out, fn(in, figures, shown, out), in);
}

static void fuzz_system(system_fn *fn, const char *in)
{
	struct cpu_figures cpu[2] = {{.busy = 5 * NS_PER_SEC}, {.away = 2 * NS_PER_SEC}};
	struct cpu_shown cpu_shown[2] = {0};
	struct system_figures figures = {.live = true, .epoch = 1, .n_cpus = 2, .cpu = cpu};
	struct system_shown shown = {.cpu = cpu_shown};

	correct_system(fn, &figures, &shown, in);
	cpu[0].away = cpu[1].busy_away = 3 * NS_PER_SEC;
	correct_system(fn, &figures, &shown, in);
	figures.live = false;
	correct_system(fn, &figures, &shown, in);
}

static void fuzz_task_stat(const char *in)
{
	correct_task(rewrite_task_stat, in);
}

static void fuzz_task_schedstat(const char *in)
{
	correct_task(rewrite_task_schedstat, in);
}

static void fuzz_task_sched(const char *in)
{
	correct_task(rewrite_task_sched, in);
}

static void fuzz_system_stat(const char *in)
{
	fuzz_system(rewrite_system_stat, in);
}

static void fuzz_system_schedstat(const char *in)
{
	fuzz_system(rewrite_system_schedstat, in);
}

static void fuzz_snapshot(const char *in)
{
	json_t *o = json_loads(in, 0, NULL);
	struct kept *f = kept_new();
	struct task_figures figures;
	struct task_shown *shown;
	struct snapshot s;

	CHECK(f);
	if (snapshot_decode(o, NULL, &s))
		snapshot_init(&s);
	for (uint64_t i = 1; i <= 3; i++) {
		int err = kept_update(f, &s, 7, i * 100 * NS_PER_SEC);

		CHECK(err == 0 || err == -E2BIG);
		CHECK(kept_task(f, 7, i == 2 ? 7 : 0, i, &figures, &shown) == 0);
	}
	correct_system(rewrite_system_stat, kept_system(f), kept_system_shown(f),
		       "cpu  1 2 3 4 5 6 7 8 9 10\ncpu0 1 2 3 4 5 6 7 8 9 10\n");
	snapshot_done(&s);
	kept_free(f);
	json_decref(o);
}

/* What comes out of a line is in the line. */
static void fuzz_mounts(const char *in)
{
	char *text = strdup(in);
	struct mounts_line line;
	size_t size = strlen(in);

	CHECK(text);
	if (!mounts_parse(text, &line)) {
		CHECK(line.place >= text && line.place + strlen(line.place) <= text + size);
		CHECK(line.type > line.place && line.source > line.type);
		CHECK(line.source + strlen(line.source) <= text + size);
	}
	free(text);
}

static void (*const parsers[])(const char *) = {
	fuzz_task_stat,	       fuzz_task_schedstat, fuzz_task_sched, fuzz_system_stat,
	fuzz_system_schedstat, fuzz_snapshot,	    fuzz_mounts};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text;

	if (size < 1)
		return 0;
	text = malloc(size); /* exactly: beyond it ASan sees */
	if (!text)
		return 0;
	memcpy(text, data + 1, size - 1);
	text[size - 1] = '\0';
	parsers[data[0] % ARRAY_SIZE(parsers)](text);
	free(text);
	return 0;
}
