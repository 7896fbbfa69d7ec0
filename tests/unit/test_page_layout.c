/* SPDX-License-Identifier: MIT */
/*
 * The page's layout: every table of docs/page.5 against the C structures, both ways, and the bytes
 * that the writer leaves in memory against the offsets in the page's text. Reading is test_page.c's
 * affair, a writer that dies is test_page_crash.c's.
 */
#include "ledger/page_writer.h"

#include "base/units.h"
#include "page_records.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct field {
	const char *type;
	const char *name;
	uint64_t offset;
	uint64_t size; /* 0 for a flexible array */
	bool documented;
};

#define FIELD(type, field)                                                                         \
	{                                                                                          \
		"struct " #type, #field, offsetof(struct type, field),                             \
			sizeof(((struct type *)0)->field), false                                   \
	}

static struct field fields[] = {
	FIELD(page_header, magic),
	FIELD(page_header, abi_major),
	FIELD(page_header, abi_minor),
	FIELD(page_header, header_size),
	FIELD(page_header, size),
	FIELD(page_header, session),
	FIELD(page_header, vcpus),
	FIELD(page_header, ring_entries),
	FIELD(page_header, host_offset),
	FIELD(page_header, vcpu_offset),
	FIELD(page_header, vcpu_stride),
	FIELD(page_header, host_size),
	FIELD(page_header, vcpu_size),
	FIELD(page_header, gap_size),
	FIELD(page_host_latch, seq),
	FIELD(page_host_latch, copy),
	FIELD(page_host, clock),
	FIELD(page_host, updates),
	FIELD(page_host, valid),
	FIELD(page_host, shares),
	FIELD(page_host, reservation_ppm),
	FIELD(page_host, limit_ppm),
	FIELD(page_host, overhead_ns),
	FIELD(page_host, mem_size),
	FIELD(page_host, mem_ballooned),
	FIELD(page_host, mem_shared),
	FIELD(page_host, mem_swapped),
	FIELD(page_host, mem_reservation),
	FIELD(page_host, mem_used),
	FIELD(page_clock, ticks),
	FIELD(page_clock, mono),
	FIELD(page_clock, real),
	FIELD(page_clock, ticks_hz),
	FIELD(page_clock, error),
	FIELD(page_clock, reserved),
	FIELD(page_vcpu_block, latch),
	FIELD(page_vcpu_block, head),
	{"struct page_vcpu_block", "ring", offsetof(struct page_vcpu_block, ring), 0, false},
	FIELD(page_vcpu_latch, seq),
	FIELD(page_vcpu_latch, copy),
	FIELD(page_vcpu, start),
	FIELD(page_vcpu, at),
	FIELD(page_vcpu, ns),
	FIELD(page_vcpu, state),
	FIELD(page_vcpu, reserved),
	FIELD(page_vcpu, gaps_until),
	FIELD(page_vcpu, gaps_lost),
	FIELD(page_gap, start),
	FIELD(page_gap, end),
	FIELD(page_gap, number),
	FIELD(page_gap, state),
	FIELD(page_gap, reserved),
};

static const struct {
	const char *name;
	uint64_t size;
} types[] = {
	{"struct page_header", sizeof(struct page_header)},
	{"struct page_host_latch", sizeof(struct page_host_latch)},
	{"struct page_host", sizeof(struct page_host)},
	{"struct page_clock", sizeof(struct page_clock)},
	{"struct page_vcpu_block", sizeof(struct page_vcpu_block)},
	{"struct page_vcpu_latch", sizeof(struct page_vcpu_latch)},
	{"struct page_vcpu", sizeof(struct page_vcpu)},
	{"struct page_gap", sizeof(struct page_gap)},
};

