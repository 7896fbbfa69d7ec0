/* SPDX-License-Identifier: MIT */
/*
 * Where the seeds come from: `make_seeds DIR` writes DIR/TARGET/NAME, `make_seeds --check DIR`
 * fails when one of these files is not what it would write, as happens when a format changes. Files
 * that a fuzzer has found may lie beside them.
 */
#include "ledger/page_writer.h"

#include "base/cleanup.h"

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define PAGE_SIZE 4096

struct output {
	const char *dir;
	bool check;
	int failed;
};

static bool same(const char *path, const void *bytes, size_t size)
{
	_cleanup_(close_file) FILE *f = fopen(path, "rb");
	_cleanup_(free_ptr) char *found = malloc(size + 1);

	return f && found && fread(found, 1, size + 1, f) == size && !memcmp(found, bytes, size);
}

static bool write_file(const char *path, const void *bytes, size_t size)
{
	_cleanup_(close_file) FILE *f = fopen(path, "wb");

	return f && fwrite(bytes, 1, size, f) == size;
}

static void emit(struct output *o, const char *target, const char *name, const void *bytes,
		 size_t size)
{
	char path[4096];

	snprintf(path, sizeof(path), "%s/%s", o->dir, target);
	if (!o->check && mkdir(path, 0777) < 0 && errno != EEXIST)
		o->failed++;
	snprintf(path, sizeof(path), "%s/%s/%s", o->dir, target, name);
	if (o->check ? same(path, bytes, size) : write_file(path, bytes, size))
		return;
	fprintf(stderr, "%s: %s\n", path,
		o->check ? "is not what make_seeds writes" : "not written");
	o->failed++;
}

/* ---- pages, from the real writer ---- */

static void fill(uint8_t *ret_page, uint32_t vcpus, uint32_t ring, uint64_t gaps)
{
	static _Alignas(8) uint8_t page[PAGE_SIZE];
	struct page_host host = {.valid = 1, .shares = 1000, .clock = {.mono = 5, .error = 1}};
	struct page_vcpu vcpu = {.start = 10, .at = 40, .ns = {20, 10}, .gaps_until = 40};
	struct page_writer w;

	memset(page, 0, PAGE_SIZE);
	if (page_writer_init(&w, page, PAGE_SIZE, vcpus, ring, 1) < 0)
		abort();
	page_write_host(&w, &host);
	for (uint32_t v = 0; v < vcpus; v++) {
		for (uint64_t i = 0; i < gaps; i++)
			page_write_gap(
				&w, v,
				&(struct gap){.start = 10 * i, .end = 10 * i + 3, .state = 1});
		page_write_vcpu(&w, v, &vcpu);
	}
	page_writer_done(&w);
	memcpy(ret_page, page, PAGE_SIZE);
}

static void emit_pages(struct output *o)
{
	uint8_t input[1 + 2 * PAGE_SIZE] = {0};

	fill(input + 1, 1, 8, 3);
	emit(o, "page", "one-vcpu", input, 1 + PAGE_SIZE);
	fill(input + 1, 3, 8, 20);
	emit(o, "page", "overrun", input, 1 + PAGE_SIZE);
	fill(input + 1, 4, 0, 0);
	emit(o, "page", "no-rings", input, 1 + PAGE_SIZE);
	emit(o, "page", "cut", input, 1 + PAGE_SIZE / 2);
	emit(o, "page", "empty", input, 0);

	input[0] = 1;
	fill(input + 1, 2, 16, 3);
	fill(input + 1 + PAGE_SIZE, 2, 16, 40);
	emit(o, "page", "goes-on", input, sizeof(input));
	memset(input + 1 + PAGE_SIZE + 64, 0xff, PAGE_SIZE - 64);
	emit(o, "page", "turns-to-ones", input, sizeof(input));
	memset(input + 1 + PAGE_SIZE, 0, PAGE_SIZE);
	emit(o, "page", "goes-away", input, sizeof(input));
}

/* ---- text of /proc ---- */

