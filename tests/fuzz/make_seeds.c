/* SPDX-License-Identifier: MIT */
/*
 * Where the seeds come from: `make_seeds DIR` writes DIR/TARGET/NAME, `make_seeds --check DIR`
 * fails when one of these files is not what it would write, as happens when a format changes. Files
 * that a fuzzer has found may lie beside them.
 */
#include "ledger/page_writer.h"
#include "ledger/stream_frame.h"

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

/* ---- streams, from the real writer ---- */

static void put_record(struct stream_out *out, uint64_t number, uint32_t vcpus, unsigned gaps)
{
	const struct page_header page = {.vcpus = vcpus, .ring_entries = 1024};
	const struct page_host host = {.clock = {.ticks = 9, .mono = 5, .error = 1}};
	const struct page_vcpu vcpu = {.start = 10, .at = 40, .ns = {20, 10}, .gaps_until = 40};
	struct gap some[8];

	for (unsigned i = 0; i < gaps; i++)
		some[i] = (struct gap){.start = 10 * i, .end = 10 * i + 3, .state = 1};
	stream_begin(out, 7, number, &page, 5000000, &host);
	for (uint32_t v = 0; v < vcpus; v++)
		stream_put(out, v, number * gaps, some, gaps, v == 1 ? NULL : &vcpu);
	stream_end(out);
}

/* The first byte as in fuzz_stream.c. */
static void emit_streams(struct output *o)
{
	_Alignas(8) uint8_t frame[4096];
	struct stream_out out = {.bytes = frame, .size = sizeof(frame)};
	struct stream_header ping;
	uint8_t input[16384] = {0x83};
	size_t n = 1;

	for (uint64_t i = 1; i < 4; i++) {
		put_record(&out, i, 3, 4);
		memcpy(input + n, frame, out.used);
		n += out.used;
	}
	emit(o, "stream", "records", input, n);
	memmove(input + 300, input + 500, n - 500);
	emit(o, "stream", "torn", input, n - 200);
	for (n = 1; n < 1000; n += sizeof(ping)) {
		stream_ping(n, &ping);
		memcpy(input + n, &ping, sizeof(ping));
	}
	emit(o, "stream", "pings", input, n);
	memset(input + 1, 0xff, n);
	emit(o, "stream", "ones", input, n);
	emit(o, "stream", "empty", input, 0);
	put_record(&out, 1, 1, 0);
	memcpy(input + 1, frame, out.used);
	memcpy(input + 1 + 48, "\0\0\4\0\0\0\0\0\377\377\377\177", 12); /* vcpus, blocks */
	emit(o, "stream", "many-vcpus", input, 1 + out.used);
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

/* ---- devices: records of eight bytes, see port_device.c and virtio_device.c ---- */

struct seed {
	uint8_t bytes[8 * 1024];
	size_t size;
};

static void add(struct seed *s, uint8_t what, uint8_t size, uint16_t at, uint32_t value)
{
	uint8_t *r = s->bytes + s->size;

	r[0] = what;
	r[1] = size;
	memcpy(r + 2, &at, sizeof(at));
	memcpy(r + 4, &value, sizeof(value));
	s->size += 8;
}

enum { WRITE, READ, PASS, AWAY, TAKE, INPUT, POLICY, POKE };
enum { BYTE, WORD, LONG };

/* Every mode, access and count that matters, latched, read back and read. */
static void emit_pit(struct output *o)
{
	static const uint16_t counts[] = {0, 1, 1193, 11932, 65535};

	for (uint8_t mode = 0; mode < 8; mode++) {
		struct seed s = {.size = 0};
		char name[16];

		for (uint8_t access = 0; access < 4; access++) {
			for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
				add(&s, WRITE, BYTE, 3, (uint32_t)(access << 4 | mode << 1));
				add(&s, WRITE, BYTE, 0, counts[i] & 0xff);
				add(&s, WRITE, BYTE, 0, counts[i] >> 8);
				add(&s, AWAY, 0, 0, 1000000);
				add(&s, WRITE, BYTE, 3, 0xc2);
				for (int k = 0; k < 4; k++)
					add(&s, READ, BYTE, 0, 0);
				add(&s, WRITE, BYTE, 4, access);
				add(&s, READ, BYTE, 4, 0);
			}
		}
		snprintf(name, sizeof(name), "mode-%u", mode);
		emit(o, "pit", name, s.bytes, s.size);
	}
}

