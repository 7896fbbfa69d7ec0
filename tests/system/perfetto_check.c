/* SPDX-License-Identifier: MIT */
/*
 * perfetto_check FILE: whether Perfetto takes all of a trace in Chrome's Trace Event Format, by what
 * its importer does with one (trace_processor: json_trace_tokenizer, json_parser, slice_tracker),
 * stricter where its versions differ:
 *
 *  - an object whose "traceEvents" is an array, complete to its end, in UTF-8;
 *  - no backslash in a string: one version ends at \u, one at \u of surrogate pairs, one takes a
 *    quote behind a backslash for an escaped one, whatever is before that;
 *  - "ph" X, M or i; "name" not empty; "pid" and "tid" in 32 bits; but for M "ts", for X "dur",
 *    numbers of microseconds with at most three decimals, dur above 0 (0 would be an instant);
 *  - slices of a thread that don't overlap: one that begins in another and ends behind it is
 *    dropped. Its ends are those of a double, too, which are cut to whole nanoseconds;
 *  - M are names, which are not empty, and sort indices; i have a scope.
 *
 * Prints what it found of each, and one line for what is wrong.
 */
#include <inttypes.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct slice {
	uint32_t pid, tid;
	uint64_t start, end; /* ns */
	size_t place;
};

static size_t slices, names, instants, tracks, wrong;

static void complain(size_t event, const char *what)
{
	if (wrong++ < 10)
		fprintf(stderr, "perfetto_check: event %zu: %s\n", event, what);
}

/* A file's text, with a 0 behind it. */
static char *read_file(const char *path, size_t *ret_size)
{
	FILE *f = fopen(path, "re");
	char *text = NULL;
	size_t n = 0, room = 0;

	while (f && !feof(f) && !ferror(f)) {
		if (n + 65536 + 1 > room)
			text = realloc(text, room = room * 2 + 131072);
		n += fread(text + n, 1, 65536, f);
	}
	if (!f || ferror(f)) {
		fprintf(stderr, "perfetto_check: %s can't be read\n", path);
		exit(1);
	}
	fclose(f);
	text[n] = '\0';
	*ret_size = n;
	return text;
}

/* Microseconds as typed, in ns; UINT64_MAX for what isn't such a number. jansson's double is what
 * Perfetto's parser has; printed with three decimals it is what stands in the file. */
static uint64_t ns_of(const json_t *value)
{
	double us = json_number_value(value);

	if (!json_is_number(value) || us < 0 || us > 1e12)
		return UINT64_MAX;
	return (uint64_t)(us * 1000 + 0.5);
}

static bool is_u32(const json_t *value)
{
	return json_is_integer(value) && json_integer_value(value) >= 0 &&
	       json_integer_value(value) <= UINT32_MAX;
}

static bool is_name(const json_t *value)
{
	return json_is_string(value) && json_string_length(value) > 0;
}

static void check_slice(const json_t *e, size_t i, struct slice *s)
{
	const json_t *ts = json_object_get(e, "ts"), *dur = json_object_get(e, "dur");

	s[slices] = (struct slice){(uint32_t)json_integer_value(json_object_get(e, "pid")),
				   (uint32_t)json_integer_value(json_object_get(e, "tid")),
				   ns_of(ts), 0, i};
	if (ns_of(ts) == UINT64_MAX || ns_of(dur) == UINT64_MAX || !ns_of(dur)) {
		complain(i, "a slice without ts or dur");
		return;
	}
	s[slices].end = s[slices].start + ns_of(dur);
	if ((uint64_t)(json_number_value(dur) * 1000.0) > ns_of(dur))
		complain(i, "a dur that gets longer by rounding");
	if (!json_is_object(json_object_get(e, "args")))
		complain(i, "args that are no object");
	slices++;
}

static void check_metadata(const json_t *e, size_t i)
{
	const char *name = json_string_value(json_object_get(e, "name"));
	const json_t *args = json_object_get(e, "args");

	names++;
	if (!strcmp(name, "thread_sort_index") || !strcmp(name, "process_sort_index")) {
		if (!json_is_integer(json_object_get(args, "sort_index")))
			complain(i, "a sort index that is none");
	} else if (strcmp(name, "thread_name") != 0 && strcmp(name, "process_name") != 0) {
		complain(i, "metadata that Perfetto doesn't know");
	} else if (!is_name(json_object_get(args, "name"))) {
		complain(i, "a track without a name");
	}
}

static void check_instant(const json_t *e, size_t i)
{
	const char *scope = json_string_value(json_object_get(e, "s"));

	instants++;
	if (!scope || strlen(scope) != 1 || !strchr("gpt", *scope))
		complain(i, "an instant without a scope");
	if (ns_of(json_object_get(e, "ts")) == UINT64_MAX)
		complain(i, "an instant without ts");
}

static void check_event(const json_t *e, size_t i, struct slice *s)
{
	const char *ph = json_string_value(json_object_get(e, "ph"));

	if (!is_name(json_object_get(e, "name")) || !is_u32(json_object_get(e, "pid")) ||
	    !is_u32(json_object_get(e, "tid")))
		complain(i, "name, pid or tid is missing");
	else if (ph && !strcmp(ph, "X"))
		check_slice(e, i, s);
	else if (ph && !strcmp(ph, "M"))
		check_metadata(e, i);
	else if (ph && !strcmp(ph, "i"))
		check_instant(e, i);
	else
		complain(i, "ph is none of X, M and i");
}

static int by_track(const void *a, const void *b)
{
	const struct slice *x = a, *y = b;

	if (x->pid != y->pid)
		return x->pid < y->pid ? -1 : 1;
	if (x->tid != y->tid)
		return x->tid < y->tid ? -1 : 1;
	if (x->start != y->start)
		return x->start < y->start ? -1 : 1;
	return x->end < y->end ? 1 : x->end > y->end ? -1 : 0;
}

static void check_tracks(struct slice *s)
{
	qsort(s, slices, sizeof(*s), by_track);
	for (size_t i = 0; i < slices; i++) {
		bool first = !i || s[i - 1].pid != s[i].pid || s[i - 1].tid != s[i].tid;

		tracks += first;
		if (!first && s[i].start < s[i - 1].end)
			complain(s[i].place, "a slice overlaps the one before it");
	}
}

int main(int argc, char **argv)
{
	json_error_t error;
	json_t *o, *events, *e;
	struct slice *s;
	size_t size, i;
	char *text;

	if (argc != 2)
		return 2;
	text = read_file(argv[1], &size);
	if (memchr(text, '\\', size))
		complain(0, "a backslash");
	o = json_loadb(text, size, JSON_REJECT_DUPLICATES, &error);
	events = json_object_get(o, "traceEvents");
	if (!json_is_array(events)) {
		fprintf(stderr, "perfetto_check: %s: %s\n", argv[1],
			o ? "no array of traceEvents" : error.text);
		return 1;
	}
	s = calloc(json_array_size(events) + 1, sizeof(*s));
	json_array_foreach(events, i, e) check_event(e, i, s);
	check_tracks(s);
	printf("%zu slices in %zu tracks, %zu names, %zu instants; %zu wrong\n", slices, tracks,
	       names, instants, wrong);
	free(s);
	free(text);
	json_decref(o);
	return wrong || !slices;
}