static const struct {
	const char *name;
	uint8_t parser, cpu; /* as in fuzz_proc.c */
	const char *text;
} texts[] = {
	{"stat", 0, 0,
	 "1 (systemd) S 0 1 1 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 9 10 11 18446744073709551615 1 "
	 "1 "
	 "0 0 0 0 671173123 4096 1260 0 0 0 17 3 0 0 0 0 0 0 0 0 0 0 0 0 0\n"},
	{"stat-nasty-name", 0, 0,
	 "2 (a) R 1\n(b) S 0 1 1 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 9 10 11 12 1 1 0 0 0 0 67 "
	 "4096 "
	 "1260 0 0 0 17 3 0 0 0\n"},
	{"stat-huge-numbers", 0, 0,
	 "3 (x) S 99999999999 1 1 0 -1 4194560 1 2 3 4 99999999999999999999999 6 7 8 20 0 1 0 9 10 "
	 "11 "
	 "12 1 1 0 0 0 0 67 4096 1260 0 0 0 17 3 0 0 0\n"},
	{"stat-no-name", 0, 0, "4 S 0 1 1 0"},
	{"schedstat", 1, 0, "1234567 890 12\n"},
	{"schedstat-cut", 1, 0, "1234567 "},
	{"cpu-all", 2, 0xff, "cpu  100 10 20 1000 5 1 2 30 7 0\ncpu0 1 2 3 4 5 6 7 8 9 10\n"},
	{"cpu-10", 2, 10, "cpu  1 2 3 4 5 6 7 8\ncpu1 1 2 3 4 5 6 7 8\ncpu10 9 8 7 6 5 4 3 2\n"},
	{"cgroup", 3, 255, "9:name=systemd:/a/b\n4:memory,cpu:/c\n0::/\n"},
	{"cgroup-unified", 3, 5, "0::/user.slice/long\n"},
	{"cgroup-none", 3, 255, "0::relative\n7:\n:::\nx"},
	{"cpu-none", 2, 3, "cpu  1 2 3 4 5 6 7 8\nintr 5 6 7\ncpu3"},
};

static void emit_texts(struct output *o)
{
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		char input[1024];
		int n = snprintf(input, sizeof(input), "%c%c%s", texts[i].parser, texts[i].cpu,
				 texts[i].text);

		emit(o, "proc", texts[i].name, input, (size_t)n);
	}
}

/* ---- joins ---- */

enum { RUN = 0, GAP = 1, UNTIL = 2, END = 3, FAR = 128 };

static const struct {
	const char *name;
	uint8_t capacity;
	struct {
		uint8_t kind;
		int16_t distance, length;
	} ops[10];
	size_t n;
} joins[] = {
	{"in-order",
	 64,
	 {{RUN, 0, 10},
	  {RUN, 0, 10},
	  {GAP, 5, 10},
	  {UNTIL, 12, 0},
	  {RUN, 5, 30},
	  {GAP, 0, 7},
	  {UNTIL, 30, 0}},
	 7},
	{"late",
	 64,
	 {{UNTIL, 50, 0},
	  {GAP, 0, 60},
	  {RUN, 3, 50},
	  {UNTIL, 1, 0},
	  {UNTIL, -5, 0},
	  {RUN, 0, 20},
	  {END, 0, 0},
	  {GAP, 0, 3}},
	 8},
	{"overlapping",
	 64,
	 {{RUN, 0, 10},
	  {RUN, -5, 10},
	  {RUN, -9, 4},
	  {GAP, 0, 10},
	  {GAP, -5, 10},
	  {GAP, -9, 4},
	  {RUN, 0, 0},
	  {GAP, 0, 0},
	  {RUN, 0, -4}},
	 9},
	{"full",
	 1,
	 {{RUN, 0, 10},
	  {RUN, 0, 10},
	  {GAP, 0, 3},
	  {GAP, 9, 3},
	  {UNTIL, 8, 0},
	  {GAP, 1, 9},
	  {UNTIL, 9, 0},
	  {RUN, 0, 10}},
	 8},
	{"far",
	 64,
	 {{RUN | FAR, 1, 200},
	  {GAP | FAR, 2, 32767},
	  {UNTIL | FAR, 90, 0},
	  {RUN | FAR, 32767, 32767},
	  {GAP, -1, 1}},
	 5},
};

static void emit_joins(struct output *o)
{
	for (size_t i = 0; i < sizeof(joins) / sizeof(joins[0]); i++) {
		uint8_t input[64] = {joins[i].capacity};
		size_t at = 1;

		for (size_t n = 0; n < joins[i].n; n++, at += 5) {
			input[at] = joins[i].ops[n].kind;
			memcpy(input + at + 1, &joins[i].ops[n].distance, 2);
			memcpy(input + at + 3, &joins[i].ops[n].length, 2);
		}
		emit(o, "join", joins[i].name, input, at);
	}
}

int main(int argc, char **argv)
{
	struct output o = {.check = argc > 1 && !strcmp(argv[1], "--check")};

	o.dir = argv[o.check ? 2 : 1];
	if (argc != (o.check ? 3 : 2)) {
		fprintf(stderr, "usage: make_seeds [--check] DIR\n");
		return 1;
	}
	emit_pages(&o);
	emit_texts(&o);
	emit_joins(&o);
	return o.failed ? 1 : 0;
}