/* Every cell, in both codes, and some values that are none. */
static void emit_rtc(struct output *o)
{
	struct seed s = {.size = 0};

	for (uint32_t index = 0; index < 256; index++) {
		add(&s, WRITE, BYTE, 0, index);
		add(&s, READ, BYTE, 1, 0);
		add(&s, WRITE, BYTE, 1, index ^ 0xff);
	}
	emit(o, "rtc", "cells", s.bytes, s.size);
}

/* More output and input than there is room for, with interrupts; the loop; each register. */
static void emit_serial(struct output *o)
{
	struct seed s = {.size = 0};

	for (uint32_t i = 0; i < 300; i++) {
		add(&s, WRITE, BYTE, 0, i);
		add(&s, INPUT, 0, 0, i);
	}
	add(&s, READ, BYTE, 0, 0);
	emit(o, "serial", "overflow", s.bytes, s.size);
	s.size = 0;
	for (uint32_t value = 0; value < 256; value += 5) {
		for (uint16_t port = 1; port < 8; port++) {
			add(&s, WRITE, BYTE, port, value);
			add(&s, READ, BYTE, port, 0);
		}
		add(&s, WRITE, BYTE, 0, value);
		add(&s, READ, BYTE, 0, 0);
		add(&s, TAKE, 0, 0, 0);
	}
	emit(o, "serial", "registers", s.bytes, s.size);
}

/* A backlog that VMDesched takes, told by the port and by the page's word; pages that are none. */
static void emit_port(struct output *o)
{
	static const uint32_t pages[] = {0, 1, 4095, 4097, 0xf000, 0x10000, 0xfffff000, 0x3000};

	for (int by_word = 0; by_word < 2; by_word++) {
		struct seed s = {.size = 0};

		for (size_t i = 0; i < sizeof(pages) / sizeof(pages[0]); i++)
			add(&s, WRITE, LONG, 0, pages[i]);
		add(&s, WRITE, BYTE, 5, 0x34);
		add(&s, WRITE, BYTE, 4, 0x9c);
		add(&s, WRITE, BYTE, 4, 0x2e);
		for (uint32_t round = 0; round < 20; round++) {
			add(&s, AWAY, 0, 0, 400000);
			if (by_word)
				add(&s, POKE, 0, 0x3000 + 96, round & 1);
			else
				add(&s, WRITE, BYTE, 1, round & 1);
			for (int k = 0; k < 6; k++) {
				add(&s, PASS, 0, 0, 100000);
				add(&s, TAKE, 0, 0, 0);
				add(&s, WRITE, BYTE, 6, 0x20);
			}
			add(&s, READ, LONG, (uint16_t)(round % 4), 0);
		}
		add(&s, POKE, 0, 0x3000 + 96, UINT32_MAX);
		add(&s, WRITE, LONG, 0, 0xf000);
		add(&s, POLICY, 0, 0, 0);
		emit(o, "port", by_word ? "word" : "port", s.bytes, s.size);
	}
}

enum { NEXT = 1, DEVICE = 2, INDIRECT = 4 };
#define NOTIFY 0x50