static struct constant {
	const char *type;
	const char *name;
	uint64_t value; /* what the page counts: a bit's number, a state */
	bool documented;
} constants[] = {
#define BIT(name)                                                                                  \
	{                                                                                          \
		"enum page_valid", #name, (uint64_t)__builtin_ctz(name), false                     \
	}
#define STATE(name)                                                                                \
	{                                                                                          \
		"enum ledger_state", #name, name, false                                            \
	}
	BIT(PAGE_VALID_SHARES),	   BIT(PAGE_VALID_RESERVATION),
	BIT(PAGE_VALID_LIMIT),	   BIT(PAGE_VALID_MEMORY),
	BIT(PAGE_VALID_BALLOONED), BIT(PAGE_VALID_SHARED),
	BIT(PAGE_VALID_SWAPPED),   BIT(PAGE_VALID_MEM_USED),
	BIT(PAGE_VALID_OVERHEAD),  BIT(PAGE_VALID_MEM_RESERVATION),
	STATE(LEDGER_RUN),	   STATE(LEDGER_READY),
	STATE(LEDGER_COSTOP),	   STATE(LEDGER_LIMITED),
	STATE(LEDGER_SWAPWAIT),	   STATE(LEDGER_HALT),
	STATE(LEDGER_WAIT),
};

static void check_field(const char *type, const char *name, uint64_t offset, uint64_t size)
{
	for (size_t i = 0; i < ARRAY_SIZE(fields); i++) {
		if (strcmp(fields[i].type, type) != 0 || strcmp(fields[i].name, name) != 0)
			continue;
		if (fields[i].offset != offset || fields[i].size != size || fields[i].documented)
			break;
		fields[i].documented = true;
		return;
	}
	fail_msg("page.5: %s.%s at %ju, %ju bytes: not so in <desched/page.h>", type, name,
		 (uintmax_t)offset, (uintmax_t)size);
}

static void check_constant(const char *type, const char *name, uint64_t value)
{
	for (size_t i = 0; i < ARRAY_SIZE(constants); i++) {
		if (strcmp(constants[i].type, type) != 0 || strcmp(constants[i].name, name) != 0)
			continue;
		if (constants[i].value != value || constants[i].documented)
			break;
		constants[i].documented = true;
		return;
	}
	fail_msg("page.5: %s: %s = %ju: not so in the header", type, name, (uintmax_t)value);
}

/* A row of the man page; `title` is the last subsection's. */
static void check_row(const char *title, const char *line)
{
	const char *kind = strstr(title, ": struct ") ? ": struct " : ": enum ";
	const char *type = strstr(title, kind);
	char name[64], size[16];
	unsigned offset;

	if (sscanf(line, ".It %u Ta %15s Ta Va %63s Ta ", &offset, size, name) == 3) {
		assert_non_null(type);
		check_field(type + 2, name, offset, strtoull(size, NULL, 10));
	} else if (sscanf(line, ".It %u Ta Dv %63s Ta ", &offset, name) == 2) {
		assert_non_null(type);
		check_constant(type + 2, name, offset);
	} else if (sscanf(line, ".It %u ", &offset) == 1) {
		fail_msg("page.5: not understood: %s", line);
	}
}

static void test_man_page_and_structures_agree(void **state)
{
	FILE *f = fopen(PAGE_MAN, "r");
	char title[128] = "", line[512];

	(void)state;
	assert_non_null(f);
	while (fgets(line, sizeof(line), f)) {
		line[strcspn(line, "\n")] = '\0';
		if (!strncmp(line, ".Ss ", 4))
			snprintf(title, sizeof(title), "%.100s", line);
		check_row(title, line);
	}
	fclose(f);
	for (size_t i = 0; i < ARRAY_SIZE(fields); i++) {
		if (!fields[i].documented)
			fail_msg("page.5 lacks %s.%s", fields[i].type, fields[i].name);
	}
	for (size_t i = 0; i < ARRAY_SIZE(constants); i++) {
		if (!constants[i].documented)
			fail_msg("page.5 lacks %s", constants[i].name);
	}
}

/* The fields of each structure follow one another without padding and without one that was
 * forgotten above. */
static void test_fields_tile_their_structures(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(types); i++) {
		uint64_t at = 0;

		for (size_t f = 0; f < ARRAY_SIZE(fields); f++) {
			if (strcmp(fields[f].type, types[i].name) != 0)
				continue;
			assert_int_equal(fields[f].offset, at);
			at += fields[f].size;
		}
		assert_int_equal(at, types[i].size);
		assert_int_equal(at % 8, 0);
	}
	assert_int_equal(sizeof(struct gap), 8 + 8 + 4 + 4 + 4 + 4);
	assert_int_equal(sizeof(struct ledger), 8 + 8 + 7 * 8 + 4 + 4);
}