static const struct {
	const char *target, *name;
	struct {
		uint64_t at;
		uint32_t size;
		uint16_t flags, next;
	} chain[3];
	uint32_t head[4]; /* what stands at 0x3000 */
	uint16_t first;	  /* the chain's first descriptor, as the driver says */
} requests[] = {
	{"block",
	 "read",
	 {{0x3000, 16, NEXT, 1}, {0x3400, 512, NEXT | DEVICE, 2}, {0x3800, 1, DEVICE, 0}},
	 {0, 0, 1, 0},
	 0},
	{"block",
	 "write",
	 {{0x3000, 16, NEXT, 1}, {0x3400, 1024, NEXT, 2}, {0x3800, 1, DEVICE, 0}},
	 {1, 0, 6, 0},
	 0},
	{"block",
	 "past-end",
	 {{0x3000, 16, NEXT, 1}, {0x3400, 1024, NEXT, 2}, {0x3800, 1, DEVICE, 0}},
	 {1, 0, 7, 0},
	 0},
	{"block",
	 "far-sector",
	 {{0x3000, 16, NEXT, 1}, {0x3400, 512, NEXT | DEVICE, 2}, {0x3800, 1, DEVICE, 0}},
	 {0, 0, UINT32_MAX, UINT32_MAX},
	 0},
	{"block",
	 "odd-size",
	 {{0x3000, 16, NEXT, 1}, {0x3400, 100, NEXT | DEVICE, 2}, {0x3800, 1, DEVICE, 0}},
	 {0, 0, 0, 0},
	 0},
	{"block",
	 "wrong-way",
	 {{0x3000, 16, NEXT, 1}, {0x3400, 512, NEXT, 2}, {0x3800, 1, DEVICE, 0}},
	 {0, 0, 0, 0},
	 0},
	{"block",
	 "name",
	 {{0x3000, 16, NEXT, 1}, {0x3400, 20, NEXT | DEVICE, 2}, {0x3800, 1, DEVICE, 0}},
	 {8, 0, 0, 0},
	 0},
	{"block", "flush", {{0x3000, 16, NEXT, 1}, {0x3800, 1, DEVICE, 0}}, {4, 0, 0, 0}, 0},
	{"block", "short-header", {{0x3000, 15, NEXT, 1}, {0x3800, 1, DEVICE, 0}}, {4, 0, 0, 0}, 0},
	{"block", "no-status", {{0x3000, 16, 0, 0}}, {4, 0, 0, 0}, 0},
	{"balloon", "inflate", {{0x3000, 16, 0, 0}}, {9, 10, 11, 12}, 0},
	{"balloon", "outside", {{0x3000, 16, 0, 0}}, {16, 0xfffff, UINT32_MAX, 0x80000000}, 0},
	{"balloon", "odd-size", {{0x3000, 7, 0, 0}}, {9, 10, 0, 0}, 0},
	{"entropy", "fill", {{0x3000, 64, NEXT | DEVICE, 1}, {0x3400, 256, DEVICE, 0}}, {0}, 0},
	{"entropy", "long", {{0x3000, 0x8000, DEVICE, 0}}, {0}, 0},
	{"entropy", "wrong-way", {{0x3000, 64, 0, 0}}, {0}, 0},
	{"virtqueue",
	 "chain",
	 {{0x3000, 64, NEXT, 1}, {0x3400, 64, NEXT | DEVICE, 2}, {0x3800, 0, 0, 0}},
	 {1, 2, 3, 4},
	 0},
	{"virtqueue", "loop", {{0x3000, 64, NEXT, 1}, {0x3400, 64, NEXT, 0}}, {0}, 0},
	{"virtqueue", "wild-next", {{0x3000, 64, NEXT, 16}}, {0}, 0},
	{"virtqueue", "wild-head", {{0x3000, 64, 0, 0}}, {0}, 16},
	{"virtqueue", "indirect", {{0x3000, 64, INDIRECT, 0}}, {0}, 0},
	{"virtqueue", "outside", {{0xffff, 2, DEVICE, 0}}, {0}, 0},
	{"virtqueue", "end", {{0xffff, 1, DEVICE, 0}}, {0}, 0},
	{"virtqueue", "wraps", {{UINT64_MAX, 2, DEVICE, 0}}, {0}, 0},
	{"virtqueue", "all", {{0, 0x10000, DEVICE, 0}}, {0}, 0}, /* the queue itself too */
};

/* A request as a driver puts it, then once more with the queue's registers touched. */
static void emit_requests(struct output *o)
{
	static const uint16_t registers[] = {0x30, 0x38, 0x44, 0x80, 0x70, 0x64, 0x104};

	for (size_t i = 0; i < sizeof(requests) / sizeof(requests[0]); i++) {
		struct seed s = {.size = 0};

		for (uint16_t k = 0; k < 3; k++) {
			uint64_t at = requests[i].chain[k].at;

			add(&s, 2, 0, (uint16_t)(16 * k), (uint32_t)at);
			add(&s, 2, 0, (uint16_t)(16 * k + 4), (uint32_t)(at >> 32));
			add(&s, 2, 0, (uint16_t)(16 * k + 8), requests[i].chain[k].size);
			add(&s, 2, 0, (uint16_t)(16 * k + 12),
			    (uint32_t)(requests[i].chain[k].next << 16 |
				       requests[i].chain[k].flags));
		}
		for (uint16_t k = 0; k < 4; k++)
			add(&s, 2, 0, (uint16_t)(0x3000 + 4 * k), requests[i].head[k]);
		add(&s, 2, 0, 0x1004, requests[i].first);
		add(&s, 2, 0, 0x1000, 1 << 16);
		add(&s, 0, 0, NOTIFY, 0);
		for (size_t k = 0; k < sizeof(registers) / sizeof(registers[0]); k++) {
			add(&s, 1, 0, registers[k], 0);
			add(&s, 0, 0, registers[k], (uint32_t)k);
			add(&s, 2, 0, 0x1000, (uint32_t)(k + 2) << 16);
			add(&s, 0, 0, NOTIFY, 0);
		}
		emit(o, requests[i].target, requests[i].name, s.bytes, s.size);
	}
}

static const struct {
	const char *name, *words;
	size_t size;
} commands[] = {
#define WORDS(s) s, sizeof(s)
	{"page", WORDS("desched\0vm\0--memory\0"
		       "4\0--page\0/tmp/page\0--name\0x")},
	{"joined", WORDS("desched\0vm\0--page=page")},
	{"other", WORDS("qemu\0-page\0--page\0x")},
	{"last", WORDS("desched\0vm\0--page")},
	{"one-word", WORDS("desched")},
	{"cut", WORDS("desched\0v")},
	{"qemu",
	 WORDS("qemu\0-name\0guest=a,,b,debug-threads=on\0-object\0memory-backend-file,id=m,"
	       "share=on,mem-path=/dev/shm/a,,b,size=1M\0-device\0ivshmem-plain,memdev=m")},
	{"json", WORDS("qemu\0-device\0{\"driver\":\"ivshmem-plain\",\"memdev\":\"m\"}\0-object\0"
		       "{\"qom-type\":\"memory-backend-file\",\"id\":\"m\",\"share\":true,"
		       "\"mem-path\":\"/x\"}")},
};

static void emit_commands(struct output *o)
{
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		emit(o, "page_file", commands[i].name, commands[i].words, commands[i].size);
}

static void emit_devices(struct output *o)
{
	emit_pit(o);
	emit_rtc(o);
	emit_serial(o);
	emit_port(o);
	emit_requests(o);
}

int main(int argc, char **argv)
{
	struct output o = {.check = argc > 1 && !strcmp(argv[1], "--check")};

	o.dir = argv[o.check ? 2 : 1];
	if (argc != (o.check ? 3 : 2)) {
		fprintf(stderr, "usage: make_seeds [--check] DIR\n");
		return 1;
	}
	emit_streams(&o);
	emit_pages(&o);
	emit_texts(&o);
	emit_joins(&o);
	emit_devices(&o);
	emit_commands(&o);
	return o.failed ? 1 : 0;
}