static uint64_t word_at(const uint8_t *page, uint64_t offset)
{
	uint64_t word = 0;

	for (int i = 7; i >= 0; i--)
		word = word << 8 | page[offset + (uint64_t)i];
	return word;
}

static uint32_t half_at(const uint8_t *page, uint64_t offset)
{
	return (uint32_t)(word_at(page, offset & ~7ull) >> (offset & 4 ? 32 : 0));
}

/* Offsets here are the man page's, in figures. */
static void test_bytes_of_a_page(void **state)
{
	_Alignas(8) static uint8_t page[8192];
	struct page_host host = record_host(1);
	struct page_vcpu vcpu = record_vcpu(1);
	struct gap gap = {.start = 11, .end = 22, .state = LEDGER_SWAPWAIT, .by = 4711};
	struct page_writer w;
	uint64_t host_at, block;

	(void)state;
	memset(page, 0xee, sizeof(page));
	assert_int_equal(page_writer_init(&w, page, sizeof(page), 2, 16, 0x1122334455667788), 0);
	page_write_host(&w, &host);
	page_write_vcpu(&w, 1, &vcpu);
	page_write_gap(&w, 1, &gap);
	page_write_gap(&w, 1, &gap);

	assert_memory_equal(page, "DESDPAGE", 8);
	assert_int_equal(page[8] | page[9] << 8, 1);
	assert_int_equal(page[10] | page[11] << 8, 0);
	assert_int_equal(half_at(page, 12), 64);
	assert_int_equal(word_at(page, 16), 4096);
	assert_int_equal(word_at(page, 24), 0x1122334455667788);
	assert_int_equal(half_at(page, 32), 2);
	assert_int_equal(half_at(page, 36), 16);
	assert_int_equal(half_at(page, 52), 136);
	assert_int_equal(half_at(page, 56), 104);
	assert_int_equal(half_at(page, 60), 32);

	host_at = half_at(page, 40);
	assert_int_equal(word_at(page, host_at), 2);
	assert_memory_equal(page + host_at + 8, &host, 136);
	assert_memory_equal(page + host_at + 8 + 136, &host, 136);

	block = half_at(page, 44);
	assert_int_equal(word_at(page, block), 0); /* vCPU 0: never written */
	block += half_at(page, 48);
	assert_int_equal(word_at(page, block), 2);
	assert_memory_equal(page + block + 8, &vcpu, 104);
	assert_memory_equal(page + block + 8 + 104, &vcpu, 104);
	assert_int_equal(word_at(page, block + 216), 2);
	assert_int_equal(word_at(page, block + 224 + 32), 11);
	assert_int_equal(word_at(page, block + 224 + 32 + 8), 22);
	assert_int_equal(word_at(page, block + 224 + 32 + 16), 2);
	assert_int_equal(word_at(page, block + 224 + 32 + 24), 4); /* reserved 0, `by` nowhere */
	assert_int_equal(word_at(page, block + 224 + 64 + 16), 0);
	for (size_t i = 4096; i < sizeof(page); i++)
		assert_int_equal(page[i], 0xee);
	page_writer_done(&w);
}

static void test_page_sizes(void **state)
{
	static const struct {
		uint32_t vcpus, ring_entries;
		size_t size;
	} sizes[] = {
		{0, 0, 0},
		{1, 0, 4096},
		{1, 64, 4096},
		{1, 3, 0},
		{1, 65536, 4u << 20}, /* 2 MiB of gaps and a little */
		{1, 131072, 0},
		{2, 4096, 512u << 10}, /* 256 KiB of gaps and a little */
		{1024, 0, 512u << 10}, /* 256 bytes each and a little */
		{1024, 65536, 4ull << 30},
		{1025, 0, 0},
		{UINT32_MAX, UINT32_MAX, 0},
		{1, 0x80000000u, 0},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++)
		assert_int_equal(page_size_for(sizes[i].vcpus, sizes[i].ring_entries),
				 sizes[i].size);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_man_page_and_structures_agree),
		cmocka_unit_test(test_fields_tile_their_structures),
		cmocka_unit_test(test_bytes_of_a_page),
		cmocka_unit_test(test_page_sizes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
